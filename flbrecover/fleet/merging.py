"""All nodes of a fleet, one after the other: their sums, the rows that a page shows, and one exit code."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from flbrecover.errors import FlbrecoverError, UsageError
from flbrecover.fleet.facts import FACTS
from flbrecover.fleet.result import NodeResult, Status, absent, read_node
from flbrecover.fleet.source import NodeFolder, Source
from flbrecover.model import Problem
from flbrecover.report.case_data_rows import Top, missing
from flbrecover.threads import Pool
from flbrecover.wording import count

AT_ONCE = 8  # nodes that are read at once
MOST_NODES, MOST_PROBLEMS, MOST_TAGS = 500, 200, 100
MOST_GROUPS = 100  # buckets, versions: of more only the number is kept
ORDER = (4, 3, 1, 0)  # the worst first
_BAD: dict[Status, int] = {"no result": 4, "half-written": 4, "failed": 3, "interrupted": 3, "unknown": 3, "partly": 2}


@dataclass(slots=True)
class Fleet:
    """Sums are over the nodes that are known to have them; ``known`` counts those with a comparison. ``nodes``,
    ``tags`` and ``problems`` hold the worst of them."""

    source: str
    asked: int | None
    seen: int = 0
    known: int = 0
    records: int = 0
    were_missing: int = 0
    back: int = 0
    missing: int = 0
    gone_bytes: int = 0
    unreadable: int = 0
    repeated: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    statuses: Counter[Status] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    nodes: Top = field(default_factory=lambda: Top(MOST_NODES))
    tags: Top = field(default_factory=lambda: Top(MOST_TAGS))
    problems: Top = field(default_factory=lambda: Top(MOST_PROBLEMS))
    bad: int = 0

    @property
    def exit_code(self) -> int:
        """4 over 3 over 1 over 0; see docs/fleet.md."""
        codes = {*self.codes, *([4] if self.bad else [])}
        return next((code for code in ORDER if code in codes), 0)

    def say(self, problem: Problem) -> None:
        self.bad += problem.unreadable
        self.problems.offer(problem.unreadable, problem)

    def add(self, one: NodeResult) -> None:
        self.seen += 1
        self.codes[one.code] += 1
        self.statuses[one.status] += 1
        self.repeated += one.runs > 1
        self.known += one.records is not None
        for name in ("records", "were_missing", "back", "missing", "gone_bytes", "unreadable"):
            setattr(self, name, getattr(self, name) + (getattr(one, name) or 0))
        _count(self.left, one.left)
        if one.facts is not None:
            _count(self.tools, {one.facts.tool: 1})
        for bucket, (records, absent_) in one.bucket_records.items():
            if bucket in self.buckets or len(self.buckets) < MOST_GROUPS:
                sums = self.buckets.setdefault(bucket, [0, 0, 0])
                sums[:] = sums[0] + 1, sums[1] + records, sums[2] + absent_
        self.nodes.offer((one.code == 4, _BAD.get(one.status, 0), one.missing or 0, one.were_missing or 0), one)
        for line in one.tags:
            self.tags.offer(missing(line), (one.node, line))
        for problem in one.problems:
            self.say(problem)


def _count(into: Counter[str], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        if name in into or len(into) < MOST_GROUPS:
            into[name] += number


def merge(source: Source, fleet: Fleet, asked: Sequence[str] | None) -> Iterator[NodeResult]:
    """Reads every node, some at once, puts them into ``fleet`` and gives them in the order in which they are listed;
    those that were asked for and are not there come last. Raises FlbrecoverError where the source cannot be listed,
    UsageError where there is no node at all."""
    wanted = None if asked is None else set(asked)
    seen: set[str] = set()
    for one in _results(source):
        if one.node in seen:
            fleet.say(Problem(one.node, "is listed in two places; only the first was counted"))
            continue
        seen.add(one.node)
        if wanted is not None and one.node not in wanted:
            what = "was not asked for, and has a result: it is counted"
            one.problems.append(Problem(one.node, what, unreadable=False))
        fleet.add(one)
        yield one
    if not seen and not asked:
        raise UsageError(f"{fleet.source}: no results of a fleet (NODE/RUN/{FACTS}) in it; `fleet run` makes them")
    for node in asked or ():
        if node not in seen:
            one = absent(node)
            fleet.add(one)
            yield one
    _say_differences(fleet, source)


def _say_differences(fleet: Fleet, source: Source) -> None:
    strays = source.strays
    if strays.number:
        lie = "lies" if strays.number == 1 else "lie"
        what = f"{count(strays.number, 'thing')} {lie} in no node's folder (this is the first)"
        fleet.say(Problem(strays.first, what, unreadable=False))
    for what, found in (("versions of flbrecover", fleet.tools), ("buckets", fleet.buckets)):
        if len(found) > 1:
            fleet.say(Problem(fleet.source, f"{len(found)} {what} among the nodes", unreadable=False))


def _results(source: Source) -> Iterator[NodeResult]:
    """In order, at most some nodes ahead of who takes them."""
    ahead: deque[Future[NodeResult]] = deque()
    with Pool(AT_ONCE, "node") as pool:
        try:
            for folder in source.nodes():
                ahead.append(pool.submit(_safely, source, folder))
                if len(ahead) >= 2 * AT_ONCE:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _safely(source: Source, folder: NodeFolder) -> NodeResult:
    """A node that cannot be read stops no other."""
    try:
        return read_node(source, folder)
    except (FlbrecoverError, OSError) as e:
        return NodeResult(folder.node, "unknown", 4, problems=[Problem(folder.node, str(e))])
