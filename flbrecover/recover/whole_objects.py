"""Shows that an object is just what a buffer file holds, without downloading it: by sizes and checksums.

In the order of their cost, each where it applies, and each only ever saying yes or nothing; nothing means that the
records decide, as they would have anyhow.

- An object stored as it is: its size, and its ETag where that is the MD5 of the content. (An ETag that is none, of an
  encrypted object or of one in parts, is never equal to it.)
- An object of one gzip member: its last 8 bytes, which are CRC-32 and size of the content (RFC 1952), and then its
  first bytes, unpacked. CRC-32 alone is no proof against somebody who makes two contents of one sum.
- An object in parts, each a gzip member: the same at the end and at the beginning of every part. What S3 appended to
  a member is no matter: the member holds the records.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from flbrecover.bucket.client import S3
from flbrecover.bucket.ranges import last_bytes, part_sizes, range_bytes
from flbrecover.errors import BucketError, EvidenceError
from flbrecover.evidence.chunk_reader import blocks
from flbrecover.evidence.node import Node
from flbrecover.fast_zlib import fast_zlib
from flbrecover.model import Problem, StoredObject
from flbrecover.reconcile.holders import Holder
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.watch import Watch
from flbrecover.recover.window import SLACK_NS, Candidate
from flbrecover.threads import Pool

BY_MD5 = "MD5 (ETag) and size"
BY_CRC = "CRC-32, size and first bytes of its gzip member"
BY_PART = "CRC-32, size and first bytes of one of its parts"

SMALL = 16 << 10  # smaller objects are read whole: that is one request as well
TRAILER = 8  # of a gzip member
HEAD = 4 << 10  # bytes at the beginning of a member that are unpacked
SAMPLE = 128 << 10  # bytes of a buffer file that are compared with them
LEAST, MOST = 0.7, 1.6  # how much smaller or larger than by zlib's level 6 it may be
AT_ONCE = 16
BATCH = 512
MOST_RATIO = 1032  # deflate cannot do better
_GZIP = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True)
class ContentSums:
    """What identifies the content of a buffer file: its size in bytes, and CRC-32."""

    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class _Member:
    """A gzip member that ends at ``end`` of its object: CRC-32 and size of its content; the bytes at ``start``, where
    it begins if nothing else lies before it, are read only where a buffer file has these sums."""

    crc32: int
    size: int
    start: int
    end: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A buffer file that is still looked for."""

    holder: Holder
    sums: ContentSums

    @property
    def tag(self) -> str:
        return self.holder.buffer.tag or ""

    @property
    def began_ns(self) -> int:
        """No object with its content is older."""
        created = self.holder.buffer.created_ns
        return created if created is not None else 0


class ReadContent(Protocol):
    """What reading a buffer file to its end told of its content: see :class:`BufferRecords`."""

    @property
    def problems(self) -> list[Problem]: ...

    @property
    def content_length(self) -> int: ...

    @property
    def content_crc32(self) -> int: ...


def sums_of(holder: Holder, records: ReadContent) -> ContentSums | None:
    """The sums of a buffer file that was read to its end; None where an object could hold its content and not its
    records, or the other way round: it is damaged, its content is not what is uploaded, or has no newline at its end.
    """
    content = holder.buffer.content
    if holder.buffer.holds_events or records.problems or not len(holder) or records.content_length != content.length:
        return None
    if holder.span(0).start != content.start or holder.span(len(holder) - 1).end != content.end - 1:
        return None
    return ContentSums(records.content_length, records.content_crc32)


def whole_objects(
    found: Comparison, s3: S3, node: Node, sums: Mapping[int, ContentSums | None], watch: Watch
) -> dict[int, str]:
    """The candidates that hold the whole content of a buffer file, by number, with the proof. Their records are stored
    on the ledger."""
    return _Search(found, s3, node, sums).run(watch)


class _Search:
    def __init__(self, found: Comparison, s3: S3, node: Node, sums: Mapping[int, ContentSums | None]) -> None:
        self._found = found
        self._s3 = s3
        self._node = node
        self._proofs: dict[int, str] = {}
        self._by_size: dict[int, list[_Wanted]] = {}  # until an object of that size is seen
        self._by_md5: dict[str, list[_Wanted]] = {}
        self._by_crc: dict[tuple[int, int], list[_Wanted]] = {}  # and size
        self._left: dict[str, int] = {}  # by tag
        self._smallest: dict[str, int] = {}
        self._earliest: dict[str, int] = {}
        for holder in found.holders:
            of = sums.get(holder.number)
            # One and the same text again and again: its neighbours tell whose it is, if anything does.
            if of is not None and (holder.varied or found.tells(holder)):
                self._want(_Wanted(holder, of))

    def _want(self, wanted: _Wanted) -> None:
        tag, sums = wanted.tag, wanted.sums
        self._by_size.setdefault(sums.size, []).append(wanted)
        self._by_crc.setdefault((sums.crc32, sums.size), []).append(wanted)
        self._left[tag] = self._left.get(tag, 0) + 1
        self._smallest[tag] = min(sums.size, self._smallest.get(tag, sums.size))
        self._earliest[tag] = min(wanted.began_ns, self._earliest.get(tag, wanted.began_ns))

    def run(self, watch: Watch) -> dict[int, str]:
        """The proofs by the candidates' numbers."""
        numbers = []
        candidates = self._found.candidates
        for number, candidate in enumerate(watch(candidates, "comparing sizes and MD5", len(candidates))):
            self._learn_md5(candidate.object)
            wanted = self._first(self._by_md5.get(candidate.object.etag, ()), number)
            if wanted is not None and wanted.sums.size == candidate.object.size:
                self._take(number, wanted, BY_MD5)
            elif self._could_hold(candidate):
                numbers.append(number)
        with Pool(AT_ONCE, "proofs") as pool:
            for start in watch(range(0, len(numbers), BATCH), "checking objects", -(-len(numbers) // BATCH)):
                some = [n for n in numbers[start : start + BATCH] if self._could_hold(self._found.candidates[n])]
                for number, members in zip(some, pool.map(self._members, some), strict=True):
                    self._try(number, members)
        return self._proofs

    def _learn_md5(self, stored: StoredObject) -> None:
        """The MD5 of the buffer files that have the size of an object, where its ETag may be one. Of all of them it
        would be a sixth of what reading them takes, and mostly no object is stored as it is."""
        if "-" in stored.etag:
            return
        for wanted in self._by_size.pop(stored.size, ()):
            if md5 := self._md5_of(wanted):
                self._by_md5.setdefault(md5, []).append(wanted)

    def _md5_of(self, wanted: _Wanted) -> str:
        """MD5 (hex) of the content; "" where that is not what was read before: the records decide."""
        md5, crc32 = hashlib.md5(usedforsecurity=False), 0
        try:
            with self._node.open(wanted.holder.buffer.path) as file:
                for _, block in blocks(file, wanted.holder.buffer.content):
                    md5.update(block)
                    crc32 = fast_zlib.crc32(block, crc32)
        except (EvidenceError, OSError):
            return ""
        return md5.hexdigest() if crc32 == wanted.sums.crc32 else ""

    def _first(self, some: Iterable[_Wanted], number: int) -> _Wanted | None:
        """The first buffer file of a candidate's tags that is still looked for and existed when the candidate was
        written."""
        candidate = self._found.candidates[number]
        written_ns = candidate.object.last_modified_ns + SLACK_NS
        fitting = (w for w in some if w.tag in candidate.tags and w.began_ns <= written_ns)
        return next((w for w in fitting if not w.holder.proof), None)

    def _could_hold(self, candidate: Candidate) -> bool:
        """Could an object be the compressed content of a buffer file that is still looked for, by size and time? (One
        in parts may hold anything.)"""
        stored = candidate.object
        if stored.size <= SMALL:
            return False
        return any(
            ("-" in stored.etag or stored.size * MOST_RATIO >= self._smallest[tag])
            and self._earliest[tag] <= stored.last_modified_ns + SLACK_NS
            for tag in candidate.tags
            if self._left.get(tag)
        )

    def _members(self, number: int) -> list[_Member]:
        """The gzip members that are known to end somewhere: the object's, or that of each of its parts. Runs in a
        thread."""
        stored = self._found.candidates[number].object
        try:
            ends = [stored.size]
            if "-" in stored.etag:
                sizes = part_sizes(self._s3, stored.bucket, stored.key, etag=stored.etag)
                if sizes is None:
                    return []
                ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
            found = []
            for start, end in zip([0, *ends], ends, strict=False):
                if end - start > TRAILER:
                    trailer = self._bytes(stored, end - TRAILER, TRAILER)
                    if len(trailer) == TRAILER:
                        crc, size = int.from_bytes(trailer[:4], "little"), int.from_bytes(trailer[4:], "little")
                        known = (crc, size) in self._by_crc
                        packed = self._bytes(stored, start, min(HEAD, end - start)) if known else b""
                        found.append(_Member(crc, size, start, end, packed))
            return found
        except BucketError:  # the records decide, and say what is wrong with the object
            return []

    def _bytes(self, stored: StoredObject, start: int, length: int) -> bytes:
        if start + length == stored.size:
            return last_bytes(self._s3, stored.bucket, stored.key, length, etag=stored.etag)
        return range_bytes(self._s3, stored.bucket, stored.key, start, length, etag=stored.etag)

    def _try(self, number: int, members: list[_Member]) -> None:
        stored = self._found.candidates[number].object
        for member in members:
            wanted = self._first(self._by_crc.get((member.crc32, member.size), ()), number)
            if wanted is not None and self._holds(member, wanted):
                whole = len(members) == 1 and member.end - member.start == stored.size
                self._take(number, wanted, BY_CRC if whole else BY_PART)

    def _holds(self, member: _Member, wanted: _Wanted) -> bool:
        """Does a gzip member begin there with the content of the buffer file, and is it as long as that takes? (What is
        longer has another member in front of the one that the checksum is of; what is shorter lacks something.)"""
        content, length = wanted.holder.buffer.content, member.end - member.start
        try:
            with self._node.open(wanted.holder.buffer.path) as file:
                file.seek(content.start)
                sample = file.read(min(content.length, SAMPLE))
        except (EvidenceError, OSError):  # the records decide
            return False
        expected = len(zlib.compress(sample)) / max(1, len(sample)) * content.length
        as_long = LEAST * expected - HEAD <= length <= MOST * expected + HEAD
        return as_long and _begins_with(member.packed, sample)

    def _take(self, number: int, wanted: _Wanted, proof: str) -> None:
        """The object holds all records of a buffer file. (One in parts is read all the same, for the others.)"""
        self._left[wanted.tag] -= 1
        entries = wanted.holder.entry_range
        if entries is not None:
            self._found.ledger.store_all(entries, number)
        for entry in wanted.holder.entries if entries is None else ():
            self._found.ledger.store(entry, number)
        wanted.holder.proof = proof
        if proof != BY_PART:
            self._proofs[number] = proof


def _begins_with(packed: bytes, content: bytes) -> bool:
    """Does a gzip member that begins with ``packed`` have content that begins as ``content`` does?"""
    if not packed.startswith(_GZIP):
        return False
    try:
        unpacked = zlib.decompressobj(31).decompress(packed, max(1, len(content)))
    except zlib.error:
        return False
    return bool(unpacked) and content.startswith(unpacked[: len(content)])
