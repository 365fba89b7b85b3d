from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import json_whole
from flbrecover.fluentbit.json_whole import are_objects, is_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]":,\\x', max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=4)


@settings(max_examples=100)
@given(value=OBJECTS, ascii_only=st.booleans(), spaces=st.booleans())
def test_objects_are_whole_and_no_part_of_them_is(value: object, ascii_only: bool, spaces: bool) -> None:
    separators = (", ", " : ") if spaces else (",", ":")
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
    assert is_object(text)
    assert json_whole._is_object_slow(text)
    for cut in range(1, len(text)):
        assert not is_object(text[:cut])
        assert not is_object(text[cut:])
        assert not json_whole._is_object_slow(text[:cut])


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":nan,"b":-nan,"c":inf,"d":-inf}',
        b'{1:2,null:3,1.5:"x"}',
        b'{"a":"\\x05\\xffffff80"}',
        b'{"a":"\xed\xa0\x80 \xc0\x80"}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":"' + b"x" * (3 << 20) + b'"}',
        b"{}",
    ],
    ids=["bare nan", "odd keys", "extension", "old utf-8", "long number", "deep", "3 MiB", "empty"],
)
def test_what_fluent_bit_writes_is_whole(text: bytes) -> None:
    assert is_object(text)
    assert not is_object(text[:-1])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"[{}]",
        b'"a"',
        b"{}{}",
        b" {}",
        b"{} ",
        b'{"a":1}}',
        b'{"a":1,}',
        b'{"a"}',
        b'{"a":}',
        b'{"a" 1}',
        b'{"a":[1,]}',
        b'{"a":[1}]',
        b'{"a":1]',
        b"{,}",
        b'{"a":tru}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":"x\0y"}',
        b'{"a":"\xff\xfe"}',
        b'{"a":"\xc3"}',
        b'{"a":"\xe6\xbc"}',
        b'{"a":"\x80"}',
        b'{"a":"x\ny"}',
        b'{"a":"x',
        b'{"a":"x\\"}',
        b'{"a":' + b"[" * 100_000 + b"}",
    ],
)
def test_what_is_not_whole(text: bytes) -> None:
    assert not is_object(text)
    assert text[:1] != b"{" or not text.isascii() or not json_whole._is_object_slow(text)


PIECES = [
    b"{}", b'{"a":1}', b'{"a":{"b":[1]}}', b'{"a":1},{"b":2}', b'{"a":[{"b":1}', b'{"c":2}]}', b"", b"[1]", b"1",
    b'{"a":1}{"b":2}', b'{"a":[{}', b'{}]}', b'{"a":\n{}', b'{"a":"\0"}', b'{"a":"caf\xc3\xa9"}',
]  # fmt: skip


@given(texts=st.lists(st.sampled_from(PIECES)))
@example([b'{"a":', b"1}", b'{"a":1}{"b":2}'])
@example([b'{"a":1}{"b":', b"{}}"])
@example([b" {}"])
@example([b"{}", b"{} "])
@example([b'{"a":"\xff"}'])
@example([b'{"a":"\0"}'])
@example([b'{"a":\n{}}{"b":2}', b"{}"])
def test_many_at_once_are_whole_only_if_each_is(texts: list[bytes]) -> None:
    if are_objects(texts):
        assert texts and all(map(is_object, texts))
    elif texts and all(text.isascii() and is_object(text) for text in texts):
        raise AssertionError("whole, and not seen to be")


JSON_BYTES = b'{}[]",:\\/ \t\r\x01\x7f0123456789.eE+-truefalsnNaiIxu'


@settings(max_examples=300)
@given(value=OBJECTS, data=st.data())
def test_a_damaged_object_is_not_taken_for_a_whole_one(value: object, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value, ensure_ascii=True).encode())
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(1, max(1, len(text) - 1)))
        end = at + data.draw(st.integers(0, 3))
        text[at:end] = bytes(data.draw(st.lists(st.sampled_from(JSON_BYTES), max_size=1)))
    damaged = bytes(text)
    assert is_object(damaged) or not are_objects([b'{"a":1}', damaged])
