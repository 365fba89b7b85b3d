from __future__ import annotations

import pytest

from flbrecover.fluentbit.formats import JsonLines, OtlpJson, format_of
from flbrecover.fluentbit.otlp_split import LogRecordSplitter
from flbrecover.fluentbit.pipeline import RecordFormat
from flbrecover.fluentbit.record_json import RecordStyle
from flbrecover.fluentbit.record_split import LineSplitter


@pytest.mark.parametrize("name", ["json_lines", "parquet", "arrow"])
def test_json_lines(name: RecordFormat) -> None:
    """What lies in the buffers of columnar formats is JSON lines."""
    found = format_of(RecordStyle(json_date_key="ts", json_date_format="epoch", format=name))
    assert isinstance(found, JsonLines) and isinstance(found.splitter(), LineSplitter)
    assert (found.date_name, found.envelope) == ("ts", None)
    assert (found.is_whole(b"{}"), found.is_whole(b"{")) == (True, False)
    assert found.render(((b"log", b"x"),), 7_000_000_000) == b'{"ts":7,"log":"x"}'
    assert found.time_of(b'{"ts":7,"log":"x"}') == 7_000_000_000


def test_plain_lines() -> None:
    found = format_of(RecordStyle(log_key="log"))
    assert found.is_whole(b"{") and found.render(((b"log", b"x"),), 7) == b"x"
    assert found.render((), 7) is None and not found.unwritten_is_missed and "log" in found.unwritten


def test_otlp() -> None:
    """Neither the date's key nor its format has a part in it."""
    found = format_of(RecordStyle(json_date_key=None, json_date_format="epoch", format="otlp_json"))
    assert isinstance(found, OtlpJson) and isinstance(found.splitter(), LogRecordSplitter)
    assert found.date_name == "timeUnixNano"
    rendered = b'{"timeUnixNano":"7000","body":{"stringValue":"x"}}'
    assert found.render(((b"log", b"x"), (b"k", b"v")), 7000) == rendered and found.time_of(rendered) == 7000
    shown = found.members(rendered)
    assert shown is not None and not found.shows_all(shown)
    assert found.shows_all([("timeUnixNano", '"7"'), ("body.a", "{}")])
