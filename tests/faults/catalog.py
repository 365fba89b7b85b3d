"""The faults that the proxy can produce, by name: what S3, the network, and other people do at the worst moment."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from faults.proxy import Action, Answer, Call, Exchange, Rule

_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_NEXT = "the-proxys-next-page"
WRITES = frozenset({"PutObject", "CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart"})
READS = frozenset({"GetObject", "ListObjectsV2", "ListMultipartUploads", "ListParts"})
BODIES = frozenset({"GetObject"})
ANY = frozenset[str]()


@dataclass(frozen=True)
class Fault:
    """``act`` does it to one call. ``on`` are the operations that it can happen to (none: all).

    ``lasting``: where it begins it stays, as when credentials have expired.
    """

    name: str
    act: Action
    on: frozenset[str] = ANY
    lasting: bool = False

    def fits(self, operation: str) -> bool:
        return not self.on or operation in self.on


def _error(status: int, code: str) -> Action:
    return lambda exchange: exchange.error(status, code)


def _late(exchange: Exchange) -> None:
    """The client has given up waiting when the request would have gone on to the server."""
    exchange.body()
    time.sleep(STALL_SECONDS)
    exchange.cut()


def _answer_late(exchange: Exchange) -> None:
    """The server has done it, and the client has given up waiting when the answer comes."""
    answer = exchange.forward()
    time.sleep(STALL_SECONDS)
    exchange.reply(answer)


def _answer_lost(exchange: Exchange) -> None:
    exchange.forward()
    exchange.cut()


def _error_after(exchange: Exchange) -> None:
    """The server has done it and says that it has not."""
    exchange.forward()
    exchange.error(500, "InternalError")


def _cut_in_request(exchange: Exchange) -> None:
    exchange.half_body()
    exchange.cut()


def _cut_in_answer(exchange: Exchange) -> None:
    answer = exchange.forward()
    exchange.reply(answer, send=len(answer.body) // 2)


def _shortened(exchange: Exchange) -> None:
    """A body that ends early under a Content-Length that fits: nothing in HTTP shows it."""
    answer = exchange.forward()
    exchange.reply(replace(answer, body=answer.body[: len(answer.body) // 2]))


def _flipped(at: float) -> Action:
    """One bit of the body is another one."""

    def act(exchange: Exchange) -> None:
        answer = exchange.forward()
        body = bytearray(answer.body)
        if body:
            body[int((len(body) - 1) * at)] ^= 0x04
        exchange.reply(replace(answer, body=bytes(body)))

    return act


def _zeroed(exchange: Exchange) -> None:
    answer = exchange.forward()
    third = len(answer.body) // 3
    exchange.reply(replace(answer, body=answer.body[:third] + bytes(third) + answer.body[2 * third :]))


def _no_condition(exchange: Exchange) -> None:
    """A server that does not know If-None-Match."""
    if "if-none-match" in exchange.call.headers:
        exchange.error(501, "NotImplemented")
    else:
        exchange.reply(exchange.forward())


def _key_twice(exchange: Exchange) -> None:
    """A list that names its first key again at its end, as one that is changed while it is read."""
    answer = exchange.forward()
    first = _CONTENTS.search(answer.body)
    if first:
        changed = answer.body.replace(b"</ListBucketResult>", first[0] + b"</ListBucketResult>")
        answer = replace(answer, body=changed)
    exchange.reply(answer)


STALL_SECONDS = 1.5  # more than the read timeout that trials set

ONCE = (
    Fault("503 SlowDown", _error(503, "SlowDown")),
    Fault("500 InternalError", _error(500, "InternalError")),
    Fault("429 TooManyRequests", _error(429, "TooManyRequests")),
    Fault("400 RequestTimeout", _error(400, "RequestTimeout")),
    Fault("timeout before", _late),
    Fault("timeout after", _answer_late),
    Fault("answer lost", _answer_lost),
    Fault("500 though done", _error_after, on=WRITES),
    Fault("409 conflict", _error(409, "ConditionalRequestConflict"), on=WRITES),
    Fault("cut in request", _cut_in_request),
    Fault("cut in answer", _cut_in_answer),
    Fault("answer shortened", _shortened, on=READS),
    Fault("bit flipped at start", _flipped(0.02), on=BODIES),
    Fault("bit flipped in middle", _flipped(0.5), on=BODIES),
    Fault("bit flipped at end", _flipped(0.99), on=BODIES),
    Fault("zeros in body", _zeroed, on=BODIES),
    Fault("list names a key twice", _key_twice, on=frozenset({"ListObjectsV2"})),
)
LASTING = (
    Fault("503 from then on", _error(503, "SlowDown"), lasting=True),
    Fault("500 from then on", _error(500, "InternalError"), lasting=True),
    Fault("ExpiredToken from then on", _error(400, "ExpiredToken"), lasting=True),
    Fault("AccessDenied from then on", _error(403, "AccessDenied"), lasting=True),
    Fault("RequestTimeTooSkewed from then on", _error(403, "RequestTimeTooSkewed"), lasting=True),
    Fault("network gone from then on", _cut_in_request, lasting=True),
    Fault("answers lost from then on", _answer_lost, lasting=True),
    Fault("If-None-Match unknown", _no_condition, lasting=True),
)
FAULTS = ONCE + LASTING


def at(number: int, fault: Fault) -> Rule:
    """The fault at call ``number`` and, where it is a lasting one, at all that follow."""

    def rule(call: Call) -> Action | None:
        reached = call.number >= number if fault.lasting else call.number == number
        return fault.act if reached and fault.fits(call.operation) else None

    return rule


def deleting(number: int, delete: Callable[[str, str], None]) -> Rule:
    """At call ``number``, the GET of an object, that is deleted (``delete(bucket, key)``) before the server sees it."""

    def act(exchange: Exchange) -> None:
        delete(exchange.call.bucket, exchange.call.key)
        exchange.reply(exchange.forward())

    return lambda call: act if call.number == number else None


def paged(size: int, *, between: Callable[[int], None] = lambda _page: None, repeat: bool = False) -> Rule:
    """Lists in pages of ``size`` keys. ``between(page)`` is called before each page but the first is given out (the
    list changes while it is read); ``repeat``: each page begins with the last key of the one before."""
    pages: dict[str, Answer] = {}
    numbers = itertools.count()

    def act(exchange: Exchange) -> None:
        token = exchange.call.query.get("continuation-token", [""])[0]
        whole, _, number = token.rpartition("#")
        if whole:
            between(int(number))
            exchange.body()
            exchange.reply(_page(pages[whole], whole, int(number), size, repeat))
        else:
            name = f"{_NEXT}-{next(numbers)}"  # several prefixes are listed at once
            pages[name] = exchange.forward()
            exchange.reply(_page(pages[name], name, 0, size, repeat))

    return lambda call: act if call.operation == "ListObjectsV2" else None


def _page(whole: Answer, name: str, number: int, size: int, repeat: bool) -> Answer:
    found: list[bytes] = _CONTENTS.findall(whole.body)
    start, end = number * size, (number + 1) * size
    shown = found[max(0, start - repeat) : end]
    body = _CONTENTS.sub(b"", whole.body)
    more = b"true" if end < len(found) else b"false"
    body = re.sub(rb"<IsTruncated>\w+</IsTruncated>", b"<IsTruncated>" + more + b"</IsTruncated>", body)
    token = f"<NextContinuationToken>{name}#{number + 1}</NextContinuationToken>".encode() if end < len(found) else b""
    body = body.replace(b"</ListBucketResult>", b"".join(shown) + token + b"</ListBucketResult>")
    return replace(whole, body=body)
