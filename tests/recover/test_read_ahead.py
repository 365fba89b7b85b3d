"""Objects that are opened before they are read, on a real server: what is read is the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import FreshBucket
from faults.proxy import Exchange, FaultProxy
from servers import Server

from flbrecover.bucket.reading import ChangedError
from flbrecover.model import StoredObject
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.sorted_index import KeySet
from flbrecover.recover import scan_objects
from flbrecover.recover.read_ahead import AHEAD, LARGEST, ReadAhead
from flbrecover.recover.scan_objects import LOOK_AHEAD, ObjectScans
from flbrecover.recover.scratch import Scratch
from flbrecover.recover.window import Candidate


def candidate(bucket: FreshBucket, number: int) -> Candidate:
    body, key = content(number), f"{number}"
    return Candidate(StoredObject(bucket.name, key, len(body), bucket.put(key, body), 0), ("app",), None)


def content(number: int) -> bytes:
    return b"%d\n" % number * 1000


@pytest.fixture
def candidates(moto_bucket: FreshBucket) -> list[Candidate]:
    return [candidate(moto_bucket, number) for number in range(12)]


def test_each_body_is_its_own(moto_bucket: FreshBucket, candidates: list[Candidate]) -> None:
    ahead = ReadAhead(moto_bucket.s3, candidates)
    ahead.expect(range(12))
    for number in (3, 11, 0, 3):  # in another order than was thought, once more, and one that is not open yet
        with ahead.body(number) as body:
            assert b"".join(body) == content(number)
    ahead.close()


def test_they_are_opened_at_once_and_no_more_than_so_many(
    moto_bucket: FreshBucket, candidates: list[Candidate], proxy: FaultProxy
) -> None:
    """No answer comes before all are asked for."""
    together = threading.Barrier(AHEAD)

    def wait(exchange: Exchange) -> None:
        together.wait(timeout=60)
        exchange.reply(exchange.forward())

    proxy.watch(lambda call: wait if call.operation == "GetObject" else None)
    ahead = ReadAhead(Server(proxy.endpoint_url).connect(), candidates)
    ahead.expect(range(12))
    assert [b"".join(ahead.body(number)) for number in range(AHEAD)] == [content(n) for n in range(AHEAD)]
    assert len(proxy.calls) == AHEAD
    ahead.close()


def test_what_opening_raises_is_raised_where_it_is_read(moto_bucket: FreshBucket, candidates: list[Candidate]) -> None:
    for key in "12":
        moto_bucket.put(key, b"another one")
    ahead = ReadAhead(moto_bucket.s3, candidates)
    ahead.expect(range(3))
    with ahead.body(0) as body:
        assert body.size == len(content(0))
    with pytest.raises(ChangedError):
        ahead.body(1)
    ahead.close()  # and 2, which nobody asked for, is no matter


def test_a_large_one_is_not_opened_ahead(
    moto_bucket: FreshBucket, candidates: list[Candidate], proxy: FaultProxy
) -> None:
    large = [Candidate(replace(candidates[0].object, size=LARGEST + 1), ("app",), None)]
    proxy.watch()
    ahead = ReadAhead(Server(proxy.endpoint_url).connect(), large)
    ahead.expect([0])
    ahead.close()
    assert proxy.calls == []


def test_what_comes_next_is_not_looked_for_far_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of candidates that no worker can scan none is asked about again and again."""
    number, asked = 2000, 0

    def can_scan(scans: ObjectScans, at: int) -> bool:
        nonlocal asked
        asked += 1
        return False

    nothing = Candidate(StoredObject("b", "k", LARGEST + 1, "", 0), ("app",), None)
    found = SimpleNamespace(candidates=[nothing] * number, ledger=Ledger(), scratch=Scratch())
    monkeypatch.setattr(ObjectScans, "can_scan", can_scan)
    monkeypatch.setattr(scan_objects, "usable_cores", lambda: 2)
    scans = ObjectScans(found, None, SimpleNamespace(known=KeySet()), None)  # type: ignore[arg-type]
    assert list(scans.in_turn(range(number), lambda _: True)) == [(at, None) for at in range(number)]
    assert asked < 2 * LOOK_AHEAD * number
