"""The report of a fleet: one HTML page, Markdown for a ticket, or JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flbrecover import __version__
from flbrecover.fleet.merging import Fleet
from flbrecover.fleet.result import WORDS, NodeResult
from flbrecover.fleet.story import MARKS, story
from flbrecover.model import Problem
from flbrecover.report import html, jsonl, markdown, text
from flbrecover.report.case_data_rows import missing
from flbrecover.report.html_tables import Cell, Table, number, states, time

TOOL = f"flbrecover {__version__}"
TICKET_NODES, TICKET_PROBLEMS = 20, 15
VERSION = 1


def node_json(one: NodeResult) -> tuple[str, dict[str, Any]]:
    facts = one.facts
    return "fleet_node", {
        "node": one.node, "status": one.status, "code": one.code, "exit_code": one.exit_code, "runs": one.runs,
        "run": facts.attempt if facts else None, "tool": facts.tool if facts else None,
        "started": jsonl.iso(facts.started_ns) if facts else None,
        "ended": jsonl.iso(facts.ended_ns) if facts else None,
        "records": one.records, "were_missing": one.were_missing, "back": one.back, "missing": one.missing,
        "gone_bytes": one.gone_bytes, "unreadable": one.unreadable, "left": dict(one.left),
        "buckets": {bucket: {"records": n, "missing": m} for bucket, (n, m) in one.bucket_records.items()},
        "problems": [p.what for p in one.problems],
    }  # fmt: skip


def fleet_json(fleet: Fleet) -> tuple[str, dict[str, Any]]:
    """The last line."""
    said = story(fleet)
    return "fleet_summary", {
        "version": VERSION, "source": fleet.source, "status": said.status, "sentences": list(said.sentences),
        "exit_code": fleet.exit_code, "nodes": fleet.seen, "asked": fleet.asked, "known": fleet.known,
        "records": fleet.records, "were_missing": fleet.were_missing, "back": fleet.back, "missing": fleet.missing,
        "gone_bytes": fleet.gone_bytes, "unreadable": fleet.unreadable, "problems": fleet.bad,
        "statuses": dict(sorted(fleet.statuses.items())), "codes": {str(c): n for c, n in sorted(fleet.codes.items())},
        "tools": dict(sorted(fleet.tools.items())),
    }  # fmt: skip


def fleet_page(fleet: Fleet, made_ns: int) -> Iterator[str]:
    """The page in pieces."""
    said = story(fleet)
    known = f"{fleet.seen:,}" if fleet.known == fleet.seen else f"{fleet.known:,} of {fleet.seen:,}"
    tiles = [
        ("Nodes known", known, "bad" if fleet.seen > fleet.known else ""), ("Records", f"{fleet.records:,}", ""),
        ("Were missing", f"{fleet.were_missing:,}", ""), ("Back", f"{fleet.back:,}", "good" if fleet.back else ""),
        ("Missing", f"{fleet.missing:,}", "bad" if fleet.missing else ""),
    ]  # fmt: skip
    tables = [_problems(fleet), _nodes(fleet), *_tags(fleet), _buckets(fleet), _tools(fleet)]
    context = {
        "fleet": fleet, "story": said, "mark": MARKS[said.status], "tiles": tiles, "tables": tables,
        "left": sorted(fleet.left.items()), "tool": TOOL, "made": made_ns,
    }  # fmt: skip
    return html.page("fleet.html", context)


def _known(value: int | None, tone: Any = "") -> Cell:
    return Cell("?", "number") if value is None else number(value, tone)


def _nodes(fleet: Fleet) -> Table:
    head = ("Node", "Result", "Records", "Were missing", "Back", "Missing", "Exit code", "Runs", "Ended")
    rows = [
        (
            Cell(one.node, "name"), Cell(WORDS[one.status], "text", "bad" if one.code else ""), _known(one.records),
            _known(one.were_missing), _known(one.back, "good"), _known(one.missing, "bad"),
            Cell("?" if one.exit_code is None else str(one.exit_code), "number"), Cell(f"{one.runs:,}", "number"),
            time(one.facts.ended_ns if one.facts else None),
        )
        for one in fleet.nodes.rows
    ]  # fmt: skip
    about = "Those with most that is not known or missing first."
    return Table("nodes", "Nodes", "node", head, tuple(rows), fleet.nodes.more, "No node has a result.", about)


def _tags(fleet: Fleet) -> Iterator[Table]:
    if not fleet.tags.seen:
        return
    head = ("Tag", "Node", "Bucket", "Records", "Missing", "States")
    rows = [
        (
            Cell(line["tag"], "name"), Cell(node, "name"), Cell(line["bucket"], "name"), number(line["records"]),
            number(missing(line), "bad"), Cell(states(line)),
        )
        for node, line in fleet.tags.rows
    ]  # fmt: skip
    about = "Of each node the tags with most missing records, at most 20."
    yield Table("tags", "Tags with missing records", "tag", head, tuple(rows), fleet.tags.more, about=about)


def _buckets(fleet: Fleet) -> Table:
    rows = [
        (Cell(bucket, "name"), number(nodes), number(records), number(absent, "bad"))
        for bucket, (nodes, records, absent) in sorted(fleet.buckets.items())
    ]
    head = ("Bucket", "Nodes", "Records", "Missing")
    return Table("buckets", "Buckets", "bucket", head, tuple(rows), empty="No bucket is known.")


def _tools(fleet: Fleet) -> Table:
    rows = [(Cell(tool, "name"), number(nodes)) for tool, nodes in sorted(fleet.tools.items())]
    return Table("versions", "Versions", "version", ("Version", "Nodes"), tuple(rows), empty="No version is known.")


def _problems(fleet: Fleet) -> Table:
    rows = [
        (Cell("problem", "text", "bad") if p.unreadable else Cell("remark"), Cell(p.path, "name"), Cell(p.what))
        for p in fleet.problems.rows
    ]
    none = "No problems: every result is whole."
    return Table("problems", "Problems", "problem", ("Kind", "Where", "What"), tuple(rows), fleet.problems.more, none)


def fleet_markdown(fleet: Fleet) -> Iterator[str]:
    """The ticket, line by line."""
    said = story(fleet)
    yield f"**{said.label}.** " + " ".join(map(markdown.plain, said.sentences))
    yield ""
    rows: list[NodeResult] = fleet.nodes.rows[:TICKET_NODES]
    cells = [
        [
            markdown.code(one.node), markdown.plain(WORDS[one.status]),
            *("?" if n is None else f"{n:,}" for n in (one.records, one.were_missing, one.back, one.missing)),
        ]
        for one in rows
    ]  # fmt: skip
    yield from markdown.table(("node", "result", "records", "were missing", "back", "missing now"), cells, (2, 3, 4, 5))
    if fleet.seen > len(rows):
        yield ""
        more = text.count(fleet.seen - len(rows), "node")
        yield f"… and {more} more; `flbrecover fleet report --format json` has all."
    yield ""
    problems: list[Problem] = fleet.problems.rows[:TICKET_PROBLEMS]
    for problem in problems:
        yield f"- {markdown.code(problem.path)}: {markdown.plain(problem.what)}"
    if fleet.problems.seen > len(problems):
        yield f"- … and {text.count(fleet.problems.seen - len(problems), 'problem')} more"
    if problems:
        yield ""
    yield f"_{markdown.plain(TOOL)}, from {markdown.code(fleet.source)}; exit code {fleet.exit_code}. Times are UTC._"
