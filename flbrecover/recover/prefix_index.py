"""What has to be listed for the keys of many tags, and whose keys can be under which prefix."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix

from flbrecover.bucket.listing import KeyGroup, KeyRange
from flbrecover.fluentbit.key_pattern import KeyPattern


class PrefixIndex:
    """The ranges to list for the keys of ``patterns`` with a time from start to end; at most ``limit`` for each."""

    def __init__(self, patterns: Sequence[KeyPattern], start_ns: int | None, end_ns: int | None, *, limit: int) -> None:
        self._patterns: dict[str, list[int]] = {}
        self.groups: list[KeyGroup] = []  # of each way to write the keys of each pattern
        for number, pattern in enumerate(patterns):
            ranges = tuple(KeyRange(*one) for one in pattern.ranges(start_ns, end_ns, limit=limit))
            for one in ranges:
                self._patterns.setdefault(one.prefix, []).append(number)
            by_way: dict[str, list[KeyRange]] = {}
            for one in ranges:
                ways = [way for way in pattern.static_prefixes if one.prefix.startswith(way)]
                by_way.setdefault(max(ways, key=len, default=""), []).append(one)
            self.groups += [KeyGroup(_common_prefix(some), tuple(some)) for some in by_way.values()]
        self._lengths = sorted({len(prefix) for prefix in self._patterns})

    @property
    def ranges(self) -> list[KeyRange]:
        return [one for group in self.groups for one in group.ranges]

    @property
    def prefixes(self) -> tuple[str, ...]:
        return tuple(sorted(self._patterns))

    def patterns_of(self, key: str) -> list[int]:
        """The numbers of the patterns that a prefix of this key was listed for, sorted."""
        found = {n for length in self._lengths for n in self._patterns.get(key[:length], ()) if length <= len(key)}
        return sorted(found)


def _common_prefix(ranges: Sequence[KeyRange]) -> str:
    return commonprefix([one.prefix for one in ranges])  # noqa: RUF071 - of keys, not of folders
