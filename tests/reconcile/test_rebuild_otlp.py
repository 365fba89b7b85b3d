"""Rebuilding and matching log records of ``otlp_json``."""

from __future__ import annotations

from otlp_builder import record

from flbrecover.fluentbit.formats import OTLP_JSON
from flbrecover.fluentbit.values import Fields
from flbrecover.reconcile.match_key import rule_for
from flbrecover.reconcile.rebuild import Siblings, add

TIME = OTLP_JSON.date_name
KUBE = (b"kubernetes", ((b"pod_name", b"shop-1"),))


def rendered(*fields: tuple[bytes, object], time_ns: int = 7) -> bytes:
    made: Fields = fields  # type: ignore[assignment]
    found = OTLP_JSON.render(made, time_ns)
    assert found is not None
    return found


def test_what_siblings_carry_is_put_into_the_body() -> None:
    siblings = Siblings(TIME, OTLP_JSON)
    for n in range(3):
        siblings.feed(rendered((b"stream", b"stdout"), (b"msg", b"%d" % n), KUBE, (b"n", n)), {"body.msg"})
    additions = siblings.additions()
    assert additions.missing == ("body.n",)
    line = rendered((b"msg", b"lost"))
    assert add(line, additions, TIME, OTLP_JSON) == rendered((b"stream", b"stdout"), (b"msg", b"lost"), KUBE)
    allowed = siblings.additions(lambda name: name == b"kubernetes")
    assert add(line, allowed, TIME, OTLP_JSON) == rendered((b"msg", b"lost"), KUBE)


def test_a_record_of_which_only_the_text_is_written_neither_gives_nor_takes() -> None:
    siblings = Siblings(TIME, OTLP_JSON)
    siblings.feed(record(1), {"body"})
    assert siblings.seen == 0
    siblings.feed(rendered((b"msg", b"x"), KUBE), {"body.msg"})
    assert add(record(2), siblings.additions(), TIME, OTLP_JSON) == record(2)


def test_the_time_is_no_part_of_a_match() -> None:
    lines = [rendered((b"log", b"line %d" % n), time_ns=0) for n in range(3)]
    copies = [rendered((b"log", b"line %d" % n), KUBE, time_ns=n + 5) for n in range(3)]
    rule = rule_for(
        plain=False, date_key=TIME, rendered=lines, unsure=frozenset(), siblings=copies, record_format=OTLP_JSON
    )
    keys = [rule.of_rendered(line, OTLP_JSON.members(line)) for line in lines]
    assert len(set(keys)) == 3 and [(key,) for key in keys] == [rule.of_copy(copy) for copy in copies]


def test_fields_that_survive_decide() -> None:
    lines = [rendered((b"msg", b"line %d" % n), (b"gone", n), time_ns=0) for n in range(3)]
    copies = [rendered((b"msg", b"line %d" % n), KUBE) for n in range(3)]
    rule = rule_for(
        plain=False, date_key=TIME, rendered=lines, unsure=frozenset(), siblings=copies, record_format=OTLP_JSON
    )
    assert rule.names == {"body.msg"}
    assert [rule.of_copy(c) for c in copies] == [(rule.of_rendered(x, OTLP_JSON.members(x)),) for x in lines]
