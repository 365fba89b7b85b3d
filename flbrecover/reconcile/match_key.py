"""Match keys: what a source record and its stored copy have in common, as 16 bytes.

A copy of a record in S3 carries more than the record (the date, the ``kubernetes`` map) and a filter that is not
modelled may have dropped or renamed fields. So a key is made of the *surviving* fields: those that the pipeline makes
and that copies of the same tag are seen to have. Constants of the configuration and offsets are none of them where the
time of a line tells enough: an older configuration may have had others, and Fluent Bit can be wrong about an offset.
Where not a single field name survives, the longest text of the record has to. Values are compared as values, not as
spelled, so that two ways to escape a character are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import xxhash

from flbrecover.fluentbit import json_members
from flbrecover.fluentbit.formats import JSON_LINES, Format
from flbrecover.fluentbit.json_members import Members

MIN_TEXT = 8  # a text shorter than this identifies nothing


def digest_of(record: bytes) -> bytes:
    """What stands for the exact bytes of a record: XXH3-128, as 16 bytes."""
    return xxhash.xxh3_128_digest(record)


def digests_of(records: Iterable[bytes]) -> Iterator[bytes]:
    """:func:`digest_of` each."""
    return map(xxhash.xxh3_128_digest, records)


@dataclass(frozen=True, slots=True)
class MatchRule:
    """How the records of one output are compared with source records.

    ``plain`` (``log_key``): the rendered line itself. Else by the fields ``names``; ``by_text`` where no name survived:
    by the longest text that is in none of the ``unsteady``, nor, if there is another, of the ``constant``.
    """

    plain: bool
    names: frozenset[str]
    by_text: bool = False
    format: Format = JSON_LINES
    unsteady: frozenset[str] = frozenset()
    constant: frozenset[str] = frozenset()

    def of_rendered(self, record: bytes, found: Members | None) -> bytes | None:
        """The key of a source record, given as the output would render it, with its members (None for a plain line).

        Gives None where there is nothing to compare by.
        """
        if self.plain:
            return digest_of(record)
        if found is None:
            return None
        if self.by_text:
            steady = [member for member in found if member[0] not in self.unsteady]
            texts = self._texts([m for m in steady if m[0] not in self.constant]) or self._texts(steady)
            return digest_of(max(texts, key=lambda t: (len(t), t))) if texts else None
        return self._of_members(found)

    def of_copy(self, record: bytes) -> tuple[bytes, ...]:
        """The keys that a stored or buffered record may be found by."""
        if self.plain:
            return (digest_of(record),)
        found = self.format.members(record)
        if found is None:
            return ()
        if self.by_text:
            return tuple(digest_of(t) for t in sorted(self._texts(found)))
        key = self._of_members(found)
        return () if key is None else (key,)

    def _of_members(self, found: Members) -> bytes | None:
        places = _places(tuple([name for name, _ in found]), self.names)
        if not places:
            return None
        parts = []
        for place, counted in places:
            value = json_members.canonical(found[place][1])
            parts.append(b"%b%d:%b" % (counted, len(value), value))
        return digest_of(b"".join(parts))

    @staticmethod
    def _texts(found: Members) -> set[bytes]:
        texts = (text for _, raw in found for text in json_members.string_leaves(raw))
        return {t.encode("utf-8", "surrogatepass") for t in texts if len(t) >= MIN_TEXT}


def rule_for(
    *,
    plain: bool,
    date_key: str | None,
    rendered: Iterable[bytes],
    unsure: frozenset[str],
    siblings: Iterable[bytes],
    unsteady: frozenset[str] = frozenset(),
    constant: Callable[[], frozenset[str]] = frozenset,
    record_format: Format = JSON_LINES,
) -> MatchRule:
    """The rule for one tag and output.

    ``rendered`` are source records as the output would render them (a sample), ``siblings`` copies of the same tag from
    buffers or S3 (a sample, may be empty), ``unsure`` names that a filter may change in ways that nobody knows,
    ``unsteady`` names whose values a copy can have otherwise, ``constant`` gives those with one value in a log.
    """
    if plain:
        return MatchRule(True, frozenset(), format=record_format)
    made = _names(rendered, record_format) - {date_key or ""}
    if unsteady >= made:
        unsteady = frozenset()  # nothing else to compare by
    seen = _names(siblings, record_format)
    names = {name for name in made - unsure - unsteady if not seen or name in seen}
    if not names and date_key is not None:
        unsteady |= {date_key}  # longer than many a text, and of every copy another one
    return MatchRule(False, frozenset(names), not names, record_format, unsteady, frozenset() if names else constant())


@lru_cache(maxsize=512)  # records of one log have the same names
def _places(names: tuple[str, ...], wanted: frozenset[str]) -> list[tuple[int, bytes]]:
    """Where the wanted names are (of one that comes twice: the last), sorted by name, with what stands for each in a
    key."""
    last = {name: place for place, name in enumerate(names) if name in wanted}
    return [(last[name], b"%d:%s" % (len(name), name.encode("utf-8", "surrogatepass"))) for name in sorted(last)]


def _names(records: Iterable[bytes], record_format: Format) -> set[str]:
    return {name for record in records for name, _ in record_format.members(record) or ()}
