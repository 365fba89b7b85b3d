"""``flbrecover objects``: keys that a real server lists, and times without any."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from cases import footprint, load, unpack
from command import flbrecover, one_line

from flbrecover.demo.seaweedfs import WRITE_ONLY, credentials

CONF = "/etc/fluent-bit/fluent-bit.conf"
CART = "cart-6d4cf56db6-x2k4p_shop_cart-" + "ab" * 32
PAY = "pay-7f89b7d5c9-qq8zl_shop_pay-" + "ab" * 32
FORMAT = ("--key-format", "/app/$TAG[1]/%Y/%m/%d/%H%M%S-$UUID.gz")
ALL = ("--since", "2026-11-01")


def put(bucket, *keys: str) -> None:
    for key in keys:
        bucket.put(key, gzip.compress(b'{"log":"x"}\n'))


def objects(bucket, *more: str):
    """``objects`` by hand: no configuration, no node."""
    server = bucket.server
    return flbrecover("objects", "--bucket", bucket.name, "--endpoint-url", server.endpoint_url, *more)


@pytest.mark.parametrize("server", ["moto", "weed"])
def test_objects_of_a_captured_incident(tmp_path: Path, server: str, request: pytest.FixtureRequest) -> None:
    running = request.getfixturevalue(server)
    root = unpack("kubernetes-cri", tmp_path)
    load("kubernetes-cri", running.client, root)
    before = footprint(root)
    ended = flbrecover("objects", "--root", root, "--config", CONF, "--endpoint-url", running.endpoint_url, "--json")
    assert ended.code == 0
    found = {o["key"]: o for o in ended.of_type("object")}
    key = f"logs/{CART}/2026/11/23/11/z15xaWan.gz"
    assert len(found) == 2
    assert found[key]["tag_parts"] == {"4": CART}
    assert found[key]["key_time"] == "2026-11-23T11:00:00.000000000Z"
    assert found[key]["key_time_end"] == "2026-11-23T12:00:00.000000000Z"
    assert found[key]["size"] == 6733
    summary = ended.one("objects_summary")
    assert (summary["objects"], summary["tags"], summary["unfit"]) == (2, 2, 0)
    assert summary["since"] == "2026-11-23T11:39:39.000000000Z"  # the tail DB's oldest row
    assert footprint(root) == before


def test_this_node_lists_only_the_prefixes_of_its_tags(moto, tmp_path: Path) -> None:
    root = unpack("kubernetes-cri", tmp_path)
    load("kubernetes-cri", moto.client, root)
    moto.client.put_object(Bucket="my-bucket", Key="logs/another-node/2026/11/23/11/AAAAAAAA.gz", Body=b"")
    arguments = ("objects", "--root", root, "--config", CONF, "--endpoint-url", moto.endpoint_url, "--json")
    assert len(flbrecover(*arguments).of_type("object")) == 3
    ended = flbrecover(*arguments, "--this-node")
    tags = {o["tag"] for o in ended.of_type("object")}
    assert tags == {f"kube.var.log.containers.{pod}.log" for pod in (CART, PAY)}
    assert all(prefix.startswith("logs/") and len(prefix) > 20 for prefix in ended.one("objects_summary")["prefixes"])


def test_keys_that_do_not_fit_are_counted(moto_bucket) -> None:
    put(moto_bucket, "app/web/2026/11/23/110000-AAAAAAAA.gz", "app/README", "app/web/2026/13/45/000000-AAAAAAAA.gz")
    ended = objects(moto_bucket, *FORMAT, *ALL, "--json")
    assert ended.code == 0
    assert [o["key"] for o in ended.of_type("object")] == ["app/web/2026/11/23/110000-AAAAAAAA.gz"]
    summary = ended.one("objects_summary")
    assert (summary["unfit"], sorted(summary["unfit_examples"])) == (
        2,
        ["app/README", "app/web/2026/13/45/000000-AAAAAAAA.gz"],
    )
    assert "2 keys not of this key format, such as app/README" in objects(moto_bucket, *FORMAT, *ALL).text


def test_a_gap_is_longer_than_an_output_with_records_leaves_one(moto_bucket) -> None:
    # upload_timeout is 10 minutes by default, its timer 60 s: with a minute to spare, 12 minutes are no gap.
    put(moto_bucket, *(f"app/web/2026/11/23/{time}-AAAAAAAA.gz" for time in ("110000", "111200", "112401", "130000")))
    put(moto_bucket, "app/db/2026/11/23/110000-AAAAAAAA.gz", "app/db/2026/11/23/111000-AAAAAAAA.gz")
    ended = objects(moto_bucket, *FORMAT, *ALL, "--json")
    gaps = [(g["tag"], g["by"], g["start"][11:19], g["end"][11:19], g["seconds"]) for g in ended.of_type("gap")]
    assert gaps == [
        ("$TAG[1]=web", "key time", "11:12:00", "11:24:01", 721),
        ("$TAG[1]=web", "key time", "11:24:01", "13:00:00", 5759),
    ]
    assert ended.one("objects_summary")["gap_seconds"] == 720
    text = objects(moto_bucket, *FORMAT, *ALL).text
    assert "gap: 2026-11-23 11:24:01.000Z to 2026-11-23 13:00:00.000Z (1h 35m) by key time" in text


def test_a_key_time_too_coarse_for_gaps_leaves_them_to_s3s_own(moto_bucket) -> None:
    put(moto_bucket, "app/web/2026/11/20/AAAAAAAA.gz", "app/web/2026/11/23/AAAAAAAA.gz")
    ended = objects(moto_bucket, "--key-format", "/app/$TAG[1]/%Y/%m/%d/$UUID.gz", *ALL, "--json")
    assert ended.of_type("gap") == []  # both were stored a moment ago


def test_the_window_and_one_tag(moto_bucket) -> None:
    put(moto_bucket, "app/web/2026/11/20/110000-AAAAAAAA.gz", "app/web/2026/11/23/110000-AAAAAAAA.gz")
    put(moto_bucket, "app/db/2026/11/23/110000-AAAAAAAA.gz")
    ended = objects(moto_bucket, *FORMAT, "--since", "2026-11-23T10:00", "--tag", "test.web", "--json")
    assert [o["key"] for o in ended.of_type("object")] == ["app/web/2026/11/23/110000-AAAAAAAA.gz"]
    assert ended.of_type("object")[0]["tag"] == "test.web"
    ended = objects(moto_bucket, *FORMAT, *ALL, "--until", "2026-11-21", "--json")
    assert [o["key"] for o in ended.of_type("object")] == ["app/web/2026/11/20/110000-AAAAAAAA.gz"]
    assert ended.one("objects_summary")["outside"] == 2


def test_text_cuts_long_lists_and_escapes_keys(moto_bucket) -> None:
    put(moto_bucket, *(f"app/web/2026/11/23/11{n // 60:02}{n % 60:02}-AAAAAAAA.gz" for n in range(103)))
    put(moto_bucket, "app/\u202ex/2026/11/23/110000-AAAAAAAA.gz")
    text = objects(moto_bucket, *FORMAT, *ALL).text
    assert "… and 3 more; --json lists all" in text
    assert "\u202e" not in text and "\\u202e" in text


def test_nothing_there(weed_bucket) -> None:
    ended = objects(weed_bucket, *ALL)
    assert ended.code == 0
    assert "0 objects, 0 B in 0 tags." in ended.text


def test_a_bucket_that_is_refused_stops_no_other(moto_bucket, tmp_path: Path) -> None:
    put(moto_bucket, "app/web/2026/11/23/110000-AAAAAAAA.gz")
    text = "".join(
        f"[OUTPUT]\n    Name s3\n    Match *\n    bucket {bucket}\n    s3_key_format {FORMAT[1]}\n"
        for bucket in ("no-such-bucket", moto_bucket.name, "neither-this-one")
    )
    (tmp_path / "fluent-bit.conf").write_text(text)
    where = ("objects", "--root", tmp_path, "--config", "/fluent-bit.conf", *ALL)
    s3 = ("--endpoint-url", moto_bucket.server.endpoint_url)
    ended = flbrecover(*where, *s3)
    assert ended.code == 4
    assert "1 object, " in ended.text
    problems = [line for line in ended.err.splitlines() if line.startswith("problem: ")]
    assert [line.split(" at ")[0] for line in problems] == [
        "problem: s3://no-such-bucket/: no such bucket", "problem: s3://neither-this-one/: no such bucket"
    ]  # fmt: skip
    in_json = flbrecover(*where, *s3, "--json")
    assert len(in_json.of_type("object")) == 1
    unreadable = [p["path"] for p in in_json.of_type("problem") if p["unreadable"]]
    assert unreadable == ["s3://no-such-bucket/", "s3://neither-this-one/"]
    alone = flbrecover(*where, *s3, "--output", "s3.0")
    assert alone.code == 1 and "s3://no-such-bucket/: no such bucket" in one_line(alone)


def test_where_no_bucket_can_be_listed_the_nodes_problems_are_told_all_the_same(moto, tmp_path: Path) -> None:
    ended = flbrecover("objects", "--root", tmp_path, "--bucket", "no-such-bucket", "--endpoint-url", moto.endpoint_url)
    assert ended.code == 1
    first, last = [line for line in ended.err.splitlines() if not line.startswith("note: ")]
    assert first.startswith("problem: /tmp/fluent-bit/s3: No such file")
    assert last.startswith("flbrecover: s3://no-such-bucket/: no such bucket")


def test_no_permission_to_list(weed_bucket) -> None:
    server = weed_bucket.server
    ended = flbrecover(
        "objects", "--bucket", weed_bucket.name, "--endpoint-url", server.endpoint_url, *ALL,
        environment=credentials(WRITE_ONLY),
    )  # fmt: skip
    assert ended.code == 1
    assert "s3:ListBucket" in one_line(ended)
