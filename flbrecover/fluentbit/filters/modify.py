"""``modify``: adds, sets, removes, renames, copies, moves fields, under conditions (plugins/filter_modify)."""

from __future__ import annotations

from collections.abc import Callable

from flbrecover.fluentbit.filters.event import Event, Step, all_of, either, matches
from flbrecover.fluentbit.filters.modify_conditions import condition
from flbrecover.fluentbit.filters.options import Options, constant, known_name, name_of, pattern, words
from flbrecover.fluentbit.values import Fields, Value

Rule = Callable[[Event], Event]


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses or whose expression is not understood."""
    conditions = []
    rules: list[Rule] = []
    for prop in options.own():
        parts = words(prop.value, 3, quoted=True)
        if prop.key.lower() == "condition":
            conditions.append(condition(parts))
        else:
            rules.append(_rule(prop.key.lower(), parts))

    def step(event: Event) -> tuple[Event, ...]:
        met = all_of(holds(event) for holds in conditions)
        if met is False:
            return (event,)
        changed = event
        for rule in rules:
            changed = rule(changed)
        return (changed if met else either(event, changed),)

    return step


def _rule(kind: str, parts: list[str]) -> Rule:
    if len(parts) == 1 and kind in _OF_ONE:
        return _OF_ONE[kind](parts[0])
    if len(parts) == 2 and kind in _OF_TWO:
        return _OF_TWO[kind](parts[0], parts[1])
    if len(parts) == 3:  # no kind is assigned then, and the first kind of the enumeration is RENAME
        return _rename(parts[0], parts[2])
    raise ValueError(f"{kind} with {len(parts)} words")


def _rename(old_text: str, new_text: str) -> Rule:
    old, new = known_name(old_text), known_name(new_text)

    def rule(event: Event) -> Event:
        has_old, has_new = event.has(old), event.has(new)
        if has_old is False or has_new is True:
            return event
        renamed = event.fields if _count(event.fields, new) else _renamed(event.fields, old, new)
        if has_new is None:
            return event.with_fields(renamed).opened(old, new)
        return _moved(event.with_fields(renamed), old, new) if has_old is None else event.with_fields(renamed)

    return rule


def _hard_rename(old_text: str, new_text: str) -> Rule:
    old, new = name_of(old_text), name_of(new_text)

    def rule(event: Event) -> Event:
        has_old = event.has(old)
        if has_old is False:
            return event
        fields = event.fields
        if _count(fields, old):
            fields = _renamed(tuple(f for f in fields if f[0] != new), old, new)
        event = event.with_fields(fields)
        return event.closed(old, new) if has_old else _moved(event.opened(new), old, new)

    return rule


def _moved(event: Event, old: bytes, new: bytes) -> Event:
    """Nothing has the name ``old`` any more; what may have had it has the name ``new`` now."""
    hints = tuple((new, value) for name, value in event.hints if name == old)
    varying = {new} if old in event.varying else set()
    event = event.closed(old).opened(new)
    return event._replace(hints=event.hints + hints, varying=event.varying | varying)


def _add(name_text: str, value_text: str) -> Rule:
    name, value = known_name(name_text), constant(value_text)

    def rule(event: Event) -> Event:
        has = event.has(name)
        if has is not False:  # where nobody knows, the field is not made up
            return event
        return event.opened(name) if value is None else event.with_fields((*event.fields, (name, value)))

    return rule


def _set(name_text: str, value_text: str) -> Rule:
    name, value = known_name(name_text), constant(value_text)

    def rule(event: Event) -> Event:
        others = tuple(f for f in event.fields if f[0] != name)
        if value is None:
            return event.with_fields(others).opened(name)
        return event.with_fields((*others, (name, value))).closed(name)

    return rule


def _remove(name_text: str) -> Rule:
    name = name_of(name_text)

    def rule(event: Event) -> Event:
        return event.with_fields(f for f in event.fields if f[0] != name).closed(name)

    return rule


def _remove_wildcard(prefix_text: str) -> Rule:
    """The text is a prefix as it stands: a ``*`` at its end would have to be in the name."""
    prefix = name_of(prefix_text)

    def rule(event: Event) -> Event:
        kept = event.with_fields(f for f in event.fields if not f[0].startswith(prefix))
        hints = tuple(h for h in event.hints if not h[0].startswith(prefix))
        return kept._replace(open=event.open.minus_prefix(prefix), hints=hints)

    return rule


def _remove_regex(expression: str) -> Rule:
    names = pattern(expression)

    def rule(event: Event) -> Event:
        found = {name: matches(names, name) for name, _ in event.fields}
        kept = event.with_fields(f for f in event.fields if not found[f[0]])
        kept = kept.opened(*(name for name, verdict in found.items() if verdict is None))
        return kept._replace(open=kept.open.minus_where(lambda name: matches(names, name) is True))

    return rule


def _copy(old_text: str, new_text: str) -> Rule:
    old, new = name_of(old_text), name_of(new_text)

    def rule(event: Event) -> Event:
        has_old, has_new = event.has(old), event.has(new)
        if has_old is False or has_new is True or (has_old and _count(event.fields, old) > 1):
            return event
        if has_old and has_new is False:
            return event.with_fields(_copied(event.fields, old, new))
        return event.opened(new)

    return rule


def _hard_copy(old_text: str, new_text: str) -> Rule:
    old, new = name_of(old_text), name_of(new_text)
    if old == new:
        raise ValueError(f"Hard_copy {old_text} {new_text} makes a broken record")

    def rule(event: Event) -> Event:
        has_old = event.has(old)
        if has_old is None:
            return event.opened(new)
        if _count(event.fields, old) != 1 or _count(event.fields, new) > 1:
            return event
        others = tuple(f for f in event.fields if f[0] != new)
        return event.with_fields(_copied(others, old, new)).closed(new)

    return rule


def _move_to_start(prefix_text: str) -> Rule:
    prefix = name_of(prefix_text)
    return lambda event: event.with_fields(sorted(event.fields, key=lambda f: not f[0].startswith(prefix)))


def _move_to_end(prefix_text: str) -> Rule:
    prefix = name_of(prefix_text)
    return lambda event: event.with_fields(sorted(event.fields, key=lambda f: f[0].startswith(prefix)))


_OF_ONE: dict[str, Callable[[str], Rule]] = {
    "remove": _remove,
    "remove_wildcard": _remove_wildcard,
    "remove_regex": _remove_regex,
    "move_to_start": _move_to_start,
    "move_to_end": _move_to_end,
}
_OF_TWO: dict[str, Callable[[str, str], Rule]] = {
    "rename": _rename,
    "hard_rename": _hard_rename,
    "add": _add,
    "add_if_not_present": _add,
    "set": _set,
    "copy": _copy,
    "hard_copy": _hard_copy,
}


def _count(fields: Fields, name: bytes) -> int:
    return sum(1 for key, _ in fields if key == name)


def _renamed(fields: Fields, old: bytes, new: bytes) -> Fields:
    return tuple((new if name == old else name, value) for name, value in fields)


def _copied(fields: Fields, old: bytes, new: bytes) -> Fields:
    """With a copy right behind the original."""
    out: list[tuple[bytes, Value]] = []
    for name, value in fields:
        out.append((name, value))
        if name == old:
            out.append((new, value))
    return tuple(out)
