"""``nest``: puts fields into a map, or lifts a map's members to the top (plugins/filter_nest/nest.c)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flbrecover.fluentbit.filters.event import Event, Step
from flbrecover.fluentbit.filters.options import Options, name_of
from flbrecover.fluentbit.record_accessor import last
from flbrecover.fluentbit.values import Fields


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A name, or (``*`` at its end) the beginning of names."""

    text: bytes
    beginning: bool

    def fits(self, name: bytes) -> bool:
        return name.startswith(self.text) if self.beginning else name == self.text


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses."""
    operation = (options.text("operation") or "")[:4]
    key = name_of(options.text("nest_under") or "")
    prefix, adds = b"", False
    wildcards: list[Wildcard] = []
    prefixing = set()
    for prop in options.own():
        kind, value = prop.key.lower(), name_of(prop.value)
        if kind in ("nest_under", "nested_under"):
            key = value
        elif kind in ("add_prefix", "prefix_with", "remove_prefix"):
            prefix, adds = value, kind != "remove_prefix"
            prefixing.add(adds)
        elif kind == "wildcard":
            wildcards.append(Wildcard(value[:-1], True) if value.endswith(b"*") else Wildcard(value, False))
        elif kind != "operation":
            raise ValueError(f"the property {prop.key}")
    if len(prefixing) > 1:
        raise ValueError("both Add_prefix and Remove_prefix")

    def named(name: bytes) -> bytes:
        return prefix + name if adds else name.removeprefix(prefix)

    if operation == "nest" and not key:
        raise ValueError("Nest_under is missing")
    if operation == "nest":
        return lambda event: (_nest(event, wildcards, key, named),)
    if operation == "lift":
        return lambda event: (_lift(event, key, prefix if adds else b"", named),)
    raise ValueError("Operation is neither nest nor lift")


def _nest(event: Event, wildcards: Sequence[Wildcard], key: bytes, named: Callable[[bytes], bytes]) -> Event:
    """What the wildcards name goes, in its order, into a new map behind all other fields."""
    inside = [f for f in event.fields if any(w.fits(f[0]) for w in wildcards)]
    unsure = any(event.open.may_start_with(w.text) if w.beginning else w.text in event.open for w in wildcards)
    if not inside and not unsure:
        return event
    others = tuple(f for f in event.fields if not any(w.fits(f[0]) for w in wildcards))
    nested: Fields = tuple((named(name), value) for name, value in inside)
    sure: Fields = tuple((named(name), value) for name, value in inside if name not in event.open)
    names = event.open.minus_where(lambda name: any(w.fits(name) for w in wildcards))
    for wildcard in wildcards:
        names = names.minus_prefix(wildcard.text) if wildcard.beginning else names.minus(wildcard.text)
    hints = tuple(h for h in event.hints if h[0] in names)
    result = event._replace(fields=(*others, (key, nested)) if inside else others, open=names, hints=hints)
    if not unsure:
        return result.closed(key)
    result = result.opened(key)
    return result._replace(hints=(*result.hints, (key, sure))) if sure else result


def _lift(event: Event, key: bytes, opened: bytes, named: Callable[[bytes], bytes]) -> Event:
    """The members of every map called ``key`` go behind all other fields. ``opened`` is how lifted names begin."""
    maps = [value for name, value in event.fields if name == key and isinstance(value, tuple)]
    others = [f for f in event.fields if not (f[0] == key and isinstance(f[1], tuple))]
    lifted = [(named(name), value) for members in maps for name, value in members]
    if key not in event.open:
        return event.with_fields([*others, *lifted]).closed(*(name for name, _ in lifted)) if maps else event
    known = last(event.hints, key)
    hints = tuple((named(name), value) for name, value in known) if isinstance(known, tuple) else ()
    # A member of the unknown map is taken not to have the name of a field that the record has for certain.
    sure = [name for name, _ in others if name not in event.open]
    result = event.with_fields([*others, *lifted]).opened(key)
    result = result._replace(open=result.open.plus_prefix(opened).minus(*sure))
    return result._replace(hints=(*result.hints, *(h for h in hints if h[0] in result.open)))
