from __future__ import annotations

import pytest
from chunk_builder import NS, djb2, store_name
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit import file_name
from flbrecover.fluentbit.file_name import FileName, confirms, created_ns, find_tag, parse, tag_hash

SEEN = "13746238060222570069-5387131402116085530"
SEEN_TAG = b"test.var.log.containers.test-api.log"
TAGS = st.binary(min_size=1, max_size=200).filter(lambda tag: b"\0" not in tag)


def named(text: str) -> FileName:
    name = parse(text)
    assert name is not None
    return name


def test_a_name_that_was_seen() -> None:
    assert confirms(named(SEEN), SEEN_TAG)
    assert not confirms(named(SEEN), SEEN_TAG + b"x")
    assert created_ns(named(SEEN), 1795433100 * NS) == 1795433046195312187


@settings(max_examples=60)
@given(
    tag=TAGS,
    seconds=st.integers(1_500_000_000, 4_000_000_000),
    nanos=st.integers(1, 999_999_999),
    open_s=st.integers(0, 900),
)
def test_round_trip(tag: bytes, seconds: int, nanos: int, open_s: int) -> None:
    name = named(store_name(tag, seconds, nanos))
    assert confirms(name, tag)
    found = created_ns(name, (seconds + open_s) * NS)
    assert found is not None
    exact = seconds * NS + nanos
    if found != exact:  # rare: another second nearer to the mtime divides the product, too
        other, rest = divmod(found, NS)
        assert other * rest == seconds * nanos and abs(other - seconds - open_s) <= open_s


def test_an_exact_time_is_found_up_to_a_week_later() -> None:
    name = named(store_name(b"t", 1795433046, 195312187))
    assert created_ns(name, (1795433046 + 6 * 86400) * NS) == 1795433046195312187
    assert created_ns(name, (1795433046 + 60 * 86400) * NS) is None
    assert created_ns(name, (1795433046 - 3600) * NS) == 1795433046195312187  # a clock that was set back


@pytest.mark.parametrize("product", [0, 7, 2**64 - 1])
def test_a_product_without_solution_has_no_time(product: int) -> None:
    assert created_ns(FileName(1, product), 1795433046 * NS) is None


def test_no_time_near_the_epoch() -> None:
    assert created_ns(named(SEEN), 0) is None


def test_bytes_above_ascii_hash_in_two_ways() -> None:
    tag = "zähler".encode()
    assert tag_hash(tag) == djb2(tag) != tag_hash(tag, signed=False) == djb2(tag, signed=False)
    assert confirms(FileName(djb2(tag), 1), tag)
    assert confirms(FileName(djb2(tag, signed=False), 1), tag)


def test_a_tag_ends_at_a_nul() -> None:
    assert tag_hash(b"a\0b") == tag_hash(b"a")


@settings(max_examples=60)
@given(tag=TAGS, content=st.binary(max_size=100))
def test_the_tag_is_found_where_it_ends(tag: bytes, content: bytes) -> None:
    assert find_tag(named(store_name(tag, 1, 1)), tag + content) == len(tag)


def test_a_tag_is_not_found_in_other_bytes() -> None:
    assert find_tag(named(SEEN), b"x" + SEEN_TAG) is None
    assert find_tag(named(SEEN), SEEN_TAG[:5] + b"\0" + SEEN_TAG[5:]) is None
    assert find_tag(named(SEEN), b"") is None


@pytest.mark.parametrize(
    "text",
    ["", "1", "1-", "-1", "1-2-3", "1-2.flb", "1-2\n", "１-2", "+1-2", f"{2**64}-1", f"1-{2**64}", "1" * 21 + "-1"],
)
def test_other_names_are_none(text: str) -> None:
    assert parse(text) is None


def test_numbers_are_64_bits() -> None:
    assert named(f"{2**64 - 1}-0") == FileName(2**64 - 1, 0)
    assert file_name.parse(f"0-{2**64 - 1}") is not None
