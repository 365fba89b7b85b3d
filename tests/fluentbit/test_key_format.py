"""Keys against captured ones, against the C library's strftime, and round trips."""

from __future__ import annotations

import re
import time
from calendar import timegm
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import key_template
from flbrecover.fluentbit.key_format import KeyFields, KeyFormat, recovered_key
from flbrecover.fluentbit.pipeline import S3Output

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def ns(text: str) -> int:
    return timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")) * SECOND


NOW = ns("2026-11-23 11:38:24")


def form(key_format: str, delimiters: str = ".", *, suffix: bool = False) -> KeyFormat:
    return KeyFormat(key_format, delimiters, put_object_suffix=suffix)


def output(key_format: str, **more: object) -> S3Output:
    return replace(S3Output(0, "logs", key_format=key_format), **more)  # type: ignore[arg-type]


# -- what Fluent Bit wrote ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key_format", "delimiters", "tag", "uuid", "key"),
    [
        # keys of the captured incidents
        ("/$TAG[2]/$TAG[0]/%Y/%m/%d/%H/%M/%S/$UUID.gz", ".-", "test.var-log.app", "T2ok4lvB",
         "log/test/2026/11/23/11/38/24/T2ok4lvB.gz"),
        ("/logs/$TAG[4]/%Y/%m/%d/%H/$UUID.gz", ".", "kube.var.log.containers.cart-6d4cf56db6-x2k4p_shop_cart-ab.log",
         "z15xaWan", "logs/cart-6d4cf56db6-x2k4p_shop_cart-ab/2026/11/23/11/z15xaWan.gz"),
        # a key that issue 10570 of Fluent Bit shows: a file name for a tag, too few parts
        ("/logs/$TAG[1]/$TAG[2]/%Y-%m-%d/%H%M%S-$UUID.gz", ".", "15613978119417515792-14826480349264227722", "mETRinTB",
         "logs/15613978119417515792-14826480349264227722[1]/15613978119417515792-14826480349264227722[2]"
         "/2026-11-23/113824-mETRinTB.gz"),
        # two dots at the start are no parts (issue 3979)
        ("/$TAG[0]/$TAG[1]/%Y", ".", "..kube-proxy", "x", "kube-proxy/..kube-proxy[1]/2026"),
        ("/$TAG[10]/$TAG[9]", ".", "0.1.2.3.4.5.6.7.8.9.10", "x", "0.1.2.3.4.5.6.7.8.9.10[10]/9"),
        # a tag brings "%" and "$" along
        ("/$TAG/x", ".", "50%H", "x", "5011/x"),
        ("/$TAG/x", ".", "cpu 100%", "x", "cpu 100%/x"),
        ("/$TAG/x", ".", "a%2Fb", "x", "a2026-11-23b/x"),
        ("/$TAG[0]", ".", "$TAG[1].b", "x", "b"),
        ("/$TAG", ".", "a$UUID", "12345678", "a12345678"),
        ("/$TAG", ".", "a$INDEX", "x", "a$INDEX"),
        ("/$TAG/$INDEX", ".", "a$INDEX", "x", "a7/7"),
        ("/%Y%%%n%t%L%N%Q/%Ey%Od%Ed", ".", "t", "x", "2026%\n\t%L%N%Q/2623%Ed"),
        ("/%s/%z/%Z/%P%p/%l/%k/%e/%j/%U/%-d/%_m", ".", "t", "x",
         "1795433904/+0000/GMT/amAM/11/11/23/327/47/23/11"),
    ],
)  # fmt: skip
def test_key_as_fluent_bit_writes_it(key_format: str, delimiters: str, tag: str, uuid: str, key: str) -> None:
    assert form(key_format, delimiters).render(tag, NOW, uuid, "7") == key


def test_put_object_adds_its_suffix_only_where_it_has_room() -> None:
    plain = form("/$TAG", suffix=True)
    assert plain.render("a", NOW, "abcdefgh", "0") == "a-objectabcdefgh"
    assert plain.render("x" * 1007, NOW, "abcdefgh", "0") == "x" * 1007 + "-objectabcdefgh"
    assert plain.render("x" * 1009, NOW, "abcdefgh", "0") == "x" * 1009


@pytest.mark.parametrize(
    ("key_format", "changes", "suffixed"),
    [("/a", {}, True), ("/$UUID", {}, False), ("/$INDEX", {}, False), ("/a", {"static_file_path": True}, False)],
)
def test_suffix_of_an_output(key_format: str, changes: dict[str, object], suffixed: bool) -> None:
    key = KeyFormat.of(output(key_format, **changes)).render("t", NOW, "abcdefgh", "0")
    assert key.endswith("-objectabcdefgh") is suffixed


def test_a_long_key_is_cut_before_what_has_no_room() -> None:
    assert form("/$TAG").render("é" * 600, NOW, "x", "0").encode("utf-8", "surrogateescape") == ("é" * 511).encode()
    assert form("/$TAG%Y").render("x" * 1020, NOW, "x", "0") == "x" * 1020
    assert form("/$TAG%d").render("x" * 1020, NOW, "x", "0") == "x" * 1020 + "23"


@settings(max_examples=100)
@given(
    st.lists(
        st.builds(
            "%{}{}{}{}".format,
            st.text("_-0^#", max_size=2),
            st.sampled_from(["", "", "3", "20"]),
            st.sampled_from(["", "", "E", "O"]),
            # %Z and %s depend on the zone of the process that asks
            st.sampled_from("aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYz%LNfiqv"),
        )
        | st.text("ab/-%", max_size=3),
        max_size=6,
    ),
    st.integers(0, 4_102_444_800),
)
def test_time_as_the_c_library_writes_it(pieces: list[str], second: int) -> None:
    """time.strftime hands the format to the C library (glibc, as in Fluent Bit's images)."""
    text = "/" + "".join(pieces) + "/"
    assert "/" + form(text).render("t", second * SECOND, "x", "0") == time.strftime(text, time.gmtime(second))


# -- reading keys back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key_format", "key", "start", "length"),
    [
        ("/%Y/%m/%d/%H/%M/%S", "2026/11/23/11/38/24", "2026-11-23 11:38:24", SECOND),
        ("/%Y/%m/%d/%H/%M/%S", "2026/11/23/11/38/24-objecthy79ndzk", "2026-11-23 11:38:24", SECOND),
        ("/%Y/%m/%d/%H", "2026/11/23/11", "2026-11-23 11:00:00", HOUR),
        ("/year=%Y/month=%m/day=%d/%H%M", "year=2026/month=11/day=23/1138", "2026-11-23 11:38:00", 60 * SECOND),
        ("/%F", "2026-12-31", "2026-12-31 00:00:00", DAY),
        ("/%Y/%m", "2026/12", "2026-12-01 00:00:00", 31 * DAY),
        ("/%Y", "2028", "2028-01-01 00:00:00", 366 * DAY),
        ("/%y%m%d", "691231", "2069-12-31 00:00:00", DAY),
        ("/%y%m%d", "261123", "2026-11-23 00:00:00", DAY),
        ("/%Y/%j", "2028/366", "2028-12-31 00:00:00", DAY),
        ("/%d %b %Y %I %p", "23 Nov 2026 12 AM", "2026-11-23 00:00:00", HOUR),
        ("/%d %B %Y %I %P", "23 November 2026 12 pm", "2026-11-23 12:00:00", HOUR),
        ("/%d %Y %m %I", "23 2026 11 12", "2026-11-23 00:00:00", DAY),
        ("/%G-W%V-%u", "2026-W53-5", "2027-01-01 00:00:00", DAY),
        ("/%G-W%V", "2026-W48", "2026-11-23 00:00:00", 7 * DAY),
        ("/%Y/%U", "2026/47", "2026-11-22 00:00:00", 7 * DAY),
        ("/%Y/%W/%a", "2026/47/Mon", "2026-11-23 00:00:00", DAY),
        ("/%Y/%m/%d/%s", "2026/11/23/1795433904", "2026-11-23 11:38:24", SECOND),
        ("/%Y/%m/%d/%s", "2026/11/23/1795533904", "2026-11-23 00:00:00", DAY),
        ("/%s", "1795433904", "2026-11-22 21:38:24", 28 * HOUR + SECOND),
        ("/%k/%Y/%-m/%e", " 7/2026/3/ 4", "2026-03-04 07:00:00", HOUR),
    ],
)
def test_time_in_a_key(key_format: str, key: str, start: str, length: int) -> None:
    fields = form(key_format).pattern("t").match(key)
    assert fields is not None
    assert (fields.start_ns, fields.end_ns) == (ns(start), ns(start) + length)


@pytest.mark.parametrize("key_format", ["/x", "/%H/%M", "/%m/%d", "/$UUID", "/$INDEX"])
def test_no_time_in_a_key(key_format: str) -> None:
    key = form(key_format).render("t", NOW, "abcdefgh", "7")
    assert form(key_format).pattern("t").match(key) == KeyFields("t", ((0, "t"),), None, None)


@pytest.mark.parametrize(
    ("key_format", "key"),
    [
        ("/%Y/%m/%d", "2026/13/01"),
        ("/%Y/%m/%d", "2026/02/29"),
        ("/%Y/%m/%d", "2026/2/09"),
        ("/%Y/%H", "2026/11/"),
        ("/%Y/%m/%d/%Y", "2026/11/23/2025"),
        ("/%a/%F", "Tue/2026-11-23"),
        ("/%Y/%j", "2026/366"),
        ("/$TAG/%Y", "u/2026"),
        ("/$TAG/%Y", "t/2026.gz"),
        ("/$TAG/%Y", "t/2026-object1234567"),
        ("/$TAG/%Y", "a/t/2026"),
        ("/a.b", "axb"),
        ("/$UUID-$UUID", "abcdefgh-abcdefgi"),
        ("/$INDEX", "r123"),
        ("/%Y", "٢٠٢٦"),
    ],
)
def test_keys_that_the_output_did_not_write(key_format: str, key: str) -> None:
    assert form(key_format).pattern("t").match(key) is None


def test_parts_of_any_tag_are_read_from_the_key() -> None:
    pattern = form("/$TAG[2]/$TAG[0]/%Y/%m/%d/$UUID.gz", ".-").pattern_any_tag()
    fields = pattern.match("log/test/2026/11/23/T2ok4lvB.gz")
    assert fields is not None and fields.tag is None and fields.tag_parts == ((0, "test"), (2, "log"))
    fields = pattern.match("a.b[2]/a/2026/11/23/T2ok4lvB.gz")
    assert fields is not None and (fields.tag, fields.tag_parts) == ("a.b", ((0, "a"),))
    assert pattern.match("log/te-st/2026/11/23/T2ok4lvB.gz") is None

    whole = form("/$TAG/%Y/$TAG").pattern_any_tag()
    fields = whole.match("a/b.c/2026/a/b.c")
    assert fields is not None and fields.tag == "a/b.c"
    assert whole.match("a/b.c/2026/a/b.d") is None


def test_a_file_name_in_the_place_of_the_tag_is_known_by_its_hash() -> None:
    """djb2 of "app" is 193486438 (worked out by hand: ((5381*33+97)*33+112)*33+112)."""
    pattern = form("/$TAG/%Y/%m").pattern("app")
    assert pattern.match("193486438-14826480349264227722/2026/11") is not None
    assert pattern.match("193486439-14826480349264227722/2026/11") is None
    assert "193486438-" in pattern.prefixes(NOW, NOW)


def test_a_key_that_was_cut_still_fits() -> None:
    tag = "x" * 1015
    key = form("/$TAG/%Y/%m/%d", suffix=True).render(tag, NOW, "abcdefgh", "0")
    assert key == f"{tag}/2026/"
    assert form("/$TAG/%Y/%m/%d").pattern(tag).match(key) is not None
    assert form("/$TAG/%Y/%m/%d").pattern("y" * 1015).match(key) is None


def test_hostile_keys_end_in_bounded_time() -> None:
    pattern = form("/" + "-".join(f"$TAG[{n}]" for n in range(10)) + "/%Y").pattern_any_tag()
    assert pattern.match("-a" * 500) is None


def test_a_tag_that_multiplies_itself_is_bounded() -> None:
    tag = ".".join(f"$TAG[{n}]" * 200 for n in range(1, 10))
    assert len(form("/$TAG[0]").render(tag, NOW, "x", "0")) <= 1024


@pytest.mark.parametrize(
    ("key_format", "construct"),
    [
        ("logs/%Y", "must start with a '/'"),
        ("/%$UUID", r"'%' right before \$UUID"),
        ("/%-5$INDEX", r"'%-5' right before \$INDEX"),
        ("/" + "x" * 1024, "1024 bytes"),
    ],
)
def test_formats_that_cannot_be_read_back(key_format: str, construct: str) -> None:
    with pytest.raises(ConfigError, match=construct):
        form(key_format).pattern("t")


def test_percent_before_the_tag_is_readable_only_for_a_known_tag() -> None:
    assert form("/%$TAG").pattern("Year").match("2026ear") is not None
    with pytest.raises(ConfigError, match=r"'%' right before \$TAG"):
        form("/%$TAG").pattern_any_tag()


# -- list prefixes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key_format", "hours", "expected"),
    [
        ("/a/$TAG/%Y/%m/%d/%H/$UUID", 2, ["a/t/2026/11/23/09/", "a/t/2026/11/23/10/", "a/t/2026/11/23/11/"]),
        ("/a/$TAG/%Y/%m/%d/%H/$UUID", 24 * 9, [f"a/t/2026/11/{d}/" for d in range(14, 24)]),
        ("/a/$TAG/%Y/%m/%d/%H/$UUID", 24 * 330, ["a/t/2025/12/", *(f"a/t/2026/{m:02}/" for m in range(1, 12))]),
        ("/a/$TAG/%Y%m%d-$UUID", 12, ["a/t/20261122-", "a/t/20261123-"]),
        ("/a/$UUID/%Y/%m/%d", 2, ["a/"]),
        ("/%d/%m/%Y/x", 2, ["23/11/2026/x"]),
        ("/a/$TAG/x", 2, ["a/t/x"]),
        ("/a/%s/%Y", 2, ["a/"]),
        ("/a/%-d/%Y%m", 24, ["a/22/202611", "a/23/202611"]),
        ("/a/%-H/", 2, ["a/10/", "a/11/", "a/9/"]),
    ],
)  # fmt: skip
def test_prefixes(key_format: str, hours: int, expected: list[str]) -> None:
    found = form(key_format).pattern("t").prefixes(NOW - hours * HOUR, NOW)
    assert [p for p in found if "177689" not in p] == expected  # without those of file names (djb2 of "t")


def test_prefixes_without_a_start_name_no_time() -> None:
    assert "a/t/" in form("/a/$TAG/%Y/$UUID").pattern("t").prefixes(None, NOW)


def test_prefixes_reach_over_the_end_of_time() -> None:
    assert form("/%Y/").pattern("t").prefixes(2**63, 2**63) == ["2262/"]
    assert form("/%Y/").pattern("t").prefixes(10**22, 10**23) == ["9998/"]
    assert form("/%Y/").pattern("t").prefixes(-1, 0) == ["1970/"]


TAGS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
PIECES = "/ - a [ . $TAG $TAG[0] $TAG[1] $UUID $INDEX %Y %m %d %H %M %S %F %T %b %y %j %e %s %L %%"
FORMATS = st.lists(st.sampled_from(PIECES.split(" ")), max_size=12).map(lambda pieces: "/" + "".join(pieces))


@settings(max_examples=100)
@given(FORMATS, TAGS, st.integers(1_000_000_000, 4_000_000_000), st.integers(0, 40))
@example("/$TAG%Y", "a%%", 10**9, 1)
def test_what_is_written_is_found_again(key_format: str, tag: str, second: int, days: int) -> None:
    time_ns = second * SECOND
    k = form(key_format, suffix=True)
    key = k.render(tag, time_ns, "a1B2c3D4", "18446744073709551615")
    try:
        pattern = k.pattern(tag)
    except ConfigError as e:  # only a tag that ends in "%" before $UUID or $INDEX
        assert re.search(r"right before \$(UUID|INDEX)", str(e))
        return
    fields = pattern.match(key)
    assert fields is not None
    assert fields.start_ns is None or fields.start_ns <= time_ns
    assert fields.end_ns is None or time_ns < fields.end_ns
    prefixes = pattern.prefixes(time_ns - days * DAY, time_ns + DAY)
    assert any(key.startswith(p) for p in prefixes)
    assert len(prefixes) <= 200


OTHERS = st.lists(st.sampled_from(["/", "a", "7", "-objectabcdefgh", "\n", ".gz", "é"]), max_size=3).map("".join)


@settings(max_examples=200)
@given(FORMATS, TAGS, st.integers(10**9, 4 * 10**9), st.lists(st.tuples(st.integers(0, 60), OTHERS), max_size=4))
@example("/$TAG/%Y/$UUID.gz", "t", 10**9, [(13, "/")])
@example("/$UUID/$TAG/$UUID", "t", 10**9, [(13, "a")])
@example("/$TAG/$UUID", "a" * 240, 10**9, [])
def test_what_is_remembered_of_a_folder_is_what_each_of_its_keys_says(
    key_format: str, tag: str, second: int, put_in: list[tuple[int, str]]
) -> None:
    key = form(key_format, suffix=True).render(tag, second * SECOND, "a1B2c3D4", "7")
    keys = [key, *(key[:at] + text + key[at + len(text) :] for at, text in put_in), key]
    pattern = form(key_format).pattern_any_tag()
    with mock.patch.object(key_template, "LONGEST_WHOLE", -1):
        each = [pattern.match(key) for key in keys]
    assert [pattern.match(key) for key in keys] == each


# -- keys of recovered objects -----------------------------------------------------------------------------------------


def test_recovered_keys() -> None:
    uuid = recovered_key(output("/a/$TAG/%F/$UUID.gz"), "t", NOW, SHA)
    assert re.fullmatch(r"a/t/2026-11-23/[0-9A-Za-z]{8}\.gz", uuid)
    derived = uuid[15:23]
    assert recovered_key(output("/a/$INDEX"), "t", NOW, SHA) == f"a/r{derived}"
    assert recovered_key(output("/a"), "t", NOW, SHA) == f"a-object{derived}"
    assert recovered_key(output("/a", use_put_object=True), "t", NOW, SHA) == f"a-object{derived}"
    static = output("/a", static_file_path=True)
    assert recovered_key(static, "t", NOW, SHA) == "a"
    assert re.fullmatch("a-object[0-9A-Za-z]{8}", recovered_key(static, "t", NOW, SHA, attempt=1))


def test_recovered_key_depends_on_content_and_attempt_alone() -> None:
    o = output("/$UUID")
    keys = [recovered_key(o, "t", NOW, sha, attempt=n) for sha in (SHA, "00" * 32) for n in (0, 1)]
    assert len(set(keys)) == 4
    assert recovered_key(o, "u", 0, SHA) == keys[0]


def test_no_counter_writes_the_key_of_a_recovery() -> None:
    o = output("/%Y$INDEX")
    key = recovered_key(o, "t", NOW, SHA)
    assert KeyFormat.of(o).pattern("t").match(key) is not None
    assert not re.fullmatch("[0-9]+", key)


@settings(max_examples=100)
@given(FORMATS, st.binary(max_size=1500), st.integers(-(2**70), 2**70), st.booleans(), st.integers(0, 3))
@example("/$TAG/$UUID", b"\xff" * 400, 0, False, 0)
@example("/$TAG$TAG", b"\x80\xc2", 0, False, 0)
@example("/$TAG/$UUID", b"x" * 1020, 0, False, 0)
def test_a_recovered_key_is_a_key_and_fits(
    key_format: str, raw_tag: bytes, time_ns: int, static: bool, attempt: int
) -> None:
    tag = raw_tag.decode("utf-8", "surrogateescape")
    o = output(key_format, static_file_path=static)
    key = recovered_key(o, tag, time_ns, SHA, attempt=attempt)
    assert len(key.encode()) <= 1024
    if len(raw_tag) < 100 and "%" not in tag:
        assert KeyFormat.of(o).pattern(tag).match(key) is not None


def test_keys_that_one_of_two_outputs_has_written() -> None:
    own, other = (KeyFormat(f, ".", put_object_suffix=False).pattern("app") for f in ("/a/$TAG/%Y/%m/%d", "/b/$TAG/%Y"))
    both = own.or_of([other])
    assert both.match("a/app/2026/11/23") == own.match("a/app/2026/11/23")
    assert both.match("b/app/2026") == other.match("b/app/2026")
    assert both.match("c/app/2026") is None
    assert both.static_prefixes == own.static_prefixes | other.static_prefixes


def test_a_key_that_both_of_two_outputs_can_have_written_has_any_of_their_times() -> None:
    own, other, untimed = (
        KeyFormat(f"/$TAG/{f}", ".", put_object_suffix=False).pattern("app")
        for f in ("%Y/%m/%d", "%Y/%d/%m", "2026/11/$INDEX")
    )
    november, december = own.match("app/2026/11/12"), other.match("app/2026/11/12")
    assert november is not None and december is not None
    said = own.or_of([other]).match("app/2026/11/12")
    assert said is not None and (said.start_ns, said.end_ns) == (november.start_ns, december.end_ns)
    said = own.or_of([untimed]).match("app/2026/11/12")
    assert said is not None and (said.start_ns, said.end_ns) == (None, None)
