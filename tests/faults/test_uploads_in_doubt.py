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
