"""The words of the design as frozen dataclasses. No I/O, no behaviour beyond what a word means.

Times are integers of nanoseconds since the epoch (UTC) and end in ``_ns``; sizes and offsets are bytes. Text that
came from the node or the bucket (tags, paths, keys) is ``str`` decoded as UTF-8 with ``surrogateescape``, so that
every byte sequence survives a round trip; it is escaped only where it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SECOND_NS = 1_000_000_000

State = Literal["stored", "pending", "buffered", "lost", "unread", "gone"]
"""Where a record is: see docs/lost.md. A recovery turns pending, buffered, lost and unread into stored."""

Agent = Literal["gone", "returning"]


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``start`` (included) to ``end`` (excluded) of a file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"bytes {self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or trusted, as a value: it never stops the rest.

    ``path`` is a path inside the root or an ``s3://`` URL. ``unreadable`` problems mean that evidence may be missing
    from the answer (exit code 4); the others are notes for the reader.
    """

    path: str
    what: str
    where: ByteRange | None = None
    way_out: str = ""
    unreadable: bool = True


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What ``stat`` says of a file of the node. ``path`` is the path asked for, ``real_path`` the one behind its
    symlinks; both are inside the root."""

    path: str
    real_path: str
    device: int
    inode: int
    size: int
    mtime_ns: int

    def is_unchanged(self, inode: int, size: int, mtime_ns: int) -> bool:
        """Whether a file of which ``stat`` says this now has the bytes that this one had, as far as that tells."""
        return (self.inode, self.size, self.mtime_ns) == (inode, size, mtime_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """What stands around records that are not written alone (``otlp_json``): the bytes before and after them, inside
    of ``outer``. Records with one and the same envelope stood, or are to stand, in one list."""

    before: bytes
    after: bytes
    outer: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One unit that the s3 output writes: a JSON line or, with ``log_key``, a plain line, without its newline; with
    ``otlp_json`` a log record of a document.

    ``span`` is the place in the file that it was read from, ``time_ns`` its own time where it carries one.
    """

    data: bytes
    span: ByteRange
    time_ns: int | None = None
    envelope: Envelope | None = field(default=None, compare=False)


BufferKind = Literal["data", "quarantine", "engine", "rejected"]
TagProof = Literal["header and name", "header", "name", "given", "unknown"]


@dataclass(frozen=True, slots=True)
class BufferFile:
    """One Chunk I/O file under ``store_dir`` (kinds data, quarantine) or ``storage.path`` (engine, rejected).

    ``home`` is the configured folder it was found under, ``stream`` the folder below it (for ``store_dir``:
    below the bucket). ``content`` is where its records lie, ``slack`` what follows up to the file's end. ``created_ns``
    comes from the file name. ``problems`` are what the header and size already show; reading may find more.
    """

    facts: FileFacts
    home: str
    kind: BufferKind
    stream: str
    bucket: str | None
    tag: str | None
    tag_proof: TagProof
    created_ns: int | None
    content: ByteRange
    slack: ByteRange
    problems: tuple[Problem, ...] = ()

    @property
    def path(self) -> str:
        return self.facts.path

    @property
    def holds_events(self) -> bool:
        """Whether its content are events of the engine, and not the lines that an output has made of them."""
        return self.kind in ("engine", "rejected")


@dataclass(frozen=True, slots=True)
class UploadPart:
    """One part of a multipart upload. ``etag`` is without quotes; ``size`` is None where only the node knows it."""

    number: int
    etag: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedUpload:
    """A ``multipart_upload_metadata`` file: what the node remembers of a pending upload."""

    facts: FileFacts
    home: str
    bucket: str
    key: str
    upload_id: str
    parts: tuple[UploadPart, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that S3 lists, with its parts."""

    bucket: str
    key: str
    upload_id: str
    initiated_ns: int
    parts: tuple[UploadPart, ...]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing says of an object. ``etag`` is without quotes."""

    bucket: str
    key: str
    size: int
    etag: str
    last_modified_ns: int


FileFate = Literal["same file", "rotated", "replaced", "deleted", "unknown"]
MarkerVerdict = Literal["matches", "mismatch", "unset", "unreadable"]


@dataclass(frozen=True, slots=True)
class TailRow:
    """A row of ``in_tail_files`` as it stands in the DB. ``created_s`` is in seconds since the epoch."""

    row_id: int
    name: str
    offset: int
    inode: int
    created_s: int
    rotated: bool
    marker: int
    marker_size: int


@dataclass(frozen=True, slots=True)
class TailPosition:
    """A row of the tail DB with the file that it means today.

    ``fate`` says what became of the inode; ``file`` is where it is now (None when deleted, or not known); ``unread`` is
    the number of bytes beyond the offset (None where that cannot be said). ``superseded``: a newer row has the same
    inode, and Fluent Bit takes only that one.
    """

    row: TailRow
    db: str
    fate: FileFate
    file: FileFacts | None
    marker: MarkerVerdict
    unread: int | None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of an application's log: the live one or a rotated sibling.

    ``read_to`` is the offset in the *uncompressed* content below which Fluent Bit has read; None where nothing tells.
    ``read_proof`` says in a few words how that is known (the row's inode, the offset marker found in a rotated copy …).
    """

    facts: FileFacts
    compressed: bool
    position: TailPosition | None
    read_to: int | None
    read_proof: str

    @property
    def path(self) -> str:
        return self.facts.path


@dataclass(frozen=True, slots=True)
class SourceLog:
    """A log that a tail input follows: ``name`` is the path that Fluent Bit matched (the tag is made from it),
    ``files`` are in writing order, oldest first, each content once."""

    input_number: int
    name: str
    tag: str
    files: tuple[SourceFile, ...]
