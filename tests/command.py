"""Runs ``flbrecover`` in this process, as a shell would see it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from flbrecover.cli import main


@dataclass(frozen=True)
class Ended:
    """What a command said, and its exit code."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (line,) = self.of_type(kind)
        return line


def flbrecover(*arguments: object, environment: Mapping[str, str] | None = None) -> Ended:
    """``flbrecover ARGUMENTS`` without a terminal; ``environment`` is added to that of the tests."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with (
        mock.patch.dict("os.environ", environment or {}),
        mock.patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as e:
            assert isinstance(e.code, int)
            code = e.code
    out.flush()
    err.flush()
    return Ended(code, out.detach().getvalue(), err.detach().getvalue().decode())


def one_line(ended: Ended) -> str:
    """The only line that a refused command says: no output, no traceback."""
    assert ended.out == b""
    lines = [line for line in ended.err.splitlines() if not line.startswith(("note: ", "Usage: ", "Try "))]
    assert len([line for line in lines if line.strip()]) == 1, ended.err
    return next(line for line in lines if line.strip())
