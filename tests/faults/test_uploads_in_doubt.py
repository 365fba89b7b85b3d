"""Records that may be in the parts of a pending upload are not written a second time while nobody knows: the upload
may be completed by the next run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults.catalog import FAULTS, at
from faults.incidents import WHOLE, SmallIncident
from faults.proxy import FaultProxy
from faults.trials import recover

BY_NAME = {fault.name: fault for fault in FAULTS}
IN_PARTS = tuple(range(21, 31))


@pytest.mark.parametrize("operation", ["ListParts", "CompleteMultipartUpload", "HeadObject"])
@pytest.mark.parametrize("name", ["AccessDenied from then on", "400 RequestTimeout"])
def test_what_an_upload_may_hold_waits_for_it(
    small: SmallIncident, proxy: FaultProxy, operation: str, name: str, tmp_path
) -> None:
    small.load()
    fault = at(1, replace(BY_NAME[name], lasting=True))
    key = small.upload_key
    proxy.watch(lambda call: fault(call) if call.operation == operation and call.key == key else None)
    ended = recover(small, proxy.endpoint_url, "--case", tmp_path / "case")
    assert proxy.faults
    judged = small.judge()
    assert (judged.twice, judged.removed) == ((), ())
    if name == "AccessDenied from then on" or ended.code:
        assert ended.code in (3, 4) and set(IN_PARTS) <= set(judged.missing)
        assert "upload" in ended.text
    proxy.watch()
    again = recover(small, proxy.endpoint_url, "--case", tmp_path / "another")
    assert (again.code, small.judge()) == (0, WHOLE), again


@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListParts", "HeadObject"])
def test_a_plan_made_while_nobody_knew_is_made_anew(
    small: SmallIncident, proxy: FaultProxy, operation: str, tmp_path
) -> None:
    """The same command with the same case does everything once S3 answers, and not only what it could plan then."""
    small.load()
    fault = replace(BY_NAME["503 from then on"], on=frozenset({operation}))
    proxy.watch(at(1, fault))
    ended = recover(small, proxy.endpoint_url, "--case", tmp_path / "case")
    assert proxy.faults and ended.code, ended
    proxy.watch()
    again = recover(small, proxy.endpoint_url, "--case", tmp_path / "case")
    assert (again.code, small.judge()) == (0, WHOLE), again
