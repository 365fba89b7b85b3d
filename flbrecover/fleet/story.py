"""What a fleet comes to, in a few sentences. A number is only said of the nodes that are known to have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flbrecover.fleet.merging import Fleet
from flbrecover.report import text

Overall = Literal["complete", "recovered", "left", "partly", "interrupted", "unknown"]
LABELS: dict[Overall, str] = {
    "complete": "Nothing was missing",
    "recovered": "Recovered and proved on every node",
    "left": "Recovered as planned, the rest is left alone",
    "partly": "Records are still missing",
    "interrupted": "Some nodes have failed",
    "unknown": "Not known of every node",
}
MARKS = {"complete": "✓", "recovered": "✓", "left": "✓", "partly": "!", "interrupted": "!", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class FleetStory:
    status: Overall
    sentences: tuple[str, ...]

    @property
    def label(self) -> str:
        return LABELS[self.status]


def story(fleet: Fleet) -> FleetStory:
    return FleetStory(_status(fleet), tuple(_sentences(fleet)))


def _status(fleet: Fleet) -> Overall:
    by_code: dict[int, Overall] = {4: "unknown", 3: "partly", 1: "interrupted"}
    if fleet.exit_code:
        return by_code[fleet.exit_code]
    return "left" if fleet.missing else "recovered" if fleet.were_missing else "complete"


def _sentences(fleet: Fleet) -> Iterator[str]:
    of = "" if fleet.known == fleet.seen else f" of {text.count(fleet.seen, 'node')}"
    nodes = f"{fleet.known:,}{of}" if of else text.count(fleet.known, "node")
    if not fleet.known:
        yield f"What was missing is not known of any of {text.count(fleet.seen, 'node')}."
    elif fleet.were_missing:
        records = text.count(fleet.records, "record")
        yield f"Of {records} on {nodes}, {fleet.were_missing:,} {_were(fleet.were_missing)} missing from S3."
        every = "All of them are" if fleet.back == fleet.were_missing else f"{fleet.back:,} of them are"
        yield f"{every} back: S3 was compared again and holds them."
    else:
        yield f"All {text.count(fleet.records, 'record')} on {nodes} were in S3 already."
    if fleet.missing:
        yield f"{text.count(fleet.missing, 'record')} {'is' if fleet.missing == 1 else 'are'} still missing."
    if fleet.gone_bytes:
        yield f"Gone for good: {text.size(fleet.gone_bytes)} of logs that no file and no object holds any more."
    yield from _not_known(fleet)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _not_known(fleet: Fleet) -> Iterator[str]:
    said = {
        "no result": "no result",
        "half-written": "a run that did not end",
        "failed": "a run that failed",
        "interrupted": "a run that was interrupted",
    }
    for status, what in said.items():
        number = fleet.statuses[status]  # type: ignore[index]
        if number:
            yield f"{text.count(number, 'node')} {'has' if number == 1 else 'have'} {what}."
    if fleet.unreadable:
        pieces = text.count(fleet.unreadable, "piece")
        yield f"Numbers are a lower bound: {pieces} of evidence could not be read on the nodes."
    if fleet.bad:
        problems = text.count(fleet.bad, "problem")
        yield f"This report is not complete: {problems} with the results themselves (see Problems)."
