"""Every key that an output can write: the list prefixes under which such keys lie, and what a key says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flbrecover.fluentbit.key_template import KeyFields, Template

MOST_PREFIXES = 100


class KeyPattern:
    """The keys that an output can write: for one tag, or (``tag`` None) for any. ``others`` are those that other
    outputs can write for the tag."""

    def __init__(
        self,
        templates: Iterable[Template],
        tag: str | None = None,
        tag_parts: tuple[tuple[int, str], ...] = (),
        others: tuple[KeyPattern, ...] = (),
    ) -> None:
        self._own = tuple(templates)
        self._others = others
        self._templates: tuple[Template, ...] = (*self._own, *(t for other in others for t in other._templates))
        self._tag = tag
        self._tag_parts = tag_parts

    def or_of(self, others: Iterable[KeyPattern]) -> KeyPattern:
        """The keys of this pattern, and those of others for the same tag."""
        return KeyPattern(self._own, self._tag, self._tag_parts, (*self._others, *others))

    @property
    def static_prefixes(self) -> frozenset[str]:
        """What keys begin with whatever their time, by the ways in which they can be written."""
        return frozenset(t.static_prefix for t in self._templates)

    def prefixes(self, start_ns: int | None, end_ns: int | None, *, limit: int = MOST_PREFIXES) -> list[str]:
        """S3 list prefixes under which every key with a time from start to end (both included) lies, sorted.

        ``limit`` bounds how many time partitions are named one by one; a longer span gets coarser ones. A bound of
        None names no time at all. No prefix starts with another one.
        """
        found = sorted(p for t in self._templates for p in t.prefixes(start_ns, end_ns, limit))
        kept: list[str] = []
        for prefix in found:
            if not kept or not prefix.startswith(kept[-1]):
                kept.append(prefix)
        return kept

    def ranges(self, start_ns: int | None, end_ns: int | None, *, limit: int) -> list[tuple[str, str, str | None]]:
        """The prefixes, each with the first key that can be wanted and one that is beyond all of them (None: no bound),
        by bytes."""
        prefixes = self.prefixes(start_ns, end_ns, limit=limit)
        if start_ns is None or end_ns is None:
            return [(prefix, "", None) for prefix in prefixes]
        bounds = [t.bounds(start_ns, end_ns) for t in self._templates]
        found: list[tuple[str, str, str | None]] = []
        for prefix in prefixes:
            own = [b for b, t in zip(bounds, self._templates, strict=True) if t.may_be_under(prefix)]
            known = [b for b in own if b is not None]
            first = min((f if f.startswith(prefix) else "" for f, _ in known), default="")
            last = max((b for _, b in known if b.startswith(prefix)), default=None)
            bounded = len(known) == len(own)
            by_all = bounded and all(b.startswith(prefix) for _, b in known)
            found.append((prefix, first if bounded else "", last if by_all else None))
        return found

    def match(self, key: str) -> KeyFields | None:
        """What the key says, None where it is none of these. One that several outputs can have written has any of their
        times."""
        own = self._match(key)
        found = [fields for other in self._others if (fields := other.match(key)) is not None]
        return _widest([own, *found] if own else found) if found else own

    def _match(self, key: str) -> KeyFields | None:
        for template in self._own:
            fields = template.fields(key)
            if fields is None:
                continue
            if self._tag is None:
                return fields
            return KeyFields(self._tag, self._tag_parts or fields.tag_parts, fields.start_ns, fields.end_ns)
        return None


def _widest(found: list[KeyFields]) -> KeyFields:
    starts = [fields.start_ns for fields in found if fields.start_ns is not None]
    ends = [fields.end_ns for fields in found if fields.end_ns is not None]
    start = min(starts) if len(starts) == len(found) else None
    end = max(ends) if len(ends) == len(found) else None
    return replace(found[0], start_ns=start, end_ns=end)
