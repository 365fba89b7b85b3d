"""Halves of characters, which versions of Fluent Bit wrote in several ways, are the same characters."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit.json_members import canonical
from flbrecover.fluentbit.spelling import spelled_out, whole_bytes


def in_halves(text: str) -> str:
    """``text`` as Fluent Bit before 3.2 wrote what JSON lines escape: each half of a character as three bytes of its
    own, which are no UTF-8."""
    pieces = []
    for char in text:
        units = char.encode("utf-16-be", "surrogatepass")
        halves = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
        pieces += [chr(half).encode("utf-8", "surrogatepass") for half in halves]
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def in_fragments(text: str) -> str:
    """As 3.2 wrote it: each byte that is no UTF-8 as a character from U+E000 on."""
    return "".join(chr(0xE000 + ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in in_halves(text))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Co"], exclude_characters='"\\')))
def test_a_character_in_two_halves_is_that_character(text: str) -> None:
    for value in (text, ["a", {"b": text}]):
        whole = json.dumps(value)
        raw = json.dumps(value, ensure_ascii=False)
        assert canonical(in_halves(raw)) == canonical(in_fragments(raw)) == canonical(raw) == canonical(whole)


@given(st.text(), st.binary())
def test_in_bytes_all_else_stays(text: str, other: bytes) -> None:
    data = in_halves(text).encode("utf-8", "surrogateescape")
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert whole_bytes(data) == text.encode()
    other = other.replace(b"\xed", b"")
    assert whole_bytes(other) == other


@given(st.text(st.characters(exclude_categories=["Cs", "Co"])))
def test_spelled_out_it_is_the_same_value_in_one_spelling(text: str) -> None:
    for value in (text, {text: [text, 1, None, "\\u00e9"]}):
        escaped, raw = json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()
        assert spelled_out(escaped) == spelled_out(raw) == spelled_out(spelled_out(raw))
        assert spelled_out(escaped.replace(b"\x7f", rb"\u007F")) == spelled_out(raw)
        assert json.loads(spelled_out(escaped)) == value


def test_what_versions_made_of_escapes() -> None:
    r"""Of "a \ud83d\ude00 b \ud83d": 2.2.3, 3.2.10 and 5.1.1."""
    old = b'"a \xed\xa0\xbd\xed\xb8\x80 b \xed\xa0\xbd"'.decode("utf-8", "surrogateescape")
    half = b"\xee\x83\xad\xee\x82\xa0\xee\x82\xbd"
    middle = b'"a %b\xee\x83\xad\xee\x82\xb8\xee\x82\x80 b %b"' % (half, half)
    new = r'"a \ud83d\ude00 b \ufffd"'
    assert canonical(old) == canonical(middle.decode()) == canonical(new) == "sa 😀 b �".encode()


def test_other_bytes_are_no_character() -> None:
    texts = ["\udced", "\udced\udca0", "\udced\udc80\udc80", "\ue0ed", "\ue0ed\ue0a0x", "\udcee\udca0\udc80", "�"]
    assert len({canonical(f'"{text}"') for text in texts}) == len(texts)
