"""One trial: a recovery with a fault, and where it did not end well one without; judged by records after each."""

from __future__ import annotations

import re
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

from command import Ended, flbrecover
from faults.catalog import Fault, at
from faults.incidents import WHOLE, Incident, Judged
from faults.proxy import Call, FaultProxy, Rule

CONTRACT = frozenset({0, 1, 3, 4})
READ_SECONDS = 0.5
LONGEST_LINE = 1200


@dataclass(frozen=True)
class Trial:
    """What came of it. ``wrong`` says what must not be; empty when all is well."""

    what: str
    codes: tuple[int, ...]
    wrong: tuple[str, ...]


def recover(incident: Incident, endpoint_url: str, *more: object) -> Ended:
    """``recover`` to the end, one action after the other. Its pauses are cut short, and it does not wait long for an
    answer: what is done between them is the same."""
    where = (*incident.arguments, "--endpoint-url", endpoint_url)
    with impatient():
        return flbrecover("recover", *where, "--agent", "gone", "--yes", "--jobs", 1, *more)


@contextmanager
def impatient() -> Iterator[None]:
    from flbrecover.bucket import client

    sleep = time.sleep
    with (
        mock.patch("time.sleep", lambda seconds: sleep(min(seconds, 0.002))),
        mock.patch.dict(client.connect.__kwdefaults__, read_seconds=READ_SECONDS),
    ):
        yield


def calls_of(incident: Incident, proxy: FaultProxy) -> list[Call]:
    """Every call that a recovery of the incident makes where nothing goes wrong."""
    incident.load()
    proxy.watch()
    case = incident.root.parent / "case"
    shutil.rmtree(case, ignore_errors=True)
    ended = recover(incident, proxy.endpoint_url, "--case", case)
    assert ended.code == 0, ended
    assert incident.judge() == WHOLE
    return list(proxy.calls)


def fault_at(incident: Incident, proxy: FaultProxy, call: Call, fault: Fault) -> Trial:
    """The fault at one call of a recovery."""
    return faulted(incident, proxy, at(call.number, fault), f"{fault.name} at call {call.number} ({call.operation})")


def faulted(
    incident: Incident, proxy: FaultProxy, rule: Rule, what: str, *more: object, removes: bool = False
) -> Trial:
    """A recovery under a rule and, where it does not end with 0, another without: with the same case folder or, at
    times, with a new one (the trial's name decides). ``removes``: it is the fault that takes objects away."""
    incident.load()
    case = incident.root.parent / "case"
    shutil.rmtree(case, ignore_errors=True)
    proxy.watch(rule)
    first = recover(incident, proxy.endpoint_url, "--case", case, *more)
    happened = proxy.faults
    wrong = told(first)
    if not happened:
        wrong.append("the fault did not happen")
    judged = incident.judge()
    if judged.twice or (judged.removed and not removes) or (first.code == 0 and judged != WHOLE):
        wrong.append(f"after exit code {first.code}: {judged}")
    codes = [first.code]
    if first.code != 0:
        proxy.watch()
        if zlib.crc32(what.encode()) % 2:
            shutil.rmtree(case)
        second = recover(incident, proxy.endpoint_url, "--case", case, *more)
        codes.append(second.code)
        wrong += told(second)
        wrong += at_the_end(second, incident.judge())
    return Trial(f"{incident.name}: {what}", tuple(codes), tuple(wrong))


def at_the_end(ended: Ended, judged: Judged) -> list[str]:
    """What is wrong with a run that nothing stood in the way of."""
    wrong = [] if judged == WHOLE else [f"at the end: {judged}"]
    return wrong if ended.code == 0 else [*wrong, f"at the end exit code {ended.code}: {ended.err or ended.text}"]


def told(ended: Ended) -> list[str]:
    """What is wrong with how a run ended: a code that the contract does not have, a traceback, no reason given."""
    wrong = [] if ended.code in CONTRACT else [f"exit code {ended.code}"]
    said = ended.text + ended.err
    if re.search(r"Traceback|Exception in thread|Error\(|<\?xml", said):
        wrong.append(f"not for a person: {said}")
    if ended.code and not re.search("flbrecover: |problem: |damage[ :]|FAILED|STILL MISSING", said):
        wrong.append(f"exit code {ended.code} without a reason: {said}")
    wrong += [f"a line of {len(line)} characters" for line in said.splitlines() if len(line) > LONGEST_LINE]
    return wrong
