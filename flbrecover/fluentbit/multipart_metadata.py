"""Files under ``multipart_upload_metadata``: what the s3 output remembers of an upload that it has not completed.

Metadata ``KEY\\nUPLOADID``, content one line for each part that S3 accepted: ``part_number=N\\tetag=E\\n``.
Source: ``upload_key``, ``upload_data`` and ``parse_etags`` in plugins/out_s3/s3_multipart.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flbrecover.model import UploadPart

MAX_PARTS = 10_000  # of one upload, in S3
MAX_CONTENT = 4 << 20  # many times what MAX_PARTS lines need
MAX_KEY = 1024
_LINE = re.compile(rb'part_number=([0-9]{1,5})\tetag="?([0-9A-Za-z+/=_.-]{1,256})"?\Z')


@dataclass(frozen=True, slots=True)
class UploadName:
    """Which upload: ``key`` as S3 has it (Fluent Bit writes it with a leading ``/``) and the upload's id."""

    key: str
    upload_id: str


def parse_name(meta: bytes) -> UploadName | None:
    """The upload that the metadata names, None where that is no key and id.

    The id is what follows the *last* newline: an id never holds one, a key may.
    """
    key, newline, upload_id = meta.rpartition(b"\n")
    key = key[1:] if key.startswith(b"/") else key
    if not newline or not upload_id or not 0 < len(key) <= MAX_KEY or b"\0" in meta:
        return None
    return UploadName(_text(key), _text(upload_id))


def parse_parts(content: bytes) -> tuple[tuple[UploadPart, ...], tuple[str, ...]]:
    """The parts in the order in which they were uploaded, and what is wrong with the other lines, in short texts.

    A part that is listed twice counts with its last ETag, as Fluent Bit takes it.
    """
    parts: dict[int, UploadPart] = {}
    problems = []
    *lines, rest = content.split(b"\n")
    if rest.strip(b"\0"):
        problems.append("the last line is torn")
    for number, line in enumerate(lines, 1):
        found = _LINE.match(line)
        if found is None or not 1 <= int(found[1]) <= MAX_PARTS:
            problems.append(f"line {number} is no part of an upload")
            continue
        part = UploadPart(int(found[1]), found[2].decode("ascii"))
        if parts.setdefault(part.number, part).etag != part.etag:
            problems.append(f"part {part.number} is listed with two ETags")
            parts[part.number] = part
    return tuple(parts.values()), tuple(problems)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
