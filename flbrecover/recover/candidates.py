"""The objects that may hold records of the evidence, kept in some 150 bytes each: a window can hold 100,000."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import overload

from flbrecover.model import StoredObject

_MD5 = re.compile("[0-9a-f]{32}")
_MD5_BYTES = 16
_NO_TIME = -(2**63)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may hold records of these tags."""

    object: StoredObject
    tags: tuple[str, ...]
    key_time_ns: int | None


class Candidates(Sequence[Candidate]):
    """A sequence that is added to and then sorted once, and may be extended after that. Its items are made anew each
    time they are asked for."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._keys = bytearray()  # one after the other
        self._ends = array("Q")
        self._etags = bytearray()  # 16 bytes each; of those that are no MD5, nothing but zeros
        self._other_etags: dict[int, str] = {}
        self._sizes, self._modified, self._key_times = array("q"), array("q"), array("q")
        self._tags = array("L")
        self._order = array("L")
        self._known_tags: dict[tuple[str, ...], int] = {}
        self._tag_list: list[tuple[str, ...]] = []

    def add(self, one: Candidate) -> None:
        number, stored = len(self._ends), one.object
        self._keys += stored.key.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._keys))
        if _MD5.fullmatch(stored.etag):
            self._etags += bytes.fromhex(stored.etag)
        else:
            self._etags += bytes(_MD5_BYTES)
            self._other_etags[number] = stored.etag
        self._sizes.append(stored.size)
        self._modified.append(stored.last_modified_ns)
        self._key_times.append(_NO_TIME if one.key_time_ns is None else one.key_time_ns)
        if one.tags not in self._known_tags:
            self._known_tags[one.tags] = len(self._tag_list)
            self._tag_list.append(one.tags)
        self._tags.append(self._known_tags[one.tags])
        self._order.append(number)

    def extend(self, others: Iterable[Candidate]) -> None:
        """More objects behind the last one, in the order in which they come."""
        for one in others:
            self.add(one)

    def sort(self) -> None:
        """Oldest key time first (without one, when the object was written), then by key; but one tag after the other
        where no tag shares an object with another one, for what is looked for in a single tag's objects is little."""
        shared = len({tag for tags in self._tag_list for tag in tags}) < sum(map(len, self._tag_list))
        groups = sorted(range(len(self._tag_list)), key=self._tag_list.__getitem__)
        rank_of = {number: 0 if shared else rank for rank, number in enumerate(groups)}

        def rank(number: int) -> tuple[int, int]:
            return rank_of[self._tags[number]], self._time(number)

        order = array("L")
        for _, same in groupby(sorted(self._order, key=rank), rank):
            some = list(same)
            order.extend(some if len(some) == 1 else sorted(some, key=self._key))
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> list[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | list[Candidate]:
        if isinstance(index, slice):
            return [self._made(number) for number in self._order[index]]
        return self._made(self._order[index])

    def __iter__(self) -> Iterator[Candidate]:
        return map(self._made, self._order)

    def _made(self, number: int) -> Candidate:
        etag = self._other_etags.get(number)
        if etag is None:
            etag = self._etags[number * _MD5_BYTES : (number + 1) * _MD5_BYTES].hex()
        key = self._key(number).decode("utf-8", "surrogatepass")
        stored = StoredObject(self._bucket, key, self._sizes[number], etag, self._modified[number])
        time = self._key_times[number]
        return Candidate(stored, self._tag_list[self._tags[number]], None if time == _NO_TIME else time)

    def _key(self, number: int) -> bytes:
        return bytes(self._keys[self._ends[number - 1] if number else 0 : self._ends[number]])

    def _time(self, number: int) -> int:
        time = self._key_times[number]
        return self._modified[number] if time == _NO_TIME else time
