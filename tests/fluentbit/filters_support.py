"""Pipelines of filters, written as in a configuration file, for the tests of the filters."""

from __future__ import annotations

from collections.abc import Mapping

from flbrecover.fluentbit.filters import FilterChain, Outcome
from flbrecover.fluentbit.pipeline import (
    Filter,
    MultilineParser,
    Origin,
    Parser,
    Pipeline,
    Property,
    Route,
    Section,
    Service,
)
from flbrecover.fluentbit.values import Fields, SourceRecord, Value
from flbrecover.model import ByteRange

PATH = "/etc/fluent-bit/fluent-bit.conf"


def section(text: str, kind: str = "filter", line: int = 1) -> Section:
    """``Key value`` lines, as the classic syntax has them."""
    origin = Origin(PATH, line)
    lines = [one.strip() for one in text.strip().splitlines() if one.strip()]
    pairs = [one.partition(" ") for one in lines]
    return Section(kind, tuple(Property(k, v.strip(), origin) for k, _, v in pairs), origin)  # type: ignore[arg-type]


def pipeline(
    *filters: str,
    parsers: tuple[Parser, ...] = (),
    multiline: Mapping[str, MultilineParser] | None = None,
    sections: tuple[Section, ...] = (),
) -> Pipeline:
    """Each filter is the text of its section; without ``Match`` it takes every tag."""
    made = []
    for number, text in enumerate(filters):
        own = section(text, line=10 * number + 10)
        wildcard = own.get("match")
        regex = own.get("match_regex")
        route = Route(wildcard if wildcard or regex else "*", regex)
        made.append(Filter(own.get("name") or "", route, own))
    return Pipeline(
        Service(),
        (),
        tuple(made),
        (),
        parsers={p.name: p for p in parsers},
        multiline_parsers=multiline or {},
        sections=sections,
    )


def chain(*filters: str, **more: object) -> FilterChain:
    return FilterChain(pipeline(*filters, **more))  # type: ignore[arg-type]


def fields(**values: Value) -> Fields:
    """Fields in the order of the arguments; text is bytes."""
    return tuple((name.encode(), value) for name, value in values.items())


def record(own: Fields, tag: str = "app", time_ns: int | None = 1_000) -> SourceRecord:
    return SourceRecord("/var/log/app.log", ByteRange(0, 10), tag, own, time_ns)


def one(made: FilterChain, own: Fields, tag: str = "app") -> Outcome:
    """The only outcome."""
    outcomes = made.apply(record(own, tag))
    assert len(outcomes) == 1, outcomes
    return outcomes[0]


def adds_unknown(outcome: Outcome) -> bool:
    """May stored copies have fields that the configuration does not state?"""
    names = {name for name, _ in outcome.fields}
    return bool(outcome.additions.prefixes or outcome.additions.exact - names)


def through(filter_text: str, own: Fields, tag: str = "app") -> Fields:
    """The fields after one filter that knows all of a record."""
    outcome = one(chain(filter_text), own, tag)
    assert outcome.fate == "kept"
    assert not adds_unknown(outcome)
    assert not outcome.unsure
    return outcome.fields
