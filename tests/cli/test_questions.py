"""What is asked on a terminal, and what an answer leads to; and what ``verify`` says of objects that are not there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from cases import config, keys, load, unpack
from command import flbrecover

CASE = "kubernetes-cri"


def on_a_terminal(answer: bytes, *arguments: object) -> tuple[int, str, str]:
    """Runs a command, answers its question; gives the exit code, what it wrote on stdout and on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "flbrecover", *map(str, arguments)], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while b"[y/N]" not in said and (more := os.read(ours, 4096)):
            said += more
        os.write(ours, answer)
        try:
            while more := os.read(ours, 4096):
                said += more
        except OSError:  # EIO: the other side is closed
            pass
        assert process.stdout is not None
        out = process.stdout.read().decode()
    os.close(ours)
    return process.returncode, out, said.decode()


def test_no_leaves_the_plan_for_later(tmp_path: Path, moto) -> None:
    root = unpack(CASE, tmp_path)
    load(CASE, moto.client, root)
    there = keys(moto.client, "my-bucket")
    where = ("--root", root, "--endpoint-url", moto.endpoint_url)
    case = tmp_path / "case"
    code, out, said = on_a_terminal(
        b"n\n", "recover", *where, "--config", config(CASE), "--agent", "gone", "--case", case
    )
    assert code == 3 and "nothing was uploaded; the plan is kept: `flbrecover apply" in said, said
    assert "95 unread" in out and keys(moto.client, "my-bucket") == there
    same = ("recover", *where, "--config", config(CASE), "--agent", "gone", "--case", case)
    for later in (("apply", case, *where), same):
        code, out, said = on_a_terminal(b"n\n", *later)
        assert code == 3 and out == "" and keys(moto.client, "my-bucket") == there
        before, question, _ = said.partition("Carry out 3 actions?")
        assert question and "(--agent gone) would write to s3://my-bucket/:" in before
        assert [line.split()[:3] for line in before.splitlines() if line[:1] in ("1", "2", "3")] == [
            ["1", "upload", "160"], ["2", "upload", "160"], ["3", "rebuild", "95"]
        ]  # fmt: skip
    assert flbrecover("apply", case, *where, "--yes").code == 0
    assert len(keys(moto.client, "my-bucket")) == len(there) + 3


def test_verify_tells_what_is_not_there_from_what_is_not_known(tmp_path: Path, moto) -> None:
    root = unpack(CASE, tmp_path)
    load(CASE, moto.client, root)
    where = ("--root", root, "--endpoint-url", moto.endpoint_url)
    plan = tmp_path / "plan.json"
    assert flbrecover("diff", *where, "--config", config(CASE), "--agent", "gone", "--plan", plan).code == 3
    missing = flbrecover("verify", plan, *where)
    assert missing.code == 3 and missing.text.count("NOT THERE") == 3 and "no such object" in missing.text
    assert missing.text.count("s3://") == 3
    nowhere = flbrecover("verify", plan, "--root", root, "--endpoint-url", "http://127.0.0.1:9")
    assert nowhere.text.count("NOT KNOWN") == 3 and "NOT THERE" not in nowhere.text
    elsewhere = flbrecover("verify", plan, "--root", tmp_path / "case", "--endpoint-url", moto.endpoint_url)
    assert elsewhere.code == 2
    (tmp_path / "empty").mkdir()
    empty = flbrecover("verify", plan, "--root", tmp_path / "empty", "--endpoint-url", moto.endpoint_url)
    assert empty.code == 4 and "No records were found in the evidence." in empty.text


def test_records_that_are_stored_in_other_objects_are_not_missing(tmp_path: Path, moto) -> None:
    root = unpack(CASE, tmp_path)
    load(CASE, moto.client, root)
    where = ("--root", root, "--endpoint-url", moto.endpoint_url)
    plan = tmp_path / "plan.json"
    flbrecover("diff", *where, "--config", config(CASE), "--agent", "gone", "--plan", plan)
    assert flbrecover("apply", plan, *where, "--yes").code == 0
    for number, key in enumerate(keys(moto.client, "my-bucket")):
        found = moto.client.get_object(Bucket="my-bucket", Key=key)
        if "flbrecover" in found["Metadata"]:
            other = key.removesuffix(".gz")[:-8] + f"{number:08}.gz"
            moto.client.put_object(Bucket="my-bucket", Key=other, Body=found["Body"].read())
            moto.client.delete_object(Bucket="my-bucket", Key=key)
    ended = flbrecover("verify", plan, *where)
    assert "NOT THERE" in ended.text and "Nothing that was to be recovered is missing." in ended.text
    assert (
        ended.code == 0
        and "3 objects of the plan not proved, and not needed: other objects hold the records" in ended.err
    )
