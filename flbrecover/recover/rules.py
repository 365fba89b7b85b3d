"""By what the records of a tag are compared, told from the first records of logs, buffer files and objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flbrecover.fluentbit import json_members
from flbrecover.fluentbit.column_form import COLUMNAR
from flbrecover.fluentbit.formats import Format
from flbrecover.fluentbit.json_string import write_string
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.model import Record
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.match_key import MatchRule, digest_of
from flbrecover.reconcile.scan import Cut, Probe
from flbrecover.reconcile.sorted_index import KeySet


@dataclass(slots=True)
class Rules:
    """What is known of each tag of one output: how its records are found again.

    ``cuts`` has the tags whose records can be scanned (:mod:`scan`); ``probes`` those of them with logs whose fields
    are compared; ``joining`` those with logs whose input joins lines. A tag without logs has no rule: only exact bytes
    count.
    """

    style: RecordStyle
    known: KeySet
    of_tag: dict[str, MatchRule] = field(default_factory=dict)
    cuts: dict[str, Cut] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    joining: set[str] = field(default_factory=set)

    def of(self, tags: Iterable[str]) -> list[MatchRule]:
        return list(dict.fromkeys(self.of_tag[tag] for tag in tags if tag in self.of_tag))

    def cut_of(self, tags: Sequence[str]) -> Cut | None:
        """How to scan objects that may hold records of these tags; None: not at all."""
        if self.style.format in COLUMNAR or self.style.format == "otlp_json":
            return None
        cuts = {self._whole if tag not in self.of_tag else self.cuts.get(tag) for tag in tags}
        return cuts.pop() if len(cuts) == 1 else None

    def copy(self, index: int, record: Record, rules: Sequence[MatchRule], own: int = 0) -> Copy:
        """A stored or buffered record as placement takes it."""
        data = self.style.comparable(record.data)
        if not rules:
            return Copy(index, digest_of(data), (), record.time_ns, own)
        keys = lambda: tuple(dict.fromkeys(key for rule in rules for key in rule.of_copy(data)))  # noqa: E731
        return Copy(index, digest_of(data), keys, record.time_ns, own, data)

    def add_cut(
        self,
        tag: str,
        record_format: Format,
        timed: set[bool],
        rendered: Sequence[bytes],
        siblings: Sequence[bytes],
    ) -> None:
        """Finds how the records of a tag can be scanned, if they can: ``timed`` says whether the lines of its logs
        carry their time; ``rendered`` and ``siblings`` are samples of what we would write, and of what Fluent Bit
        has written."""
        rule = self.of_tag[tag]
        if rule.plain:
            self.cuts[tag] = self._whole
            return
        if rule.by_text or len(timed) != 1 or self.style.format != "json_lines" or not rendered:
            return
        found = [record_format.members(data) for data in rendered]
        name = _longest(found, rule.names)
        if name is None:
            return
        head = 0 if True in timed else _behind_date(rendered[0], self.style.opening)
        marker = self._marker(found, [m for m in map(record_format.members, siblings) if m])
        if marker is None:
            return
        self.cuts[tag] = Cut(head, marker)
        self.probes[tag] = Probe(name, self._written(name), self.known)

    @property
    def _whole(self) -> Cut:
        return Cut(whole=True, any_spelling=self.style.any_spelling)

    def _marker(
        self, ours: Sequence[json_members.Members | None], theirs: Sequence[json_members.Members]
    ) -> bytes | None:
        """What begins right behind our fields in what Fluent Bit has written; b"" for nothing, None where theirs
        are not ours with more behind them."""
        own = {name for found in ours for name, _ in found or ()}
        own.add(self.style.json_date_key or "")
        first: set[str] = set()
        for found in theirs:
            names = [name for name, _ in found]
            more = [n for n, name in enumerate(names) if name not in own]
            if more and more != list(range(more[0], len(names))):
                return None
            first.add(names[more[0]] if more else "")
        if len(first) > 1:
            return None
        name = first.pop() if first else ""
        return b"," + self._written(name) + b":" if name else b""

    def _written(self, name: str) -> bytes:
        return b'"' + write_string(name.encode("utf-8", "surrogateescape"), self.style.escape_unicode) + b'"'


def _longest(found: Iterable[json_members.Members | None], names: frozenset[str]) -> str | None:
    """The text field with the longest values, of those that are compared."""
    sizes: dict[str, int] = {}
    for members in found:
        for name, raw in members or ():
            if name in names and raw.startswith('"'):
                sizes[name] = sizes.get(name, 0) + len(raw)
    return max(sizes, key=lambda n: (sizes[n], n)) if sizes else None


def _behind_date(rendered: bytes, opening: bytes) -> int:
    """Where the first member behind the date begins; 1 for records without a date. (No date has a comma in it.)"""
    if not opening or not rendered.startswith(opening):
        return 1
    comma = rendered.find(b",", len(opening))
    return comma if comma >= 0 else len(rendered) - 1
