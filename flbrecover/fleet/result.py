"""What one node of a fleet comes to: the last of its runs that ended, read whole and held against what it says of
itself. Nothing is taken from a run that did not end."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flbrecover.errors import FlbrecoverError
from flbrecover.fleet import facts as f
from flbrecover.fleet.facts import Facts
from flbrecover.fleet.running import numbers
from flbrecover.fleet.source import NodeFolder, Source
from flbrecover.model import Problem
from flbrecover.report.case_data import CaseData, open_case
from flbrecover.report.case_data_rows import Fields, SideName, Top, missing
from flbrecover.report.case_data_story import LABELS, story
from flbrecover.report.text import count

Status = Literal[
    "complete", "recovered", "left", "partly", "open", "interrupted", "unknown", "failed", "half-written", "no result"
]
WORDS: dict[Status, str] = {
    **LABELS,  # type: ignore[dict-item]  # of fewer words
    "failed": "Failed before anything was compared",
    "half-written": "Begun, and did not end",
    "no result": "No result",
}
CODES = (0, 3, 4)  # exit codes of a recovery that came to its end
MOST_TAGS, MOST_PROBLEMS = 20, 20


@dataclass(slots=True)
class NodeResult:
    """Numbers are None where they are not known. ``code`` is what the node adds to the fleet's exit code; ``problems``
    are with its results, ``unreadable`` counts what could not be read on the node itself. ``tags`` are the lines of the
    tags with most missing records. ``bucket_records`` has (records, missing) by bucket."""

    node: str
    status: Status
    code: int
    facts: Facts | None = None
    runs: int = 0
    records: int | None = None
    were_missing: int | None = None
    back: int | None = None
    missing: int | None = None
    gone_bytes: int = 0
    unreadable: int = 0
    left: Mapping[str, int] = field(default_factory=dict)
    bucket_records: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tags: Sequence[Fields] = ()
    problems: list[Problem] = field(default_factory=list)

    @property
    def exit_code(self) -> int | None:
        return self.facts.exit_code if self.facts else None


def absent(node: str) -> NodeResult:
    """A node that was asked for and has no folder."""
    return NodeResult(node, "no result", 4, problems=[Problem(node, "has no result: its Job did not run, or not yet")])


def read_node(source: Source, folder: NodeFolder) -> NodeResult:
    """Raises FlbrecoverError, OSError where the source itself does not answer."""
    problems: list[Problem] = []
    if folder.strays:
        what = f"{count(folder.strays, 'file')} of no run left out"
        problems.append(Problem(folder.node, what, unreadable=False))
    ended, cut = _runs(source, folder, problems)
    if not ended:
        damaged = len(folder.runs) - len(cut)
        begun = count(len(folder.runs), "run")
        what = f"{begun} begun, and none that can be counted" if folder.runs else "holds no run"
        status: Status = "unknown" if damaged else "half-written" if cut else "no result"
        return NodeResult(folder.node, status, 4, runs=len(cut), problems=[*problems, Problem(folder.node, what)])
    last = ended[-1]
    problems += _repeated(folder.node, ended, cut)
    result = NodeResult(folder.node, "unknown", 1, last, len(ended) + len(cut), problems=problems)
    with tempfile.TemporaryDirectory(prefix="flbrecover-") as scratch:
        _fetch(source, folder, last, Path(scratch), problems)
        _read(Path(scratch), result)
    result.problems = problems[:MOST_PROBLEMS]
    unsound = any(p.unreadable for p in problems)
    result.code = 4 if unsound or result.unreadable else last.exit_code if last.exit_code in CODES else 1
    return result


def _runs(source: Source, folder: NodeFolder, problems: list[Problem]) -> tuple[list[Facts], list[str]]:
    """The runs that ended, in the order of their beginning, and the names of those that did not."""
    ended, cut = [], []
    for run in sorted(folder.runs):
        place, size = f"{folder.node}/{run}/{f.FACTS}", folder.runs[run].get(f.FACTS)
        if size is None:
            cut.append(run)
            continue
        try:
            if size > f.LARGEST_FACTS:
                raise ValueError(f"{size:,} bytes: larger than any")
            copy = io.BytesIO()
            source.copy(folder.node, run, f.FACTS, size, copy)
            facts = f.from_json(copy.getvalue())
            if (facts.node, facts.attempt) != (folder.node, run):
                raise ValueError(f"says that it is of run {facts.attempt[:60]} on node {facts.node[:253]}")
        except (ValueError, FlbrecoverError, OSError) as e:
            problems.append(Problem(place, f"{e}; the run is not counted"))
            continue
        ended.append(facts)
    return ended, cut


def _repeated(node: str, ended: Sequence[Facts], cut: Sequence[str]) -> Iterator[Problem]:
    """What is to be said where a node has more than one run: the last that ended counts."""
    last = ended[-1]
    later = [run for run in cut if run > last.attempt]
    if later:
        yield Problem(node, f"run {later[-1]} was begun after the one that counts ({last.attempt}) and did not end")
    if len(ended) > 1 or cut:
        what = f"runs that ended: {len(ended)}, that did not: {len(cut)}; {last.attempt} counts"
        yield Problem(node, what, unreadable=False)
    for one in ended[:-1]:
        for what in _contradiction(one, last):
            yield Problem(node, f"runs {one.attempt} and {last.attempt} contradict each other: {what}")
        if one.tool != last.tool:
            what = f"runs {one.attempt} and {last.attempt} are of {one.tool[:60]} and of {last.tool[:60]}"
            yield Problem(node, what, unreadable=False)


def _contradiction(one: Facts, last: Facts) -> Iterator[str]:
    """A later run can find more on the node and in S3, never less."""
    if one.buckets and last.buckets and one.buckets != last.buckets:
        yield f"other buckets ({', '.join(one.buckets)[:200]}; {', '.join(last.buckets)[:200]})"
    for what, before, now in (("records", one.records, last.records), ("stored records", one.stored, last.stored)):
        if before is not None and now is not None and now < before:
            yield f"{before:,} {what} became {now:,}"


def _fetch(source: Source, folder: NodeFolder, facts: Facts, scratch: Path, problems: list[Problem]) -> None:
    """Copies the comparisons of a run. One that is not what facts.json says of it is left out."""
    there = folder.runs[facts.attempt]
    for name in f.LINES:
        said, size = facts.files.get(name), there.get(name)
        place = f"{folder.node}/{facts.attempt}/{name}"
        if said is None and size is None:
            continue
        try:
            if said is None or size is None:
                raise FlbrecoverError("is missing" if size is None else "is not in facts.json")
            with (scratch / name).open("wb") as copy:
                if source.copy(folder.node, facts.attempt, name, size, copy) != said:
                    raise FlbrecoverError("is not what facts.json says of it: another size or SHA-256")
        except (FlbrecoverError, OSError) as e:
            (scratch / name).unlink(missing_ok=True)
            problems.append(Problem(place, f"{e}; it was left out"))


def _read(scratch: Path, result: NodeResult) -> None:
    """Fills in the numbers of a run."""
    assert result.facts is not None
    facts = result.facts
    if not any((scratch / name).exists() for name in f.LINES):
        result.status = "failed" if facts.exit_code not in CODES else "unknown"
        if facts.exit_code in CODES:
            result.problems.append(Problem(result.node, "has no comparison, though its run came to an end"))
        return
    tags = {"before": Top(MOST_TAGS), "now": Top(MOST_TAGS)}
    by_bucket: dict[str, dict[str, tuple[int, int]]] = {"before": {}, "now": {}}

    def see(side: SideName, line: Fields) -> None:
        if line["type"] == "tag":
            tags[side].offer((missing(line), line["records"]), line)
            known, bucket = by_bucket[side], line["bucket"]
            if bucket in known or len(known) < f.MOST_BUCKETS:
                records, absent_ = known.get(bucket, (0, 0))
                known[bucket] = (records + line["records"], absent_ + missing(line))

    case = open_case(scratch, see)
    said = story(case)
    side: SideName = "now" if case.compared_again else "before"
    result.problems += [Problem(f"{result.node}/{facts.attempt}/{p.path}", p.what) for p in case.problems]
    result.status, result.records, result.were_missing = said.status, said.records, said.were_missing
    result.back, result.missing, result.gone_bytes = said.back, said.missing, said.gone_bytes or 0
    result.left, result.bucket_records = case.left, by_bucket[side]
    result.tags = [line for line in tags[side].rows if missing(line)]
    result.unreadable = case.latest.unreadable if case.latest else 0
    if facts.exit_code not in CODES and not case.compared_again:
        result.status, result.missing = "interrupted", None  # how far it came nobody has looked at
    result.problems += _doubts(result, case)


def _doubts(result: NodeResult, case: CaseData) -> Iterator[Problem]:
    """Where a run and its comparisons do not say the same."""
    facts = result.facts
    assert facts is not None
    found = numbers(case, set())[:3]
    told = (facts.records, facts.stored, facts.missing)
    if found != told and not case.problems:
        yield Problem(result.node, f"facts.json says {_numbers(told)}, its comparison {_numbers(found)}")
    verdict = case.now.verdict if case.now is not None else None
    if facts.exit_code == 0 and verdict is not None and (verdict["missing"] or verdict["gone"]):
        yield Problem(result.node, f"ended with 0, but its verdict has {verdict['missing']:,} records missing")


def _numbers(said: Sequence[int | None]) -> str:
    records, stored, absent_ = ("?" if n is None else f"{n:,}" for n in said)
    return f"{records} records, {stored} stored, {absent_} missing"
