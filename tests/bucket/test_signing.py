"""Signatures are those that botocore makes of the same request."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.bucket.signing import EMPTY_SHA256, Keys, Scope, query_string, quoted_key, signed

NOW = datetime(2026, 11, 23, 11, 38, 24, tzinfo=timezone.utc)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PRINTABLE = st.text(st.sampled_from("abc XYZ019-_.~/:=,;+%"), max_size=20).map(str.strip)
NAMES = st.sampled_from(["prefix", "list-type", "partNumber", "x"])


@settings(max_examples=200)
@given(
    key=TEXT.filter(bool),
    query=st.lists(st.tuples(NAMES, TEXT), unique_by=lambda pair: pair[0]),
    values=st.dictionaries(st.sampled_from(["if-none-match", "x-amz-meta-a", "range", "content-type"]), PRINTABLE),
    token=st.none() | st.just("a/token+=="),
    region=st.sampled_from(["us-east-1", "cn-north-1"]),
)
def test_as_botocore_signs(
    key: str, query: list[tuple[str, str]], values: dict[str, str], token: str | None, region: str
) -> None:
    path, asked = f"/bucket/{quoted_key(key)}", query_string(query)
    request = AWSRequest("PUT", f"http://h:81{path}" + (f"?{asked}" if asked else ""), headers=dict(values), data=b"")
    request.context["client_config"] = None
    S3SigV4Auth(Credentials("AKID", "secret", token), "s3", region).add_auth(request)
    now = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    keys = Keys("AKID", "secret", token)
    ours = signed(keys, Scope("s3", region), now, "PUT", "h:81", path, asked, values, EMPTY_SHA256)
    assert ours["authorization"] == request.headers["Authorization"]


def test_a_day_has_its_own_key() -> None:
    def signature(day: int) -> str:
        now = NOW.replace(day=day)
        return signed(Keys("A", "s"), Scope("s3", "r"), now, "GET", "h", "/", "", {}, EMPTY_SHA256)["authorization"]

    assert signature(23) != signature(24)
    assert signature(23) == signature(23)


def test_a_key_that_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        quoted_key("a\udc80")


def test_credentials_are_not_shown() -> None:
    assert "secret" not in repr(Keys("AKID", "secret", "token"))
