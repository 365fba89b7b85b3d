"""What cannot be used gets one clear line and the right exit code, and does no harm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cases import footprint, keys, load, remove, unpack
from command import flbrecover, one_line

from flbrecover.demo.seaweedfs import READ_ONLY, WRITE_ONLY, credentials

CONF = "/etc/fluent-bit/fluent-bit.conf"
BUCKET = "my-bucket"
COMMANDS = ("tail", "buffers", "objects", "uploads", "diff")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unpack("rolling-update", tmp_path)


@pytest.fixture
def loaded(root: Path, weed) -> Path:
    load("rolling-update", weed.client, root)
    return root


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node for tests that change nothing on it."""
    return unpack("rolling-update", tmp_path_factory.mktemp("untouched"))


@pytest.fixture
def there(untouched: Path, weed) -> Path:
    """A node whose bucket is there and empty, as the incident left it."""
    remove(weed.client, BUCKET)
    weed.client.create_bucket(Bucket=BUCKET)
    return untouched


def write(root: Path, path: str, text: str) -> str:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return path


# -- paths and configurations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_root_that_is_not_there(command: str) -> None:
    ended = flbrecover(command, "--root", "/no/such/folder", "--config", CONF)
    assert ended.code == 2
    assert one_line(ended) == "flbrecover: --root /no/such/folder: no such directory"


@pytest.mark.parametrize("command", [*COMMANDS, "collect", "recover", "audit"])
def test_a_root_that_is_an_unset_variable(command: str) -> None:
    ended = flbrecover(command, "--root", "")
    assert ended.code == 2
    assert one_line(ended) == ("flbrecover: --root is empty (a variable that is not set?); --root / is this machine")


@pytest.mark.parametrize("command", [("diff", "--root", "."), ("collect", "--root", "ROOT"), ("audit", "--root", ".")])
def test_a_current_folder_that_is_gone(command: tuple[str, ...], untouched: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    os.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    config = () if command[0] == "audit" else ("--config", CONF)
    ended = flbrecover(*(untouched if word == "ROOT" else word for word in command), *config)
    assert ended.code == 2
    assert one_line(ended).startswith("flbrecover: the current folder is not there any more; go to one that is")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_configuration_that_is_not_there(command: str, root: Path) -> None:
    ended = flbrecover(command, "--root", root, "--config", "/etc/nothing.conf")
    assert ended.code == 2
    assert one_line(ended).startswith("flbrecover: /etc/nothing.conf: no such file")


def test_no_configuration_says_where_it_was_looked_for(tmp_path: Path) -> None:
    ended = flbrecover("diff", "--root", tmp_path)
    assert ended.code == 2
    assert "/etc/fluent-bit" in one_line(ended) and "give --config" in one_line(ended)


@pytest.mark.parametrize("command", ["buffers", "objects", "uploads", "diff"])
def test_no_s3_output_says_what_was_found(command: str, root: Path) -> None:
    config = write(root, "/other.conf", "[INPUT]\n    Name tail\n    Path /x\n[OUTPUT]\n    Name es\n    Match *\n")
    ended = flbrecover(command, "--root", root, "--config", config)
    assert ended.code == 2
    assert one_line(ended) == "flbrecover: /other.conf: no s3 output (outputs found: es); give --config or --bucket"


def test_no_tail_input_says_what_was_found(root: Path) -> None:
    config = write(root, "/other.conf", "[INPUT]\n    Name cpu\n[OUTPUT]\n    Name s3\n    Match *\n    bucket b\n")
    ended = flbrecover("tail", "--root", root, "--config", config)
    assert ended.code == 2
    assert one_line(ended) == "flbrecover: /other.conf: no tail input (inputs found: cpu); give --db and --path"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    bukcet x\n", "/bad.conf:5: "),  # a key that Fluent Bit refuses
        ("    total_file_size many\n", "/bad.conf:5: "),
        ("    compression brotli\n", "/bad.conf:5: "),
        ("    s3_key_format no/slash\n", "/bad.conf:5: "),
        ("[OUTPUT]\n    bucket b\n", "/bad.conf:5: "),  # no Name
    ],
)
def test_what_fluent_bit_refuses_is_told_with_file_and_line(root: Path, line: str, said: str) -> None:
    config = write(root, "/bad.conf", f"[OUTPUT]\n    Name s3\n    Match *\n    bucket b\n{line}")
    ended = flbrecover("diff", "--root", root, "--config", config)
    assert ended.code == 2
    assert one_line(ended).startswith(f"flbrecover: {said}")


@pytest.mark.parametrize(
    ("command", "option", "value", "said"),
    [
        ("diff", "--bucket", "nope", "no evidence found; "),
        ("diff", "--db", "/var/log/flb_test.db", "command line: no s3 output (outputs found: none); "),
        ("diff", "--storage-path", "/var/log", "command line: no s3 output (outputs found: none); "),
    ],
)
def test_options_that_stand_for_a_configuration_say_so(untouched: Path, command, option, value, said: str) -> None:
    ended = flbrecover(command, "--root", untouched, option, value)
    assert said in one_line(ended)
    assert one_line(ended).endswith(f"; no configuration was read, as {option} was given: name it with --config")


def test_a_key_format_that_cannot_be_read_back(there: Path, weed) -> None:
    for command in ("objects", "diff"):
        ended = flbrecover(
            command, "--root", there, "--config", CONF, "--endpoint-url", weed.endpoint_url,
            "--key-format", "/logs/%$TAG/%Y",
        )  # fmt: skip
        assert ended.code == 2
        assert "cannot be read back" in one_line(ended)


def test_no_evidence_at_all(tmp_path: Path, weed) -> None:
    ended = flbrecover(
        "diff", "--root", tmp_path, "--bucket", "b", "--store-dir", "/nowhere", "--endpoint-url", weed.endpoint_url
    )
    assert ended.code == 4
    assert "no evidence found" in one_line(ended) and "/nowhere" in one_line(ended)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "yesterday"), "--since yesterday: not a time"),
        (("--since", "2026-11-24", "--until", "2026-11-23"), "--since lies after --until"),
        (("--since", "999999999h"), "--since 999999999h: lies before 1970; "),
        (("--since", "9" * 400 + "h"), "h: lies before 1970; "),
        (("--until", "1969-12-31"), "--until 1969-12-31: lies before 1970; "),
        (("--output", "s3.7"), "--output s3.7: no such s3 output (there are: s3.0)"),
        (("--env", "novalue"), "--env novalue: KEY=VALUE is wanted"),
        (("--sources", "everything", "--agent", "gone"), "--sources everything: a list of"),
        (("--plan", "/tmp/p.json"), "--plan needs --agent"),
        (("--plan", "-", "--agent", "gone"), "--plan -: a plan is kept in a file; name one"),
        (("--file", "/nope", "--json"), "--file and --json: choose one"),
        (("--endpoint-url", "http://["), "not a URL"),
    ],
)
def test_options_that_make_no_sense(there: Path, weed, arguments, said: str) -> None:
    ended = flbrecover("diff", "--root", there, "--config", CONF, "--endpoint-url", weed.endpoint_url, *arguments)
    assert ended.code == 2
    assert said in one_line(ended)


def test_an_unknown_option_or_command() -> None:
    assert flbrecover("diff", "--frobnicate").code == 2
    assert "No such option" in one_line(flbrecover("diff", "--frobnicate"))
    assert "No such command 'frobnicate'" in one_line(flbrecover("frobnicate"))


# -- S3 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["diff", "recover", "objects", "uploads"])
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials found"),
        (credentials() | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "wrong credentials"),
        (credentials() | {"AWS_ACCESS_KEY_ID": "nobody"}, "wrong credentials"),
    ],
    ids=["none", "wrong secret", "unknown key"],
)
def test_credentials(there: Path, weed, command: str, environment, said: str) -> None:
    ended = run(command, there, weed.endpoint_url, environment=environment)
    told(ended, said)


@pytest.mark.parametrize("command", ["diff", "recover", "objects", "uploads"])
def test_an_endpoint_that_does_not_answer(untouched: Path, command: str) -> None:
    told(run(command, untouched, "http://127.0.0.1:9"), "http://127.0.0.1:9 cannot be reached")


@pytest.mark.parametrize("command", ["diff", "recover", "objects", "uploads"])
def test_no_such_bucket(untouched: Path, weed, command: str) -> None:
    remove(weed.client, BUCKET)
    told(run(command, untouched, weed.endpoint_url), "s3://my-bucket/: no such bucket")


def test_an_output_that_was_not_compared_is_told_where_no_records_are(tmp_path: Path, weed) -> None:
    remove(weed.client, BUCKET)
    weed.client.create_bucket(Bucket=BUCKET)
    matched = {"other.*": BUCKET, "*": "no-such-bucket"}
    outputs = "".join(f"[OUTPUT]\n  Name s3\n  Match {m}\n  bucket {bucket}\n" for m, bucket in matched.items())
    write(tmp_path, CONF, f"[INPUT]\n  Name tail\n  Path /var/log/*.log\n{outputs}")
    write(tmp_path, "/var/log/a.log", "hello\n")
    ended = run("diff", tmp_path, weed.endpoint_url)
    assert ended.text.startswith("No records were found in the evidence. Output s3.1 was not compared.\n")


def test_no_permission_names_the_iam_action(there: Path, weed) -> None:
    listing = run("diff", there, weed.endpoint_url, environment=credentials(WRITE_ONLY))
    assert listing.code == 1
    assert "IAM action s3:ListBucket on arn:aws:s3:::my-bucket is missing" in one_line(listing)
    all_keys = keys(weed.client, BUCKET)
    writing = run("recover", there, weed.endpoint_url, environment=credentials(READ_ONLY))
    assert writing.code in (1, 3)
    assert "IAM action s3:PutObject on arn:aws:s3:::my-bucket/log/" in writing.text
    assert keys(weed.client, BUCKET) == all_keys


def run(command: str, root: Path, endpoint_url: str, *more: object, **keywords):
    more += ("--agent", "gone", "--yes") if command == "recover" else ()
    return flbrecover(command, "--root", root, "--config", CONF, "--endpoint-url", endpoint_url, *more, **keywords)


def told(ended, said: str) -> None:
    """A failure to ask S3: exit code 1, the reason, no traceback. ``uploads`` shows what it has besides."""
    assert ended.code in (1, 4), ended
    assert said in ended.text + ended.err
    assert "Traceback" not in ended.err
    assert len([line for line in ended.err.splitlines() if not line.startswith("note: ")]) <= 1


# -- plans -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def plan(loaded: Path, weed, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    ended = flbrecover(
        "diff", "--root", loaded, "--config", CONF, "--endpoint-url", weed.endpoint_url, "--agent", "gone",
        "--plan", path,
    )  # fmt: skip
    assert ended.code == 3 and path.exists()
    return path


@pytest.fixture(scope="module")
def unedited(untouched: Path, tmp_path_factory: pytest.TempPathFactory, weed) -> str:
    remove(weed.client, BUCKET)
    weed.client.create_bucket(Bucket=BUCKET)
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert run("diff", untouched, weed.endpoint_url, "--agent", "gone", "--plan", path).code == 3
    return path.read_text()


def reversioned(text: str) -> str:
    return json.dumps(json.loads(text) | {"version": 99})


@pytest.mark.parametrize("command", ["apply", "verify"])
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (reversioned, "a plan of version 99, this tool reads version 1"),
        (lambda text: text.replace('"gone"', '"returning"'), "its checksum does not match, the file was edited"),
        (lambda text: text[: len(text) // 2], "not a plan"),
        (lambda text: "", "not a plan"),
        (lambda text: "[1, 2]", "not a plan"),
        (lambda text: "[" * 100_000, "not a plan"),
        (lambda text: "\u00e9", "not a plan"),
    ],
    ids=["version", "edited", "cut", "empty", "list", "nested", "not ASCII"],
)
def test_a_plan_of_another_version_or_edited(
    unedited: str, there: Path, weed, tmp_path: Path, command: str, edit, said: str
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(edit(unedited))
    all_keys = keys(weed.client, BUCKET)
    more = ("--yes",) if command == "apply" else ()
    ended = flbrecover(command, plan, "--root", there, "--endpoint-url", weed.endpoint_url, *more)
    assert ended.code == 2
    assert said in one_line(ended)
    assert keys(weed.client, BUCKET) == all_keys


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(file.read_bytes().replace(b"GET", b"PUT", 1)),
        lambda file: file.unlink(),
    ],
    ids=["changed", "deleted"],
)
def test_a_plan_whose_evidence_has_changed(plan: Path, loaded: Path, weed, change) -> None:
    (file,) = loaded.rglob("quarantine/*")
    change(file)
    all_keys = keys(weed.client, BUCKET)
    ended = flbrecover("apply", plan, "--root", loaded, "--endpoint-url", weed.endpoint_url, "--yes")
    assert ended.code == 2
    assert file.name in one_line(ended) and "make the plan again" in one_line(ended)
    assert keys(weed.client, BUCKET) == all_keys


def test_a_plan_without_its_root(unedited: str, weed, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(unedited)
    ended = flbrecover("apply", tmp_path / "plan.json", "--endpoint-url", weed.endpoint_url, "--yes")
    assert ended.code == 2
    assert one_line(ended).endswith(
        "No such file or directory: the plan relies on this file; "
        "say the --root that it was made with (this is /), or make the plan again"
    )


def test_a_plan_that_cannot_be_saved(there: Path, weed) -> None:
    ended = run("diff", there, weed.endpoint_url, "--agent", "gone", "--plan", "/no/such/folder/plan.json")
    assert ended.code == 2
    assert one_line(ended) == (
        "flbrecover: --plan /no/such/folder/plan.json: No such file or directory; name another file"
    )


def test_a_plan_for_which_there_is_no_room(loaded: Path, weed, tmp_path: Path) -> None:
    """What stood there is left, and nothing half-written."""
    (tmp_path / "plans").mkdir()
    plan = tmp_path / "plans/plan.json"
    plan.write_text("old")
    with (loaded / CONF[1:]).open("a") as config:  # it becomes a part of the plan
        config.write("\n[OUTPUT]\n    Name null\n    Match nothing\n" * 500)
    where = ("--root", loaded, "--config", CONF, "--endpoint-url", weed.endpoint_url)
    ended = with_small_disk(40_000, tmp_path / "scratch", "diff", *where, "--agent", "gone", "--plan", plan)
    assert ended.returncode == 2
    assert ended.stderr == f"flbrecover: --plan {plan}: File too large; name another file\n"
    assert [(path.name, path.read_text()) for path in plan.parent.iterdir()] == [("plan.json", "old")]


@pytest.mark.parametrize("place", [".", "/", "..", ""])
def test_an_output_that_is_a_folder(place: str, there: Path, weed) -> None:
    case = ("diff", "--root", there, "--config", CONF, "--endpoint-url", weed.endpoint_url, "--case", "case")
    assert flbrecover(*case, "--agent", "gone").code == 3
    nodes = ("--case-to", "s3://results/case/", "--image", "i", "--nodes", "a")
    for said in (
        ("report", "case", "-o", place),
        ("collect", "--root", there, "--config", CONF, *(("-o", place) if place else ("-o", "./"))),
        ("fleet", "manifest", *nodes, "-o", place, "--", "--agent", "gone"),
    ):
        ended = flbrecover(*said)
        assert ended.code == 2
        assert one_line(ended).endswith(f"{Path(place)}: is a folder; name a file")


def test_no_plan_at_all() -> None:
    assert one_line(flbrecover("apply", "/no/plan.json", "--yes")) == (
        "flbrecover: /no/plan.json: No such file or directory"
    )


# -- this machine ------------------------------------------------------------------------------------------------------


def with_small_disk(limit: int, scratch: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A limit on the size of files stands for a full disk."""
    scratch.mkdir()
    code = (
        "import resource, signal, sys; from flbrecover.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"TMPDIR": str(scratch)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["tail", "diff", "recover"])
def test_a_full_disk_under_the_scratch_folder(loaded: Path, weed, tmp_path: Path, command: str) -> None:
    """The copy of the tail DB does not fit: nothing is done."""
    scratch = tmp_path / "scratch"
    before, all_keys = footprint(loaded), keys(weed.client, BUCKET)
    more = [] if command == "tail" else ["--endpoint-url", weed.endpoint_url, "--agent", "gone"]
    more += ["--yes"] if command == "recover" else []
    ended = with_small_disk(8192, scratch, command, "--root", loaded, "--config", CONF, *more)
    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and str(scratch) in lines[0] and "set TMPDIR" in lines[0]
    assert list(scratch.iterdir()) == []
    assert (footprint(loaded), keys(weed.client, BUCKET)) == (before, all_keys)


def test_an_object_that_does_not_fit_on_the_disk_stops_no_other(loaded: Path, weed, tmp_path: Path) -> None:
    """One log is given so many lines that its object is larger than the limit; the case folder's files are not."""
    log = loaded / "var/log/containers/test-web.log"
    lines = log.read_bytes().splitlines(keepends=True)
    with log.open("ab") as file:
        file.writelines(lines[-1] for _ in range(800_000 // len(lines[-1])))
    os.utime(log, (log.stat().st_atime, (loaded / "var/log/flb_test.db").stat().st_mtime))  # one object's time
    scratch = tmp_path / "scratch"
    where = ("--root", loaded, "--config", CONF, "--endpoint-url", weed.endpoint_url)
    more = ("--agent", "gone", "--yes", "--compression", "none", "--json")
    ended = with_small_disk(600_000, scratch, "recover", *where, *more)
    assert ended.returncode in (1, 3)
    done = [line for line in map(json.loads, ended.stdout.splitlines()) if line["type"] == "done"]
    assert sorted(d["outcome"] for d in done) == ["failed", "written", "written", "written"]
    (failed,) = [d["detail"] for d in done if d["outcome"] == "failed"]
    assert str(scratch) in failed and "set TMPDIR" in failed
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_that_is_not_there(root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "flbrecover", "tail", "--root", str(root), "--config", CONF],
        env=os.environ | {"TMPDIR": "/no/such/folder"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, 1)  # Python falls back to /tmp
    assert "Traceback" not in ended.stderr


def test_a_reader_that_goes_away(root: Path) -> None:
    """`flbrecover buffers cat FILE | head -1`"""
    head = shutil.which("head")
    assert head is not None
    file = "/var/log/s3/temp/my-bucket/quarantine/13746238060222570069-1474013038527978504"
    pipe = f"{sys.executable} -m flbrecover buffers cat --root {root} --config {CONF} {file} | {head} -1"
    ended = subprocess.run(["/bin/sh", "-c", pipe], capture_output=True, text=True, check=True)
    assert ended.stdout.count("\n") == 1
    assert ended.stderr == ""
