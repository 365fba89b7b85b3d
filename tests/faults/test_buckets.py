"""Buckets that are more than a bucket: versioned, locked, encrypted. Each recovery ends as in a plain one, and writes
one version of each key."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cases import keys
from faults.incidents import BUCKET, WHOLE, SmallIncident
from faults.trials import recover
from servers import Server


@pytest.fixture
def incident(moto: Server, tmp_path: Path) -> Iterator[SmallIncident]:
    """In a bucket of its own name on the server: what is made of it here would stay for other tests."""
    s3 = moto.client
    yield SmallIncident(tmp_path, s3)
    versions = s3.list_object_versions(Bucket=BUCKET)
    for found in (*versions.get("Versions", ()), *versions.get("DeleteMarkers", ())):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"], BypassGovernanceRetention=True)
    for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=BUCKET)


def fresh(s3: Any, **how: Any) -> None:
    """Makes the incident's bucket anew."""
    if BUCKET in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
        for key in keys(s3, BUCKET):
            s3.delete_object(Bucket=BUCKET, Key=key)
        for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        s3.delete_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=BUCKET, **how)


def with_md5(params: dict[str, Any], **_: Any) -> None:
    params["ContentMD5"] = base64.b64encode(hashlib.md5(params["Body"]).digest()).decode()


def versions(s3: Any) -> Counter[str]:
    found = s3.list_object_versions(Bucket=BUCKET)
    return Counter(version["Key"] for version in found.get("Versions", ()))


def test_a_versioned_bucket(incident: SmallIncident, moto: Server, tmp_path: Path) -> None:
    s3 = incident.s3
    fresh(s3)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    incident.load()
    deleted = keys(s3, BUCKET)[0]
    s3.delete_object(Bucket=BUCKET, Key=deleted)  # a version that is hidden is not stored
    ended = recover(incident, moto.endpoint_url, "--case", tmp_path / "case")
    judged = incident.judge()
    assert (ended.code, judged.missing, judged.twice) == (0, (), ()), ended
    assert recover(incident, moto.endpoint_url, "--case", tmp_path / "another").code == 0
    assert set(versions(s3).values()) == {1} and set(keys(s3, BUCKET)) == set(versions(s3)) - {deleted}


def test_a_bucket_with_object_lock(incident: SmallIncident, moto: Server, tmp_path: Path) -> None:
    """The server refuses a PUT without Content-MD5 there, as S3 does without any checksum."""
    s3 = incident.s3
    fresh(s3, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    locked = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=locked)
    with pytest.raises(ClientError, match="Content-MD5"):
        s3.put_object(Bucket=BUCKET, Key="plain", Body=b"x")
    s3.meta.events.register("before-parameter-build.s3.PutObject", with_md5)
    try:
        incident.load()
    finally:
        s3.meta.events.unregister("before-parameter-build.s3.PutObject", with_md5)
    ended = recover(incident, moto.endpoint_url, "--case", tmp_path / "case")
    assert (ended.code, incident.judge()) == (0, WHOLE), ended
    assert set(versions(s3).values()) == {1}
