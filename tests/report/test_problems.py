"""Problems, to be read and to be parsed."""

from __future__ import annotations

import io
import json

from flbrecover.model import ByteRange, Problem
from flbrecover.report import jsonl, problems


def test_a_line_names_the_file_the_place_and_the_way_out() -> None:
    problem = Problem("/s3/b/1-2", "a torn record", ByteRange(100, 180), "nothing is lost but it")
    assert problems.line(problem) == "/s3/b/1-2 (bytes 100-180): a torn record; nothing is lost but it"
    assert problems.line(Problem("s3://b/", "s3://b/: access denied")) == "s3://b/: access denied"
    assert problems.line(Problem("/a/b", "cannot be read: /a/b: no")) == "/a/b: cannot be read: no"
    assert problems.line(Problem("/b", "as in /a/b: no; not /b: no")) == "/b: as in /a/b: no; not /b: no"
    assert problems.line(Problem("/a\nb", "x\x1b[2J")) == "/a\\x0ab: x\\x1b[2J"


def test_what_could_not_be_read_comes_first_and_a_long_list_is_cut() -> None:
    out = io.StringIO()
    notes = [Problem(f"/note{n}", "x", unreadable=False) for n in range(30)]
    problems.write(out, [*notes, Problem("/bad", "y")])
    lines = out.getvalue().splitlines()
    assert lines[0] == "problem: /bad: y"
    assert lines[1] == "note: /note0: x"
    assert len(lines) == 21 and lines[-1] == "… and 11 more; --json lists all"


def test_json_carries_what_is_no_unicode() -> None:
    out = io.StringIO()
    jsonl.write(out, "problem", problems.as_json(Problem("/caf\udce9\u202e", "x", ByteRange(1, 2))))
    line = out.getvalue()
    assert line.isascii() and line.count("\n") == 1
    back = json.loads(line)
    assert back["path"] == "/caf\udce9\u202e" and back["where"] == [1, 2] and back["unreadable"] is True


def test_times() -> None:
    assert jsonl.iso(None) is None
    assert jsonl.iso(1_795_433_979_484_116_751) == "2026-11-23T11:39:39.484116751Z"
    assert jsonl.iso(0) == "1970-01-01T00:00:00.000000000Z"
    assert jsonl.iso(1 << 90) == f"{1 << 90}ns"
