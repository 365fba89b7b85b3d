"""Nothing that an application wrote is obeyed by a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.report.escape import shown

ANYTHING = st.text(st.characters(codec=None))


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert shown("\x1b]0;title\x07") == "\\x1b]0;title\\x07"
    assert shown("a\r\nb\tc\0") == "a\\x0d\\x0ab\\x09c\\x00"
    assert shown("\x9b31m") == "\\x9b31m"  # CSI as one byte
    assert shown("\u202egol.\u2066") == "\\u202egol.\\u2066"
    assert shown("\udcff") == "\\xff"  # a byte that is not UTF-8
    assert shown("\u2028\ue000\U000f0000") == "\\u2028\\ue000\\U000f0000"


def test_what_people_write_is_left_alone() -> None:
    text = "Grüße, 東京 🚀 – ok"
    assert shown(text) == text


@settings(max_examples=100)
@given(ANYTHING)
def test_no_control_character_comes_through(text: str) -> None:
    said = shown(text)
    assert all(unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in said)
    said.encode("utf-8")  # and no surrogate
