"""Which errors pass, which of them something can be done about, and how long to wait before a request is sent again."""

from __future__ import annotations

import random

from botocore.exceptions import ClientError

from flbrecover.bucket.answers import number_of

LONGEST_PAUSE = 20.0  # seconds between two attempts

_RETRIED_STATUS = frozenset({429, 500, 502, 503, 504, 509})
_RETRIED_CODES = frozenset({
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "Throttling", "ThrottlingException",
    "ThrottledException", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "InternalError", "ServiceUnavailable",
})  # fmt: skip
EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidToken",
    "400",  # the answer to a HEAD has no code
})  # fmt: skip
ELSEWHERE = frozenset({
    "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
    "301", "307", "400",
})  # fmt: skip


def headers_of(error: ClientError) -> dict[str, str]:
    return error.response["ResponseMetadata"]["HTTPHeaders"]


def is_passing(error: ClientError) -> bool:
    code, status = error.response["Error"].get("Code", ""), error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _RETRIED_STATUS or code in _RETRIED_CODES


def pause_after(sent: int, retry_after: str | None) -> float:
    """Seconds: random up to a bound that doubles, as botocore's standard mode; not less than the server asks for."""
    least = float(number_of(retry_after) or 0)
    return min(max(random.random() * float(2 ** (sent - 1)), least), LONGEST_PAUSE)
