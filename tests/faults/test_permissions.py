"""Least privilege (docs/iam.md) on a real server with real permissions: what is enough, and what is said when it is
not."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import footprint, keys
from command import flbrecover
from faults.incidents import BUCKET, WHOLE, SmallIncident
from faults.trials import told
from servers import Server

from flbrecover.demo.seaweedfs import READ_ONLY, RECOVERY, WRITE_ONLY, Identity, credentials


@pytest.fixture(scope="module")
def incident(weed: Server, tmp_path_factory: pytest.TempPathFactory) -> SmallIncident:
    return SmallIncident(tmp_path_factory.mktemp("permissions"), weed.client)


def run(incident: SmallIncident, weed: Server, who: Identity, command: str, *more: object):
    where = (*incident.arguments, "--endpoint-url", weed.endpoint_url)
    return flbrecover(command, *where, *more, environment=credentials(who))


def test_read_list_and_write_on_the_bucket_are_enough(incident: SmallIncident, weed: Server, tmp_path: Path) -> None:
    """The second policy of docs/iam.md: SeaweedFS calls its actions Read, List and Write."""
    incident.load()
    ended = run(incident, weed, RECOVERY, "recover", "--agent", "gone", "--yes", "--case", tmp_path / "case")
    assert (ended.code, incident.judge()) == (0, WHOLE), ended
    proved = flbrecover(
        "verify", tmp_path / "case" / "plan.json", "--root", incident.root, "--endpoint-url", weed.endpoint_url,
        environment=credentials(READ_ONLY),
    )  # fmt: skip
    assert proved.code == 0, proved


def test_reading_alone_is_enough_to_look(incident: SmallIncident, weed: Server, tmp_path: Path) -> None:
    incident.load()
    before, node = keys(incident.s3, BUCKET), footprint(incident.root)
    for command, code in (("objects", 0), ("uploads", 0), ("diff", 3)):
        ended = run(incident, weed, READ_ONLY, command)
        assert ended.code == code and "problem: s3:" not in ended.text, ended
    ended = run(incident, weed, READ_ONLY, "recover", "--agent", "gone", "--yes", "--case", tmp_path / "case")
    assert ended.code == 3 and not told(ended)
    assert f"IAM action s3:PutObject on arn:aws:s3:::{BUCKET}/logs/" in ended.text
    assert "STILL MISSING" in ended.text
    assert (keys(incident.s3, BUCKET), footprint(incident.root)) == (before, node)
    again = run(incident, weed, RECOVERY, "recover", "--agent", "gone", "--yes", "--case", tmp_path / "case")
    assert (again.code, incident.judge()) == (0, WHOLE), again


def test_writing_alone_changes_nothing(incident: SmallIncident, weed: Server, tmp_path: Path) -> None:
    """What S3 holds cannot be seen, so nothing is written: it might be there already."""
    incident.load()
    before, judged = keys(incident.s3, BUCKET), incident.judge()
    for command, more in (("diff", ()), ("recover", ("--agent", "gone", "--yes", "--case", tmp_path / "case"))):
        ended = run(incident, weed, WRITE_ONLY, command, *more)
        assert ended.code == 1, ended
        (line,) = (line for line in ended.err.splitlines() if not line.startswith("note: "))
        assert f"IAM action s3:ListBucket on arn:aws:s3:::{BUCKET} is missing" in line
    assert (keys(incident.s3, BUCKET), incident.judge()) == (before, judged)
