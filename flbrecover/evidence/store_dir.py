"""A ``store_dir`` of the s3 output: all files that it left, in every bucket's folder and every stream.

Layout: ``<store_dir>/<bucket>/<stream>/<file>``, see docs/formats/store-dir.md. As Fluent Bit does, every folder is
taken for a stream; the two with a meaning of their own are ``quarantine`` and ``multipart_upload_metadata``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flbrecover.errors import EvidenceError
from flbrecover.evidence.chunk_reader import is_folder, list_folder, problem_of
from flbrecover.evidence.node import Node
from flbrecover.evidence.store_file import StoreFile, examine, find_tag
from flbrecover.fluentbit import multipart_metadata
from flbrecover.model import BufferFile, Problem, RecordedUpload

QUARANTINE = "quarantine"
UPLOADS = "multipart_upload_metadata"
SEQUENCE = "sequence"  # the $INDEX counters
STREAM_NAME = re.compile(  # of those that Fluent Bit makes: a time of its start, or one of the three above
    rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d|{QUARANTINE}|{UPLOADS}|{SEQUENCE}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class StoreDir:
    """What a store_dir holds. ``problems`` are those of the folders and of files that are in neither list; a file's
    own problems are with the file."""

    buffers: tuple[BufferFile, ...]
    uploads: tuple[RecordedUpload, ...]
    problems: tuple[Problem, ...]


def scan(node: Node, home: str, *, tags: Collection[str] = (), given_tag: str | None = None) -> StoreDir:
    """All files below ``home``, a configured ``store_dir``; never raises for what is wrong with one of them.

    ``tags`` are the candidates for a file whose header is damaged (the tags of undamaged files are tried as well).
    ``given_tag`` is the user's ``--tag``: it counts for files whose tag nothing else tells, unless their name's hash
    contradicts it.
    """
    problems: list[Problem] = []
    data: list[tuple[str, str, StoreFile]] = []
    uploads: list[RecordedUpload] = []
    seen: set[tuple[int, int]] = set()
    for bucket, stream, path in _files(node, home, problems):
        file = examine(node, path)
        if isinstance(file, Problem):
            problems.append(file)
            continue
        inode = (file.facts.device, file.facts.inode)
        if inode in seen:
            problems.append(Problem(path, "another name of a file that is read already", unreadable=False))
            continue
        seen.add(inode)
        if stream != UPLOADS:
            data.append((bucket, stream, file))
            continue
        upload = _upload(node, home, bucket, file)
        if isinstance(upload, Problem):
            problems.append(upload)
        else:
            uploads.append(upload)
    if not data and not uploads:
        problems += _elsewhere(node, home)
    candidates = dict.fromkeys((*tags, *(tag for _, _, file in data if (tag := find_tag(file, (), None)[0]))))
    buffers = [_buffer(home, bucket, stream, file, candidates, given_tag) for bucket, stream, file in data]
    return StoreDir(tuple(buffers), tuple(uploads), tuple(problems))


def _files(node: Node, home: str, problems: list[Problem]) -> Iterator[tuple[str, str, str]]:
    """Bucket, stream and path of every file. What lies elsewhere is named and left alone."""
    for bucket in list_folder(node, home, problems, option="--store-dir"):
        if not is_folder(node, bucket, problems, else_it="is no folder of a bucket; left alone"):
            continue
        for stream in list_folder(node, bucket, problems):
            name = _name(stream)
            remark = "is no stream of the s3 output; left alone"
            if is_folder(node, stream, problems, else_it=remark) and name != SEQUENCE:
                for path in list_folder(node, stream, problems):
                    yield _name(bucket), name, path


def _elsewhere(node: Node, home: str) -> Iterator[Problem]:
    """Where nothing was found: the folders of streams one too high or one too low tell which folder was meant."""
    unsaid: list[Problem] = []
    for bucket in list_folder(node, home, unsaid):
        if STREAM_NAME.fullmatch(_name(bucket)):
            parent = home.rstrip("/").rpartition("/")[0] or "/"
            what = "is the folder of a bucket in a store_dir, and not the store_dir"
            yield Problem(home, what, way_out=f"say --store-dir {parent}")
            return
        below = (path for stream in list_folder(node, bucket, unsaid) for path in list_folder(node, stream, unsaid))
        if any(STREAM_NAME.fullmatch(_name(path)) for path in below):
            yield Problem(home, f"is above a store_dir, {bucket}", way_out=f"say --store-dir {bucket}")


def _buffer(
    home: str, bucket: str, stream: str, file: StoreFile, candidates: Collection[str], given_tag: str | None
) -> BufferFile:
    tag, proof, problems = find_tag(file, candidates, given_tag)
    return BufferFile(
        file.facts,
        home,
        "quarantine" if stream == QUARANTINE else "data",
        stream,
        bucket,
        tag,
        proof,
        file.created_ns,
        file.content,
        file.slack,
        (*file.problems, *problems),
    )


def _upload(node: Node, home: str, bucket: str, file: StoreFile) -> RecordedUpload | Problem:
    path = file.facts.path
    meta = file.meta or file.doubted
    name = multipart_metadata.parse_name(meta) if meta else None
    if name is None:
        what = "; ".join((*(p.what for p in file.problems), "it does not say which upload it is of"))
        return Problem(path, what, file.content, "find the upload in the bucket's own list")
    problems = list(file.problems)
    if file.doubted:
        what = "the hash in its name does not fit the upload that it names; what S3 lists decides"
        problems.append(Problem(path, what, unreadable=False))
    size = min(file.content.length, multipart_metadata.MAX_CONTENT)
    try:
        with node.open(path) as opened:
            opened.seek(file.content.start)
            content = opened.read(size)
    except (EvidenceError, OSError) as e:
        return problem_of(file.facts, e)
    parts, wrong = multipart_metadata.parse_parts(content)
    problems += [Problem(path, text, file.content) for text in wrong]
    if size < file.content.length:
        problems.append(Problem(path, "too long: only its beginning was read", file.content))
    return RecordedUpload(file.facts, home, bucket, name.key, name.upload_id, parts, tuple(problems))


def _name(path: str) -> str:
    return path.rpartition("/")[2]
