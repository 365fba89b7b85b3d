"""``record_modifier``: appends constants, removes fields or keeps only some (plugins/filter_record_modifier)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flbrecover.fluentbit.filters.event import Event, Step
from flbrecover.fluentbit.filters.names import Names
from flbrecover.fluentbit.filters.options import Options, constant, known_name, name_of, tokens


@dataclass(frozen=True, slots=True)
class Wanted:
    """A ``Remove_key`` or ``Allowlist_key``: a name, or the beginning of names (``*`` at its end); case is ignored."""

    text: bytes
    beginning: bool

    def fits(self, name: bytes) -> bool:
        lower = name.lower()
        return lower.startswith(self.text.lower()) if self.beginning else lower == self.text.lower()


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses."""
    removed = [_wanted(value) for value in options.all("remove_key")]
    allowed = [_wanted(value) for value in options.all("allowlist_key", "whitelist_key")]
    if removed and allowed:
        raise ValueError("both Remove_key and Allowlist_key")
    added = _records(options)
    uuid_key = options.text("uuid_key")
    uuid = None if uuid_key is None else name_of(uuid_key)

    def step(event: Event) -> tuple[Event, ...]:
        kept = _cut(event, removed, allowed)
        if not kept.fields and not kept.open and not added and uuid is None:
            # Nothing is left: Fluent Bit leaves it out of the chunk, but a chunk with nothing left stays as it was.
            return (event.maybe_dropped("record_modifier"),)
        for name, value in added:
            if value is None:
                kept = kept.opened(name)
            else:
                kept = kept.with_fields((*kept.fields, (name, value))).closed(name)
        if uuid is not None:
            kept = kept.opened(uuid)
            kept = kept._replace(varying=kept.varying | {uuid})
        return (kept,)

    return step


def _wanted(value: str) -> Wanted:
    text = name_of(value)
    return Wanted(text[:-1], True) if text.endswith(b"*") else Wanted(text, False)


def _records(options: Options) -> list[tuple[bytes, bytes | None]]:
    """Names with their values (None: a variable in it is not known)."""
    found: list[tuple[bytes, bytes | None]] = []
    for value in options.all("record"):
        parts = tokens(value, 2)
        if len(parts) < 2:
            raise ValueError(f"Record needs a name and a value: {value}")
        if len(parts) > 2:
            options.note(f"Record {value}: Fluent Bit leaves it out, the value would need double quotes")
            continue
        found.append((known_name(parts[0]), constant(parts[1])))
    return found


def _cut(event: Event, removed: Sequence[Wanted], allowed: Sequence[Wanted]) -> Event:
    if removed:
        keep = event.with_fields(f for f in event.fields if not any(w.fits(f[0]) for w in removed))
        return _hidden(keep._replace(open=_without(keep.open, removed)))
    if allowed:
        keep = event.with_fields(f for f in event.fields if any(w.fits(f[0]) for w in allowed))
        return _hidden(keep._replace(open=_only(keep.open, allowed)))
    return event


def _hidden(event: Event) -> Event:
    """Hints and varying names only for what is still open."""
    return event._replace(
        hints=tuple(h for h in event.hints if h[0] in event.open),
        varying=frozenset(n for n in event.varying if n in event.open),
    )


def _without(names: Names, removed: Sequence[Wanted]) -> Names:
    names = names.minus_where(lambda name: any(w.fits(name) for w in removed))
    for wanted in removed:  # other spellings of the case may stay in: that is on the safe side
        names = names.minus_prefix(wanted.text) if wanted.beginning else names.minus(wanted.text)
    return names


def _only(names: Names, allowed: Sequence[Wanted]) -> Names:
    kept = names.only(
        (w.text for w in allowed if not w.beginning),
        (w.text for w in allowed if w.beginning),
    )
    return kept.plus(*(n for n in names.exact if any(w.fits(n) for w in allowed)))
