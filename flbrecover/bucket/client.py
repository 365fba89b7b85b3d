"""The connection to S3: one handle an output, with the credentials, region and endpoint that are asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ClientError, NoCredentialsError

from flbrecover import __version__
from flbrecover.bucket.denied import Place, explained, without_secrets
from flbrecover.errors import UsageError
from flbrecover.fluentbit.pipeline import S3Output

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5  # of one request, with growing pauses: about a minute for an endpoint that does not answer
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")
_ROLE_SESSION = "flbrecover"


@dataclass(frozen=True, slots=True)
class S3:
    """A client with what error texts need to name. ``endpoint`` is free of secrets."""

    client: S3Client
    endpoint: str
    region: str
    role_arn: str | None = None

    def place(self, bucket: str, key: str | None = None) -> Place:
        return Place(self.endpoint, self.region, bucket, key, self.role_arn)


def connect(
    output: S3Output,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    assume_role: bool = True,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    attempts: int = ATTEMPTS,
) -> S3:
    """A handle for an output's bucket. Nothing is sent to it yet.

    What is given here wins over the output's own endpoint and region. Credentials come from botocore's normal chain;
    ``profile`` names the profile to take. The output's own profile is one of the node's: it is taken where this
    machine has it and the environment names no other credentials. Where the output has a ``role_arn``, that role is
    taken with those credentials, unless ``assume_role`` is False.

    Raises UsageError for an endpoint that is no URL, BucketError for a profile that does not exist.
    """
    endpoint = _endpoint(endpoint_url or output.endpoint)
    region = region or output.region
    place = Place(without_secrets(endpoint) if endpoint else f"S3 in {region}", region, output.bucket)
    with explained(place):
        session = boto3.session.Session(
            profile_name=profile or _own_profile(output), region_name=region, botocore_session=None
        )
        role = output.role_arn if assume_role else None
        if role:
            session = boto3.session.Session(
                botocore_session=_with_role(session, role, output.external_id), region_name=region
            )
        config = _config(endpoint, connect_seconds, read_seconds, attempts)
        client = session.client("s3", endpoint_url=endpoint, config=config)
    client.meta.events.register("before-parameter-build.s3.HeadBucket", _no_head_bucket)
    return S3(client, without_secrets(client.meta.endpoint_url), region, role)


def connect_with_keys(endpoint_url: str, access_key: str, secret_key: str) -> S3:
    """A handle for a server of our own (the demo's), with the keys that we gave it. Gives up quickly."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=_config(endpoint_url, CONNECT_SECONDS, READ_SECONDS, attempts=1),
    )
    return S3(client, endpoint_url, "us-east-1")


def _endpoint(given: str | None) -> str | None:
    """Fluent Bit takes ``host``, ``host:port`` and a URL; without ``http://`` it is https (plugins/out_s3/s3.c)."""
    if not given:
        return None
    url = given if given.startswith(("http://", "https://")) else f"https://{given}"
    try:
        host = urlsplit(url).hostname
        urlsplit(url).port  # noqa: B018 - raises for a port that is none
    except ValueError:
        host = None
    if not host or any(c.isspace() for c in url):
        raise UsageError(f"endpoint {without_secrets(given)!r}: not a URL")
    return url


def _config(endpoint: str | None, connect_seconds: float, read_seconds: float, attempts: int) -> Config:
    host = (urlsplit(endpoint).hostname or "") if endpoint else ".amazonaws.com"
    return Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        s3={"addressing_style": "auto" if host.endswith(_AWS_DOMAINS) else "path"},
        # Checksums are ours (see writing); servers that are not AWS refuse what botocore adds by itself.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=f"flbrecover/{__version__}",
    )


def _no_head_bucket(**_: Any) -> None:
    """botocore asks HeadBucket where a redirect (301) names no region. Where the answer is such a redirect again it
    asks again, without end. S3 itself always names the region: so nobody has to ask."""
    raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")  # type: ignore[typeddict-item]


def _own_profile(output: S3Output) -> str | None:
    said = any(os.environ.get(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID"))
    if output.profile and not said and output.profile in boto3.session.Session().available_profiles:
        return output.profile
    return None


class _RoleProvider(CredentialProvider):
    """Takes a role when credentials are first needed, and again before they expire."""

    METHOD = "assume-role"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        return self._credentials


def _with_role(session: boto3.session.Session, role_arn: str, external_id: str | None) -> Session:
    import botocore.session

    inner = session._session
    source = inner.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=inner.create_client,
        source_credentials=source,
        role_arn=role_arn,
        extra_args={"RoleSessionName": _ROLE_SESSION} | ({"ExternalId": external_id} if external_id else {}),
    )
    credentials = DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
    outer = botocore.session.Session()
    outer.register_component("credential_provider", CredentialResolver([_RoleProvider(credentials)]))
    return outer
