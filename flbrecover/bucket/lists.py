"""An answer of S3 that is a page of a list, in XML."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from xml.etree import ElementTree

from botocore.utils import parse_timestamp

from flbrecover.bucket.answers import UnreadableAnswerError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class Page:
    """The answer's elements by name, whatever namespace a server puts them in. Raises UnreadableAnswerError for what is
    no page of such a list; ``kind`` is how the name of its root begins (servers end it in several ways)."""

    def __init__(self, content: bytes, kind: str) -> None:
        try:
            self._root = ElementTree.fromstring(content)
        except (ElementTree.ParseError, ValueError, LookupError) as e:
            raise UnreadableAnswerError(what=str(e)) from e
        self._namespace = self._root.tag[: self._root.tag.rindex("}") + 1] if "}" in self._root.tag else ""
        if not self._root.tag.startswith(self._namespace + kind):
            raise UnreadableAnswerError(what=f"{self._root.tag!r} where a list is wanted")

    def text(self, name: str) -> str:
        """The text of an element right below the root; "" where there is none."""
        return self._root.findtext(self._namespace + name) or ""

    def items(self, name: str) -> Iterator[dict[str, str]]:
        """Of each element of this name: the texts of what is right below it."""
        cut = len(self._namespace)
        for item in self._root.iterfind(self._namespace + name):
            yield {element.tag[cut:]: element.text or "" for element in item}

    @property
    def is_truncated(self) -> bool:
        return self.text("IsTruncated") == "true"


@lru_cache(maxsize=1024)  # what is of one second is mostly listed together
def time_ns_of(text: str) -> int:
    """``2026-11-23T11:38:24.000Z`` in ns since the epoch. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        moment = _spelled_otherwise(text)
    return time_ns(moment)


def _spelled_otherwise(text: str) -> datetime:
    """A time as other servers spell it. Raises ValueError, also for a time of no known zone."""
    try:
        moment = parse_timestamp(text)
    except (OverflowError, OSError, RuntimeError) as e:  # a number that no clock shows
        raise ValueError(f"not a time: {text[:100]!r}") from e
    if moment.tzinfo is None:
        raise ValueError(f"a time without its zone: {text[:100]!r}")
    return moment


def time_ns(moment: datetime) -> int:
    """A time as ns since the epoch, without the rounding of floats."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def etag_of(text: str) -> str:
    """An ETag without its quotes."""
    return text.strip('"')
