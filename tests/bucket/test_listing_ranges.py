"""What lies outside of a range is not listed by a server that sorts by bytes; nothing is lost on any."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import FaultServer, reply

from flbrecover.bucket.client import S3, connect
from flbrecover.bucket.listing import KeyGroup, KeyRange, objects, objects_of, objects_split
from flbrecover.errors import BucketError
from flbrecover.fluentbit.pipeline import S3Output

KEYS = [f"k/2026/11/{day:02}/{n:02}" for day in range(1, 29) for n in range(10)]
PAGE = 20


def item(key: str) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag>"
        "<LastModified>2026-11-23T11:38:24.123Z</LastModified></Contents>"
    )


def lister(
    keys: list[str], *, server: str = "AmazonS3", order: Callable[[str], object] = str.encode
) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server with small pages."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.server_version, handler.sys_version = server, ""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        there = sorted((k for k in keys if k.startswith(asked.get("prefix", ""))), key=order)  # type: ignore[arg-type]
        if "delimiter" in asked:
            at = len(asked.get("prefix", ""))
            folders = sorted({k[: k.index("/", at) + 1] for k in there if "/" in k[at:]})
            beside = "".join(item(k) for k in there if "/" not in k[at:])
            said = "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders)
            more = "true</IsTruncated><NextContinuationToken>1</NextContinuationToken>"
            cut = more if len(folders) > PAGE else "false</IsTruncated>"
            text = f"<ListBucketResult><IsTruncated>{cut}{beside}{said}</ListBucketResult>"
            reply(handler, 200, {}, text.encode())
            return
        if "continuation-token" in asked:
            there = there[int(asked["continuation-token"]) :]
        elif "start-after" in asked:
            there = [k for k in there if k.encode() > asked["start-after"].encode()]
        done = len(sorted(k for k in keys if k.startswith(asked.get("prefix", "")))) - len(there)
        page, rest = there[:PAGE], there[PAGE:]
        items = "".join(map(item, page))
        more = f"<NextContinuationToken>{done + len(page)}</NextContinuationToken>" if rest else ""
        reply(
            handler, 200, {},
            f"<ListBucketResult><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{more}{items}</ListBucketResult>".encode(),
        )  # fmt: skip

    return answer


def at(server: FaultServer) -> S3:
    return connect(S3Output(0, "logs"), endpoint_url=server.endpoint_url, attempts=1)


def keys_of(s3: S3, *ranges: KeyRange) -> list[str]:
    return [o.key for o in objects(s3, "logs", ranges)]


RANGE = KeyRange("k/", "k/2026/11/20/", "k/2026/11/21/\U0010ffff")
WANTED = [k for k in KEYS if "/11/20/" in k or "/11/21/" in k]


def test_a_server_that_sorts_by_bytes_is_asked_for_the_range_only() -> None:
    with FaultServer(lister(KEYS)) as server:
        s3 = at(server)
        first = keys_of(s3, RANGE)  # the first page tells what server it is
        assert [k for k in first if k in WANTED] == WANTED
        assert len(server.seen) == 3
        again = keys_of(s3, RANGE)
        assert len(server.seen) == 5
    assert [k for k in again if k in WANTED] == WANTED
    assert len(again) <= 2 * PAGE


@pytest.mark.parametrize("order", [str.encode, lambda key: key[::-1]])
def test_any_other_server_is_asked_for_everything(order: Callable[[str], object]) -> None:
    with FaultServer(lister(KEYS, server="Other", order=order)) as server:
        s3 = at(server)
        assert sorted(keys_of(s3, RANGE)) == sorted(keys_of(s3, RANGE)) == KEYS


def test_ranges_of_one_prefix_that_differ_have_no_bounds() -> None:
    with FaultServer(lister(KEYS)) as server:
        assert keys_of(at(server), RANGE, KeyRange("k/", "k/2026/11/02/", None), KeyRange("k/2026/11/28/")) == KEYS


def group_of(prefix: str, days: Iterable[int], first: str = "") -> KeyGroup:
    return KeyGroup(prefix, tuple(KeyRange(f"k/2026/11/{day:02}/", first) for day in days))


def all_of(s3: S3, *groups: KeyGroup) -> list[str]:
    return [o.key for o in objects_of(s3, "logs", groups)]


def test_what_fits_into_a_page_is_one_request() -> None:
    with FaultServer(lister(KEYS)) as server:
        s3 = at(server)
        late = group_of("k/2026/11/2", range(27, 30), "k/2026/11/27/")
        assert all_of(s3, late) == [k for k in KEYS if k >= "k/2026/11/27/"]
        assert len(server.seen) == 2  # the first answer told how the server lists
        assert len(all_of(s3, late)) == 20
        assert len(server.seen) == 3
        assert all_of(s3, group_of("k/2026/11/1", range(10, 20))) == [k for k in KEYS if "/11/1" in k]
        assert len(server.seen) == 3 + 1 + 10


def test_a_policy_that_allows_days_only_does_not_stop_it() -> None:
    good = lister(KEYS)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "prefix=k%2F2026%2F11%2F0&" in handler.path + "&":
            reply(handler, 403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        else:
            good(handler)

    with FaultServer(answer) as server:
        assert all_of(at(server), group_of("k/2026/11/0", (1, 2))) == [k for k in KEYS if "/01/" in k or "/02/" in k]


def test_what_does_not_fit_into_a_page_is_listed_by_folders() -> None:
    keys = ["k/2026/11/beside", *KEYS[:180]]
    with FaultServer(lister(keys)) as server:
        s3 = at(server)
        assert sorted(o.key for o in objects_split(s3, "logs", ["k/"])) == sorted(keys)
        assert len(server.seen) == 1 + 3 + 18  # a page, three levels, and a list for each day
        assert [o.key for o in objects_split(s3, "logs", [KeyRange("k/2026/11/03/")])] == KEYS[20:30]
        assert len(server.seen) == 22 + 1


def test_too_many_folders_are_listed_as_before() -> None:
    with FaultServer(lister(KEYS)) as server:
        assert [o.key for o in objects_split(at(server), "logs", ["k/"])] == KEYS
        assert len(server.seen) == 1 + 3 + 14


@settings(max_examples=60)
@given(
    keys=st.sets(st.text("ab/", min_size=1, max_size=8), max_size=4 * PAGE),
    prefix=st.text("ab/", max_size=2),
    kind=st.sampled_from(["AmazonS3", "Other"]),
    first=st.sampled_from(["", "a", "b/"]),
)
def test_folders_give_every_key_once(keys: set[str], prefix: str, kind: str, first: str) -> None:
    wanted = KeyRange(prefix, prefix + first if first else "")
    with FaultServer(lister(sorted(keys), server=kind)) as server:
        s3 = at(server)
        for _ in range(2):
            found = [o.key for o in objects_split(s3, "logs", [wanted])]
            assert len(set(found)) == len(found)
            assert {k for k in keys if k.startswith(prefix) and k >= wanted.first} <= set(found)


PREFIXES = st.text("ab/", max_size=4)


@settings(max_examples=60)
@given(
    keys=st.sets(st.text("ab/", min_size=1, max_size=6), max_size=3 * PAGE),
    wanted=st.lists(st.tuples(PREFIXES, st.lists(PREFIXES, min_size=1, max_size=3), st.booleans()), max_size=4),
    kind=st.sampled_from(["AmazonS3", "Other"]),
)
def test_groups_give_every_key_of_their_ranges_once(
    keys: set[str], wanted: list[tuple[str, list[str], bool]], kind: str
) -> None:
    groups = [
        KeyGroup(prefix, tuple(KeyRange(prefix + end, prefix + end + "a" if bounded else "") for end in ends))
        for prefix, ends, bounded in wanted
    ]
    with FaultServer(lister(sorted(keys), server=kind)) as server:
        s3 = at(server)
        for _ in range(2):
            found = all_of(s3, *groups)
            assert len(set(found)) == len(found)
            ranges = {one for group in groups for one in group.ranges}
            assert {k for k in keys for r in ranges if k.startswith(r.prefix) and k >= r.first} <= set(found)


def test_many_prefixes_at_once_keep_their_order() -> None:
    with FaultServer(lister(KEYS)) as server:
        assert keys_of(at(server), *(KeyRange(f"k/2026/11/{day:02}") for day in range(1, 29))) == KEYS


def test_who_takes_a_few_objects_ends_the_rest() -> None:
    with FaultServer(lister(KEYS)) as server:
        listing = objects(at(server), "logs", [f"k/2026/11/{day:02}" for day in range(1, 29)])
        assert next(listing).key == KEYS[0]
        listing.close()  # type: ignore[attr-defined]
        asked = len(server.seen)
    assert asked < 28


def test_one_prefix_that_fails_fails_the_listing() -> None:
    good = lister(KEYS)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "10%2F" in handler.path:
            reply(handler, 403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        else:
            good(handler)

    with FaultServer(answer) as server, pytest.raises(BucketError, match="s3:ListBucket"):
        keys_of(at(server), *(KeyRange(f"k/2026/11/{day:02}/") for day in range(1, 29)))


def test_a_list_without_end() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        more = "<NextContinuationToken>same</NextContinuationToken><IsTruncated>true</IsTruncated>"
        reply(handler, 200, {}, f"<ListBucketResult>{more}</ListBucketResult>".encode())

    with FaultServer(answer) as server, pytest.raises(BucketError, match="again and again"):
        keys_of(at(server), KeyRange(""))


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<Other/>",
        b"",
        b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>",
    ],
)
def test_answers_that_are_no_list(body: bytes) -> None:
    with FaultServer(lambda h: reply(h, 200, {}, body)) as server, pytest.raises(BucketError, match="cannot be read"):
        keys_of(at(server), KeyRange(""))


def test_objects_that_come_and_go_while_they_are_listed() -> None:
    keys = list(KEYS)
    with FaultServer(lister(keys)) as server:
        listing = objects(at(server), "logs", [""])
        found = [next(listing).key]
        keys.remove(KEYS[100])
        keys.append("k/9999")
        found += [o.key for o in listing]
    assert set(KEYS) - {KEYS[100]} <= set(found) <= {*KEYS, "k/9999"}
    assert len(found) == len(set(found))
