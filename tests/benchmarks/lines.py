"""Log lines as applications write them, and the records that Fluent Bit makes of them: repeatable, and quick to make.

A line has some 270 bytes: fields of few values, which make it compress some 7 times as real logs do, and a request id
that makes it one of its kind. Everything follows from a seed.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

Flavour = Literal["plain", "cri"]
BLOCK = 4096  # lines made at a time
SECOND_US = 1_000_000
ID = 12  # random bytes of a request id

_PATHS = [f"/api/v{v}/{noun}/{verb}" for v in (1, 2) for noun in ("carts", "orders", "users", "stock", "prices")
          for verb in ("list", "get", "update", "checkout", "cancel", "search")]  # fmt: skip
_AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) {browser}/{major}.0 Safari/537.36"
    for system in ("X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7", "Windows NT 10.0; Win64; x64")
    for browser, major in (("Chrome", 128), ("Chrome", 129), ("Edg", 128), ("OPR", 114))
]
_MESSAGES = [
    f"{what} {how}" for what in ("upstream answered", "cache entry refreshed", "payment authorised", "row locked",
                                 "session extended", "message published to topic shop.orders.v2")
    for how in ("within its deadline", "after one retry", "from the replica in zone b", "without a transaction")
]  # fmt: skip
_LEVELS = ["info", "info", "info", "info", "info", "debug", "warn", "error"]
_STATUS = [200, 200, 200, 200, 201, 204, 304, 400, 404, 500]

# what stands before and behind the request id: a few thousand of each
_HEADS = [
    f'level={level} method={method} path={path} status={status}'
    for level in _LEVELS for method in ("GET", "POST") for path in _PATHS for status in _STATUS
]  # fmt: skip
_TAILS = [f'msg="{message}" agent="{agent}"' for message in _MESSAGES for agent in _AGENTS]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one application in writing order: ``raw`` as they stand in the log, ``json`` as records, each with its
    newline; ``first_us`` is the time of the first one, in microseconds since the epoch."""

    raw: list[bytes]
    json: list[bytes]
    first_us: int


def make(seed: str, count: int, *, flavour: Flavour, start_us: int, span_us: int) -> Iterator[Lines]:
    """``count`` lines, spread evenly over ``span_us`` from ``start_us``, a block at a time."""
    chance = random.Random(seed)
    clock: dict[int, str] = {}
    step = max(1, span_us // max(1, count))
    for done in range(0, count, BLOCK):
        n = min(BLOCK, count - done)
        first = start_us + done * step
        yield _block(chance, n, flavour, first, step, clock)


def _block(chance: random.Random, n: int, flavour: Flavour, first: int, step: int, clock: dict[int, str]) -> Lines:
    ids = chance.randbytes(ID * n).hex()
    picks = array("H", chance.randbytes(8 * n))
    heads, tails, heads_of, tails_of = _HEADS, _TAILS, len(_HEADS), len(_TAILS)
    texts = [
        f"{heads[picks[4 * i] % heads_of]} req={ids[2 * ID * i : 2 * ID * (i + 1)]} user={picks[4 * i + 1] % 5000} "
        f"took={picks[4 * i + 2] % 900}ms {tails[picks[4 * i + 3] % tails_of]}"
        for i in range(n)
    ]
    times = [divmod(first + i * step + picks[4 * i] % step, SECOND_US) for i in range(n)]
    for second in range(times[0][0], times[-1][0] + 2):
        clock[second] = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    escaped = [text.replace('"', '\\"') for text in texts]
    if flavour == "plain":
        raw = "\n".join(texts)
        json = "\n".join(
            [f'{{"date":"{clock[s]}.{us:06d}Z","log":"{t}"}}' for (s, us), t in zip(times, escaped, strict=True)]
        )
    else:
        ends = [f"{clock[s]}.{us:06d}" for s, us in times]
        # Fluent Bit parses the fraction as a float: a whole microsecond may come out as the one before
        exact = [f"{at}{100 + pick % 800}Z" for at, pick in zip(ends, picks, strict=False)]
        raw = "\n".join([f"{e} stdout F {t}" for e, t in zip(exact, texts, strict=True)])
        json = "\n".join(
            [
                f'{{"date":"{at}Z","time":"{e}","stream":"stdout","_p":"F","log":"{t}"}}'
                for at, e, t in zip(ends, exact, escaped, strict=True)
            ]
        )
    return Lines(_split(raw), _split(json), times[0][0] * SECOND_US + times[0][1])


def _split(text: str) -> list[bytes]:
    return (text + "\n").encode("ascii").splitlines(keepends=True)


def sizes(flavour: Flavour) -> tuple[float, float]:
    """(bytes of a line, bytes of its record), on average."""
    lines = next(make("size", BLOCK, flavour=flavour, start_us=0, span_us=3600 * SECOND_US))
    return sum(map(len, lines.raw)) / BLOCK, sum(map(len, lines.json)) / BLOCK
