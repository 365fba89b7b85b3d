"""``flbrecover uploads``: what the node has noted, what S3 lists, and how they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import footprint, load, unpack
from command import flbrecover
from faults.proxy import FaultProxy
from unprivileged import closed, nobody, open_folder

from flbrecover.demo.seaweedfs import WRITE_ONLY, credentials

CONF = "/etc/fluent-bit/fluent-bit.conf"
KEY = "log/test/2026/11/23/11/40/19/yBATLVjJ.log"


@pytest.fixture
def root(tmp_path: Path, weed) -> Path:
    root = unpack("sigkill-multipart", tmp_path)
    load("sigkill-multipart", weed.client, root)
    return root


def uploads(root: Path, server, *more: str, **keywords):
    arguments = ("--root", root, "--config", CONF, "--endpoint-url", server.endpoint_url)
    return flbrecover("uploads", *arguments, *more, **keywords)


def pending_id(server) -> str:
    (upload,) = server.client.list_multipart_uploads(Bucket="my-bucket")["Uploads"]
    return upload["UploadId"]


def test_a_recorded_upload_that_can_be_completed(root: Path, weed) -> None:
    before = footprint(root)
    ended = uploads(root, weed, "--json")
    assert ended.code == 0
    upload = ended.one("upload")
    assert (upload["key"], upload["upload_id"], upload["state"]) == (KEY, pending_id(weed), "can be completed")
    assert [(p["number"], p["size"]) for p in upload["parts"]] == [(1, 6592412), (2, 6592000)]
    assert upload["tags"] == ["test.var.log.containers.test-batch.log"]
    assert upload["difference"] == ""
    assert upload["recorded_in"].startswith("/var/log/s3/temp/my-bucket/multipart_upload_metadata/")
    assert footprint(root) == before
    assert pending_id(weed) == upload["upload_id"]  # looking at it did not complete or abort it
    assert f"1  can be completed: s3://my-bucket/{KEY}" in uploads(root, weed).text


def test_one_that_only_s3_knows_is_not_this_nodes_unless_named(root: Path, weed) -> None:
    for note in root.rglob("multipart_upload_metadata/*"):
        note.unlink()
    upload = uploads(root, weed, "--json").one("upload")
    assert (upload["state"], upload["recorded_in"]) == ("not this node's", None)
    named = uploads(root, weed, "--json", "--upload-id", pending_id(weed)).one("upload")
    assert named["state"] == "can be completed"


def test_one_that_only_s3_knows_and_says_no_more_of(root: Path, weed) -> None:
    for note in root.rglob("multipart_upload_metadata/*"):
        note.unlink()
    with FaultProxy(weed.endpoint_url) as proxy:
        proxy.watch(lambda call: (lambda e: e.error(403, "AccessDenied")) if call.operation == "HeadObject" else None)
        ended = uploads(root, proxy, "--json", "--upload-id", pending_id(weed))
    assert (ended.code, ended.one("upload")["state"]) == (4, "unknown")
    assert f"s3://my-bucket/{KEY}" in [problem["path"] for problem in ended.of_type("problem")]


def test_completed_or_aborted_behind_the_nodes_back(root: Path, weed) -> None:
    s3, upload_id = weed.client, pending_id(weed)
    of = {"Bucket": "my-bucket", "Key": KEY, "UploadId": upload_id}
    parts = [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in s3.list_parts(**of)["Parts"]]
    s3.complete_multipart_upload(**of, MultipartUpload={"Parts": parts})
    assert uploads(root, weed, "--json").one("upload")["state"] == "already completed"
    s3.delete_object(Bucket="my-bucket", Key=KEY)
    assert uploads(root, weed, "--json").one("upload")["state"] == "vanished"


def test_parts_missing_and_key_taken(root: Path, weed) -> None:
    s3 = weed.client
    s3.abort_multipart_upload(Bucket="my-bucket", Key=KEY, UploadId=pending_id(weed))
    new = s3.create_multipart_upload(Bucket="my-bucket", Key=KEY)["UploadId"]
    s3.upload_part(Bucket="my-bucket", Key=KEY, UploadId=new, PartNumber=2, Body=b"x" * 10)
    named = uploads(root, weed, "--json", "--upload-id", new).of_type("upload")
    assert [u["state"] for u in named if u["upload_id"] == new] == ["parts missing"]
    s3.put_object(Bucket="my-bucket", Key=KEY, Body=b"taken")
    states = {u["state"] for u in uploads(root, weed, "--json", "--upload-id", new).of_type("upload")}
    assert "key taken" in states


def test_an_upload_id_that_does_not_exist(root: Path, weed) -> None:
    ended = uploads(root, weed, "--upload-id", "no-such-id")
    assert ended.code == 4
    assert "problem: no-such-id: no pending upload has this id" in ended.text


@pytest.mark.parametrize("command", [("diff",), ("recover", "--agent", "gone", "--yes")])
def test_an_upload_id_that_does_not_exist_is_no_secret_of_a_comparison(root: Path, weed, command) -> None:
    """The person believes that its records are accounted for."""
    where = ("--root", root, "--config", CONF, "--endpoint-url", weed.endpoint_url)
    ended = flbrecover(*command, *where, "--upload-id", "no-such-id")
    assert ended.code == 4
    assert "problem: no-such-id: no pending upload has this id; mistyped, or " in ended.text
    assert ("problem: no-such-id: no pending" in ended.err) == (command[0] == "recover")  # in its verdict once more


def test_an_upload_id_whose_upload_this_case_has_completed(root: Path, weed, tmp_path: Path) -> None:
    for note in root.rglob("multipart_upload_metadata/*"):
        note.unlink()
    where = ("--root", root, "--endpoint-url", weed.endpoint_url)
    case, more = tmp_path / "case", ("--config", CONF, "--upload-id", pending_id(weed))
    recover = ("recover", *where, *more, "--agent", "gone", "--yes", "--case", case)
    said = flbrecover(*recover, "--json")
    assert "completed" in {done["outcome"] for done in said.of_type("done")}
    for command in (
        recover,
        ("diff", *where, *more, "--case", case),
        ("apply", case, *where, "--yes"),
        ("verify", case, *where),
    ):
        ended = flbrecover(*command)
        assert ended.code == said.code == 0, ended
        assert "no pending upload has this id" not in ended.text + ended.err


def test_none_at_all(tmp_path: Path, moto) -> None:
    root = unpack("rolling-update", tmp_path)
    load("rolling-update", moto.client, root)
    ended = uploads(root, moto)
    assert (ended.code, ended.text) == (0, "no pending multipart uploads of these outputs are known to S3\n")


@pytest.mark.parametrize("folder", ["var/log/s3", "var/log/s3/temp", "var/log/s3/temp/my-bucket"])
def test_a_store_dir_that_may_not_be_looked_into(moto, folder: str) -> None:
    """The notes of uploads lie below it: that there are none cannot be said."""
    with open_folder() as place:
        root = unpack("sigkill-multipart", place)
        load("sigkill-multipart", moto.client, root)
        root.chmod(0o755)
        with closed(root / folder), nobody():
            ended = uploads(root, moto, "--json")
    assert ended.code == 4
    (problem,) = [p for p in ended.of_type("problem") if p["unreadable"]]
    assert problem["path"] in ("/var/log/s3/temp", "/var/log/s3/temp/my-bucket")
    assert "Permission denied" in problem["what"]


def test_names_in_a_store_dir_that_may_not_be_looked_at(moto) -> None:
    with open_folder() as place:
        root = unpack("sigkill-multipart", place)
        load("sigkill-multipart", moto.client, root)
        root.chmod(0o755)
        (root / "var/log/s3/temp").chmod(0o744)
        with nobody():
            ended = uploads(root, moto, "--json")
    assert ended.code == 4
    assert "Permission denied" in ended.one("problem")["what"]


def test_by_hand_there_need_be_no_node(moto_bucket, tmp_path: Path) -> None:
    where = ("uploads", "--root", tmp_path, "--bucket", moto_bucket.name)
    ended = flbrecover(*where, "--endpoint-url", moto_bucket.server.endpoint_url)
    assert (ended.code, ended.text) == (0, "no pending multipart uploads of these outputs are known to S3\n")
    ended = flbrecover(*where, "--endpoint-url", moto_bucket.server.endpoint_url, "--store-dir", "/no/such")
    assert ended.code == 4 and "problem: /no/such: No such file or directory" in ended.text


def test_without_permission_the_nodes_note_is_shown_all_the_same(root: Path, weed) -> None:
    denied = uploads(root, weed, "--upload-id", "another", environment=credentials(WRITE_ONLY))
    assert denied.code == 1 and denied.err.startswith("flbrecover: s3://my-bucket/: access denied: ")
    assert "no pending upload has this id" not in denied.text
    assert "access denied: IAM action s3:ListBucketMultipartUploads on arn:aws:s3:::my-bucket" in denied.text
    assert "access denied: IAM action s3:ListMultipartUploadParts on arn:aws:s3:::my-bucket/log/" in denied.text
    assert f"unknown: s3://my-bucket/{KEY}" in denied.text and "S3 did not say what became of it" in denied.text
    assert "no pending multipart uploads" not in denied.text


def test_nobody_to_ask(root: Path) -> None:
    ended = flbrecover("uploads", "--root", root, "--config", CONF, "--endpoint-url", "http://127.0.0.1:9")
    assert ended.code == 1, ended
    assert f"unknown: s3://my-bucket/{KEY}" in ended.text and ended.err.startswith("flbrecover: ")


def test_no_such_bucket_is_a_failure_only_where_there_is_no_other(root: Path, weed) -> None:
    config = root / CONF[1:]
    other = "[OUTPUT]\n    Name s3\n    Match *\n    bucket no-such-bucket\n    region us-east-1\n"
    config.write_text(config.read_text().rstrip() + "\n" + other)
    ended = uploads(root, weed)
    assert ended.code == 4, ended
    assert "can be completed: s3://my-bucket" in ended.text and "s3://no-such-bucket/: no such bucket" in ended.text
    alone = uploads(root, weed, "--output", "s3.1")
    assert alone.code == 1 and "no such bucket" in alone.err
