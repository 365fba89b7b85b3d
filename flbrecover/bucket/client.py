"""The connection to S3: one handle an output, with the credentials, region and endpoint that are asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import ClientError

from flbrecover import __version__
from flbrecover.bucket import site as sites
from flbrecover.bucket.denied import Place, explained, without_secrets
from flbrecover.bucket.request import Limits
from flbrecover.bucket.session import Identity
from flbrecover.bucket.signing import Keys
from flbrecover.bucket.site import Site
from flbrecover.bucket.transport import Transport
from flbrecover.errors import UsageError
from flbrecover.fluentbit.pipeline import S3Output

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5  # of one request, with growing pauses: about a minute for an endpoint that does not answer
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a bucket may want of every request: its owner's account, that the requester pays; and of every write: the
    kind of server-side encryption (``AES256``, ``aws:kms`` …) and the KMS key."""

    expected_bucket_owner: str | None = None
    request_payer: bool = False
    sse: str | None = None
    sse_kms_key_id: str | None = None

    @property
    def always(self) -> dict[str, str]:
        """Headers of every request."""
        owner = {"x-amz-expected-bucket-owner": self.expected_bucket_owner} if self.expected_bucket_owner else {}
        return owner | ({"x-amz-request-payer": "requester"} if self.request_payer else {})

    @property
    def on_write(self) -> dict[str, str]:
        """Headers of what makes an object."""
        kind = self.sse or ("aws:kms" if self.sse_kms_key_id else None)
        headers = {"x-amz-server-side-encryption": kind} if kind else {}
        if self.sse_kms_key_id:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self.sse_kms_key_id
        return headers


@dataclass(frozen=True, slots=True)
class S3Spec:
    """All that makes a handle: small, and can be pickled. Without ``endpoint`` botocore finds it."""

    region: str
    endpoint: str | None
    identity: Identity
    limits: Limits
    options: RequestOptions = RequestOptions()


class S3:
    """A handle: requests, and what error texts need to name. ``endpoint`` is free of secrets.

    It can be used by many threads at once, and by processes forked from this one. A pickled one opens itself anew in
    the process that it is sent to, with the credentials that are found there.
    """

    def __init__(self, spec: S3Spec) -> None:
        self.spec = spec
        self.region = spec.region
        self.transport = Transport(spec.identity, spec.region, spec.limits, self._find_site, spec.options.always)
        self.learned = Learned()
        self._client: S3Client | None = None
        self._session: Session | None = None
        self._lock = threading.Lock()
        self.endpoint = without_secrets(spec.endpoint or self.client.meta.endpoint_url)

    def __reduce__(self) -> tuple[type[S3], tuple[S3Spec]]:
        return S3, (self.spec,)

    def reopened(self) -> S3:
        """A handle of the same kind that shares nothing with this one."""
        return S3(self.spec)

    def place(self, bucket: str, key: str | None = None) -> Place:
        return Place(self.endpoint, self.region, bucket, key, self.spec.identity.role_arn)

    @property
    def client(self) -> S3Client:
        """botocore's own client, for what is asked for rarely. Raises what botocore raises."""
        with self._lock:
            session = self.transport.session  # another one where the credentials had to be asked for anew
            if self._client is None or self._session is not session:
                self._client, self._session = self._new_client(self.region), session
                self._client.meta.events.register("before-call.s3", self._add_options)
            return self._client

    def _new_client(self, region: str) -> S3Client:
        limits, endpoint = self.spec.limits, self.spec.endpoint
        config = Config(
            connect_timeout=limits.connect_seconds,
            read_timeout=limits.read_seconds,
            retries={"mode": "standard", "total_max_attempts": limits.attempts},
            s3={"addressing_style": "auto" if _is_aws(endpoint) else "path"},
            # Checksums are ours (see writing); servers that are not AWS refuse what botocore adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra=f"flbrecover/{__version__}",
        )
        client: S3Client = self.transport.session.create_client(  # type: ignore[assignment]
            "s3", region_name=region, endpoint_url=endpoint, config=config
        )
        client.meta.events.register("before-parameter-build.s3.HeadBucket", _no_head_bucket)
        return client

    def _add_options(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        params["headers"].update(self.spec.options.always)
        if model.name in ("PutObject", "CreateMultipartUpload"):
            params["headers"].update(self.spec.options.on_write)

    def _find_site(self, bucket: str, region: str | None) -> Site:
        if self.spec.endpoint is not None and not _is_aws(self.spec.endpoint):
            return sites.path_style(self.spec.endpoint, bucket, region or self.region)
        return sites.learned(self._new_client(region or self.region), bucket)


class Learned:
    """What a server has shown of itself so far, for all threads.

    ``conditions_known``: False once it refused ``If-None-Match`` as unknown. ``conditions_kept``: whether it keeps to
    it; None while that is not known. ``etags_are_md5``: False once one was not, without saying so.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.conditions_known = True
        self.conditions_kept: bool | None = None
        self.writes = 0
        self.etags_are_md5 = True


def connect(
    output: S3Output,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    assume_role: bool = True,
    options: RequestOptions | None = None,
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
    role = output.role_arn if assume_role else None
    identity = Identity(profile, output.profile, role, output.external_id if role else None)
    limits = Limits(connect_seconds, read_seconds, attempts)
    place = Place(without_secrets(endpoint) if endpoint else f"S3 in {region}", region, output.bucket)
    with explained(place):
        s3 = S3(S3Spec(region, endpoint, identity, limits, options or RequestOptions()))
        _ = s3.transport.session
        return s3


def connect_with_keys(endpoint_url: str, access_key: str, secret_key: str) -> S3:
    """A handle for a server of our own (the demo's), with the keys that we gave it. Gives up quickly."""
    identity = Identity(keys=Keys(access_key, secret_key))
    return S3(S3Spec("us-east-1", endpoint_url, identity, Limits(CONNECT_SECONDS, READ_SECONDS, attempts=1)))


def _endpoint(given: str | None) -> str | None:
    """Fluent Bit takes ``host``, ``host:port`` and a URL; without ``http://`` it is https (plugins/out_s3/s3.c)."""
    if not given:
        return None
    scheme, separator, rest = given.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise UsageError(f"endpoint {without_secrets(given)!r}: http:// or https:// is wanted")
    url = f"{scheme.lower()}://{rest}" if separator else f"https://{given}"
    try:
        host = urlsplit(url).hostname
        urlsplit(url).port  # noqa: B018 - raises for a port that is none
    except ValueError:
        host = None
    if not host or any(c.isspace() for c in url):
        raise UsageError(f"endpoint {without_secrets(given)!r}: not a URL")
    return url


def _is_aws(endpoint: str | None) -> bool:
    return endpoint is None or (urlsplit(endpoint).hostname or "").endswith(_AWS_DOMAINS)


def _no_head_bucket(**_: Any) -> None:
    """botocore asks HeadBucket where a redirect (301) names no region. Where the answer is such a redirect again it
    asks again, without end. S3 itself always names the region: so nobody has to ask."""
    raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")  # type: ignore[typeddict-item]
