"""``Docker_Mode``: lines that Docker split, joined. Captured logs are in evidence/test_captured_logs.py."""

from __future__ import annotations

import json

import pytest

from flbrecover.fluentbit import docker_mode
from flbrecover.fluentbit.docker_mode import DockerModeJoiner
from flbrecover.fluentbit.log_line import LogLine, Made, Remark


def joined(*lines: bytes, remarks: list[Remark] | None = None) -> list[tuple[bytes, int, int]]:
    """The lines that the parser gets, each with the span of what it was made of."""
    made: list[tuple[bytes, int, int]] = []

    def make(text: bytes, plain: bytes, line: LogLine) -> list[Made]:
        made.append((text, line.start, line.end))
        return []

    joiner = DockerModeJoiner(make, None, [].append if remarks is None else remarks.append)
    at = 0
    for line in lines:
        joiner.feed(LogLine(line, at, at + len(line) + 1))
        at += len(line) + 1
    joiner.finish()
    return made


def docker(text: str, **more: str) -> bytes:
    return json.dumps({"log": text, "stream": "stdout", **more}).encode()


def test_split_lines_are_one_and_the_last_one_gives_the_rest() -> None:
    first, second, third = docker("one ", time="1"), docker("two\n", time="2"), docker("three\n", time="3")
    size = len(first) + len(second) + 2
    assert joined(first, second, third) == [
        (docker("one two\n", time="2"), 0, size),
        (third, size, size + len(third) + 1),
    ]


def test_what_is_still_open_at_the_end_is_a_record() -> None:
    assert joined(docker("one ")) == [(docker("one "), 0, len(docker("one ")) + 1)]


@pytest.mark.parametrize(
    "line",
    [
        b"plain", b"[1]", b'{"log":1}', b'{"log":{"log":"x"}}', b'{"log":["x"]}', b'{"a":{"log":"x"}}', b'{"b":"x"}',
        b'{"a":1} {"log":"x"}', b'{"a":1},"log":"x"',
    ],
)  # fmt: skip
def test_a_line_without_a_log_text_ends_what_is_open(line: bytes) -> None:
    assert [text for text, *_ in joined(docker("one "), line)] == [docker("one "), line]


@pytest.mark.parametrize(
    "line", [b'{"a":1} "' + b"a" * 100_000, b'{"a":1} ' + b'"\\' * 1000, b'{"log":1, "' + b"\\a" * 1000]
)
def test_a_quote_that_is_not_closed(line: bytes) -> None:
    """It would take longer than the universe lasts, were the time exponential."""
    assert [text for text, *_ in joined(line)] == [line]


def test_a_message_that_never_ends_is_given_out_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_mode, "MAX_JOINED", 1000)
    remarks: list[Remark] = []
    made = joined(*[docker("x" * 100)] * 11, remarks=remarks)
    assert [text.count(b"x") for text, *_ in made] == [1000, 100]
    assert [remark.where and remark.where.end for remark in remarks] == [made[0][2]]
