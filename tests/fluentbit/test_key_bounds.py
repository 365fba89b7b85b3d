"""Between which texts the keys of a window sort."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.key_format import KeyFormat

SECOND_NS = 10**9
FORMATS = (
    "/logs/$TAG/%Y/%m/%d/%H/%M/%S", "/%Y%m%d/$TAG/%H/$UUID.gz", "/$TAG[0]/%F/%T/$INDEX", "/y=%Y/m=%m/d=%d/$TAG/$UUID",
    "/$UUID/%Y/%m", "/%d/%m/%Y/$TAG", "/%y/%m/$TAG/$UUID", "/%Y/%j/$TAG/$UUID", "/%Y-%m-%d_%s/$TAG/$UUID",
    "/%Y/%e/$TAG",
)  # fmt: skip
MOMENTS = st.integers(1_500_000_000, 1_900_000_000)


@settings(max_examples=400)
@given(
    st.sampled_from(FORMATS),
    st.sampled_from(["a.b", "kube.x-1", "é.%d"]),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.integers(1, 100),
)
def test_no_key_of_the_window_lies_outside(text: str, tag: str, one: int, two: int, at: int, limit: int) -> None:
    start, at, end = sorted((one, at, two))
    key_format = KeyFormat(text, ".", put_object_suffix="$" not in text)
    key = key_format.render(tag, at * SECOND_NS, "AbCdEfGh", "7")
    for pattern in (key_format.pattern(tag), key_format.pattern_any_tag()):
        ranges = pattern.ranges(start * SECOND_NS, end * SECOND_NS, limit=limit)
        own = [(first, beyond) for prefix, first, beyond in ranges if key.startswith(prefix)]
        assert own
        for first, beyond in own:
            assert first.encode() <= key.encode()
            assert beyond is None or key.encode() < beyond.encode()


def test_bounds_are_as_near_as_the_format_lets_them() -> None:
    pattern = KeyFormat("/logs/$TAG/%Y/%m/%d/%H/%M/%S", ".", put_object_suffix=True).pattern("t")
    start, end = 1_795_433_904, 1_795_433_904 + 400 * 86400
    ranges = {
        prefix: (first, beyond) for prefix, first, beyond in pattern.ranges(start * SECOND_NS, end * SECOND_NS, limit=3)
    }
    assert ranges["logs/t/2026/"] == ("logs/t/2026/11/23/11/38/24", None)
    assert ranges["logs/t/2027/"] == ("", "logs/t/2027/12/28/11/38/24\U0010ffff")
