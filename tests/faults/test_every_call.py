"""Each call of a recovery with a fault, then, where it did not end well, once more without: no record is lost, none is
there twice, nothing is removed, and each run ends with a code of the contract and a reason.

Here each fault meets a few calls; ``python -m tests.soak.s3_faults`` tries every fault at every call.
"""

from __future__ import annotations

import pytest
from faults.catalog import FAULTS, Fault, deleting, paged
from faults.incidents import SmallIncident
from faults.proxy import Call, FaultProxy
from faults.trials import calls_of, fault_at, faulted

BY_NAME = {fault.name: fault for fault in FAULTS}
TRIED = 2  # calls for each fault


@pytest.fixture(scope="module")
def calls(small: SmallIncident, proxy: FaultProxy) -> list[Call]:
    return calls_of(small, proxy)


def some_of(calls: list[Call], fault: Fault) -> list[Call]:
    """Calls that the fault can happen to, spread over the recovery, others for each fault."""
    fitting = [call for call in calls if fault.fits(call.operation)]
    start = FAULTS.index(fault) * 5
    return [fitting[(start + n * len(fitting) // TRIED) % len(fitting)] for n in range(TRIED)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault(small: SmallIncident, proxy: FaultProxy, calls: list[Call], fault: Fault) -> None:
    for call in some_of(calls, fault):
        trial = fault_at(small, proxy, call, fault)
        assert not trial.wrong, trial


def test_a_body_that_is_shortened_in_the_comparison_before_the_uploads(
    small: SmallIncident, proxy: FaultProxy, calls: list[Call]
) -> None:
    """That one decides what is uploaded; what such an object holds is not taken for missing."""
    completed = next(call.number for call in calls if call.operation == "CompleteMultipartUpload")
    uploads = next(call.number for call in calls if call.operation == "PutObject")
    reads = [call for call in calls if call.operation == "GetObject" and completed < call.number < uploads]
    assert reads
    for call in reads:
        trial = fault_at(small, proxy, call, BY_NAME["answer shortened"])
        assert not trial.wrong, trial


def test_an_object_that_is_deleted_between_list_and_get(small: SmallIncident, proxy: FaultProxy, calls) -> None:
    """Its records are in the log: they are put back."""
    reads = [call for call in calls if call.operation == "GetObject"]
    for call in (reads[0], reads[-1]):
        rule = deleting(call.number, small.delete)
        trial = faulted(small, proxy, rule, f"deleted before call {call.number}", removes=True)
        assert not trial.wrong, trial


def test_a_list_in_pages_that_repeat_keys(small: SmallIncident, proxy: FaultProxy) -> None:
    trial = faulted(small, proxy, paged(1, repeat=True), "pages of one key that repeat the last")
    assert (trial.codes, trial.wrong) == ((0,), ())


def test_objects_that_come_while_the_list_is_read(small: SmallIncident, proxy: FaultProxy) -> None:
    """Another one's objects, before and behind the place where the list is."""
    added: list[str] = []

    def add(page: int) -> None:
        for key in (f"logs/app/0000000{page}-20261123T113930.gz", f"logs/app/zzzzzzz{page}-20261123T113930.gz"):
            small.s3.put_object(Bucket="my-bucket", Key=key, Body=b'{"log":"of another node"}\n')
            added.append(key)

    trial = faulted(small, proxy, paged(1, between=add), "keys that come between two pages")
    assert added and (trial.codes, trial.wrong) == ((0,), ())
