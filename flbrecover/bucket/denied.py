"""What S3 and botocore say when a call fails, as one line for a person: what was asked, what is missing, what to do.

The line names the IAM action that a denial asks for. It holds no credentials and no signed URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from flbrecover.bucket.heads import UnsendableHeaderError
from flbrecover.errors import BucketError

MAX_MESSAGE = 200  # characters of a server's own words

IAM_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "AssumeRole": "sts:AssumeRole",
}
_ON_BUCKET = frozenset({"s3:ListBucket", "s3:ListBucketMultipartUploads"})
_NAMED_ACTION = re.compile(r"\b((?:s3|kms|sts):[A-Z][A-Za-z]+)")
_SIGNED = re.compile(r"(?:X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature)=[^&\s\"'<]*", re.IGNORECASE)
_OF_BUCKET_OR_KEY = re.compile(r"bucket name|parameter (?:Bucket|Key)\b")  # in what botocore refuses to send


class MissingError(BucketError):
    """No such object, or no such upload."""


class ChangedError(BucketError):
    """A condition of the request does not hold: the object is another one, or there is one already."""


class ConflictError(BucketError):
    """Another request for the same key was under way (409): to be tried again."""


class RefusedPartsError(BucketError):
    """The parts of an upload are not such that it can be completed: one is too small, or is none that S3 has."""


class DeniedError(BucketError):
    """The credentials are known, and may not do this."""


class NotSupportedError(BucketError):
    """The server does not know this kind of request (501)."""


class Md5WantedError(BucketError):
    """The bucket (Object Lock, on some servers) takes no object without a Content-MD5."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a call was about. ``region`` is the client's, ``role_arn`` the role that it was to take."""

    endpoint: str
    region: str
    bucket: str
    key: str | None = None
    role_arn: str | None = None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{'' if self.key is None else self.key}"


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turns what botocore raises inside into a BucketError (or one of its kinds above)."""
    try:
        yield
    except ClientError as e:
        raise _of_answer(e, place) from e
    except (BotoCoreError, HTTPError, UnicodeEncodeError) as e:
        raise BucketError(_of_client(e, place)) from e


def _of_answer(error: ClientError, place: Place) -> BucketError:
    """S3 answered, and said no."""
    call = error.operation_name
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    message = _tidy(str(answer.get("Message", "")))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if code in ("NoSuchKey", "NoSuchVersion") or (call == "HeadObject" and status == 404):
        return MissingError(f"{place.url}: no such object")
    if code == "NoSuchUpload":
        return MissingError(f"{place.url}: no such multipart upload")
    if status == 412 or code == "PreconditionFailed":
        return ChangedError(f"{place.url}: {call}: the object is not what it was expected to be")
    if status == 400 and "content-md5" in message.lower() and call == "PutObject":
        return Md5WantedError(f"{place.url}: {call}: {code}: {message}")
    if code in ("ConditionalRequestConflict", "OperationAborted") or (status == 409 and call in IAM_ACTIONS):
        return ConflictError(f"{place.url}: {call}: another request for this key was under way")
    if status == 501 or code == "NotImplemented":
        return NotSupportedError(f"{place.url}: {call}: the server at {place.endpoint} does not support this request")
    region = headers.get("x-amz-bucket-region") or answer.get("Region")
    known = _known_answer(code, place, region if isinstance(region, str) else None)
    if known is not None:
        return BucketError(known)
    if code in ("AccessDenied", "AllAccessDisabled", "AccessDeniedException") or status == 403:
        return DeniedError(_denial(call, message, place))
    if call == "HeadObject" and status == 400:
        why = "expired credentials, or another --region?"  # the answer to a HEAD has no body that would say it
        return BucketError(f"{place.url}: {call} was refused without a reason: {why}")
    said = f"{code}: {message}" if message and message != code else code or f"HTTP status {status}"
    of_parts = code in ("EntityTooSmall", "InvalidPart", "InvalidPartOrder") and call == "CompleteMultipartUpload"
    kind = RefusedPartsError if of_parts else BucketError
    return kind(f"{place.url}: {call} failed: {said} (from {place.endpoint})")


def _known_answer(code: str, place: Place, region: str | None) -> str | None:
    if code == "NoSuchBucket":
        return f"s3://{place.bucket}/: no such bucket at {place.endpoint}"
    if code in ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken"):
        return f"{place.url}: wrong credentials: {place.endpoint} does not know this access key"
    if code == "SignatureDoesNotMatch":
        return f"{place.url}: wrong credentials: the secret key does not belong to the access key"
    if code in ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"):
        return f"{place.url}: the credentials have expired; get new ones and run the same command again: it goes on"
    if code == "RequestTimeTooSkewed":
        return f"{place.url}: this machine's clock differs too much from that of {place.endpoint}; set it"
    if code in (
        "PermanentRedirect", "301", "TemporaryRedirect", "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException", "IncorrectEndpoint",
    ):  # fmt: skip
        where = f"in {region}" if region else "in another region"
        return f"s3://{place.bucket}/: the bucket is {where}, not in {place.region}; give --region"
    if code == "InvalidObjectState":
        return f"{place.url}: the object is archived (GLACIER or DEEP_ARCHIVE); restore it, then try again"
    if code in ("SlowDown", "503", "ServiceUnavailable", "RequestLimitExceeded", "TooManyRequests"):
        return f"{place.url}: {place.endpoint} is overloaded (SlowDown) and stayed so; try again later"
    if code in ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"):
        return f"{place.url}: the bytes that arrived were not those that were sent (bad checksum); nothing was stored"
    return None


def _denial(call: str, message: str, place: Place) -> str:
    named = _NAMED_ACTION.search(message)  # AWS says the exact action where a policy is in the way
    action = named[1] if named else IAM_ACTIONS.get(call, f"the one for {call}")
    if action == "sts:AssumeRole":
        return f"{place.url}: access denied: IAM action {action} on {place.role_arn} is missing (or --no-assume-role)"
    if action.startswith("kms:"):
        return f"{place.url}: access denied: IAM action {action} on the bucket's KMS key is missing"
    text = f"{place.url}: access denied: IAM action {action} on {_arn(action, place)} is missing"
    if call == "HeadObject":
        text += " (or the object does not exist, and s3:ListBucket is missing)"
    return text


def _arn(action: str, place: Place) -> str:
    partition = "aws"
    if place.region.startswith("cn-"):
        partition = "aws-cn"
    elif place.region.startswith("us-gov-"):
        partition = "aws-us-gov"
    arn = f"arn:{partition}:s3:::{place.bucket}"
    return arn if action in _ON_BUCKET or place.key is None else f"{arn}/{place.key}"


def _of_client(error: Exception, place: Place) -> str:
    """The call did not get as far as an answer."""
    if isinstance(error, boto.NoCredentialsError):
        return f"no AWS credentials found (looked at: {', '.join(_credential_places())})"
    if isinstance(error, boto.PartialCredentialsError):
        return f"AWS credentials are incomplete: {_tidy(str(error))}"
    if isinstance(error, boto.ProfileNotFound):
        return f"{_tidy(str(error))}; see --profile and AWS_PROFILE"
    if isinstance(error, (boto.UnauthorizedSSOTokenError, boto.SSOTokenLoadError, boto.TokenRetrievalError)):
        return "the AWS SSO session has expired or is not there; run: aws sso login"
    if isinstance(error, (boto.CredentialRetrievalError, boto.MetadataRetrievalError)):
        return f"AWS credentials could not be fetched: {_tidy(str(error))}"
    if isinstance(error, boto.ParamValidationError) and not _OF_BUCKET_OR_KEY.search(str(error)):
        return f"{place.url}: a value that AWS does not take: {_tidy(str(error))}"
    if isinstance(error, boto.ParamValidationError | UnicodeEncodeError):
        return f"{place.url}: S3 has no such bucket name or key: {_tidy(str(error))}"
    if isinstance(error, UnsendableHeaderError):
        return f"{place.url}: {error}"
    if isinstance(error, boto.SSLError):
        return f"{place.endpoint}: no TLS connection (certificate, or not an https endpoint): {_tidy(str(error))}"
    if isinstance(error, boto.ProxyConnectionError):
        return f"{place.endpoint}: the proxy does not let us through: {_tidy(str(error))}"
    if isinstance(error, boto.ConnectionError) and (issuer := _issuer(error, place)):
        said = f"{issuer} (STS) cannot be reached, or does not answer"
        if not place.role_arn:
            return f"{said}; see the network"
        return f"{said}, so {place.role_arn} cannot be taken; see the network, or say --no-assume-role"
    if isinstance(error, (boto.ReadTimeoutError, boto.ConnectTimeoutError)):
        return f"{place.endpoint} does not answer (timed out); see --endpoint-url and the network"
    if isinstance(error, (boto.ConnectionError, boto.ConnectionClosedError, boto.HTTPClientError, HTTPError)):
        return f"{place.endpoint} cannot be reached, or hung up; see --endpoint-url and the network"
    return f"{place.url}: {_tidy(str(error))} (from {place.endpoint})"


def _issuer(error: boto.ConnectionError, place: Place) -> str:
    """The server that hands out credentials, if it was asked and not S3; else ""."""
    asked = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    of_s3 = urlsplit(place.endpoint).netloc  # none where it is AWS's own
    is_another = bool(place.role_arn and of_s3) and not asked.netloc.endswith(of_s3)
    return asked.netloc if asked.netloc.startswith("sts.") or is_another else ""


def _credential_places() -> list[str]:
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    places = [
        "AWS_ACCESS_KEY_ID",
        f"profile {profile} in {os.environ.get('AWS_SHARED_CREDENTIALS_FILE', '~/.aws/credentials')}"
        f" and {os.environ.get('AWS_CONFIG_FILE', '~/.aws/config')}",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "the container's credentials (ECS, EKS)",
    ]
    off = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    return [*places, "EC2 instance metadata (switched off)" if off else "EC2 instance metadata"]


def without_secrets(url: str) -> str:
    """An endpoint URL without the user, password and query that it may hold."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
    except ValueError:  # no URL at all, and no telling what in it is a password
        return "(not shown)"
    scheme = f"{parts.scheme}://" if "://" in url else ""
    return f"{scheme}{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _tidy(text: str) -> str:
    """A server's words as part of one line, bounded, and without signatures."""
    text = _SIGNED.sub("…", " ".join(text.split()))
    text = re.sub(r"(\w+://)[^/@\s]*@", r"\1", text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
