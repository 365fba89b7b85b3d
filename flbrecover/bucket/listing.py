"""What stands in a bucket, as S3 lists it: several prefixes at once, and pages ahead of whoever takes the objects."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote_plus

from flbrecover.bucket.answers import UnreadableAnswerError
from flbrecover.bucket.client import S3
from flbrecover.bucket.denied import DeniedError, explained
from flbrecover.bucket.lists import Page, etag_of, time_ns_of
from flbrecover.errors import BucketError
from flbrecover.model import StoredObject
from flbrecover.threads import Pool

LISTS = 8  # prefixes that are listed at once
MOST_LEVELS = 8  # of folders that are looked through for one that branches
PAGES_AHEAD = 1  # of each of them, with at most 1000 objects each; one more is on its way
_READING = threading.Lock()  # one answer is taken apart at a time: no thread is faster for it, and each takes 3 MB


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys that start with ``prefix``. Those before ``first``, or from ``beyond`` on (by bytes; None: no end), are
    not wanted: they may be left out."""

    prefix: str
    first: str = ""
    beyond: str | None = None


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """Ranges under one prefix, that of a tag, say."""

    prefix: str
    ranges: tuple[KeyRange, ...]

    @property
    def first(self) -> str:
        """No wanted key is before this one, by bytes."""
        return min(max(one.prefix, one.first) for one in self.ranges)


def objects_of(s3: S3, bucket: str, groups: Iterable[KeyGroup]) -> Iterator[StoredObject]:
    """:func:`objects` for ranges that often hold little: where all that stands under a group's prefix, from its first
    wanted key on, fits into one page, that is one request instead of one for each hour and tag. Objects that lie in no
    range may be among them."""
    alone, ranges = _alone(groups)
    pool = Pool(LISTS, "list")
    asked: deque[tuple[KeyGroup, Future[Sequence[StoredObject] | None]]] = deque()
    try:
        while alone or asked:
            while alone and len(asked) < LISTS:
                group = alone.popleft()
                asked.append((group, pool.submit(_at_once, s3, bucket, group)))
            group, page = asked.popleft()
            found = page.result()
            if found is None:
                ranges += group.ranges
            else:
                yield from found
    finally:
        pool.shutdown(cancel_futures=True)
    yield from objects(s3, bucket, ranges)


def objects_split(s3: S3, bucket: str, wanted: Iterable[str | KeyRange]) -> Iterator[StoredObject]:
    """:func:`objects` for prefixes that may hold very much: where they are too few to be listed at once, what does not
    fit into a page is listed by the folders below it."""
    ranges: list[KeyRange] = []
    few = _apart(wanted)
    if len(few) >= LISTS:
        few, ranges = [], few
    for one in few:
        found = _at_once(s3, bucket, KeyGroup(one.prefix, (one,)))
        if found is None:
            found, below = _below(s3, bucket, one)
            ranges += below
        yield from found
    yield from objects(s3, bucket, ranges)


def objects(s3: S3, bucket: str, wanted: Iterable[str | KeyRange]) -> Iterator[StoredObject]:
    """Every object under one of the prefixes, each once, streamed; nothing is asked before the first is taken.

    Where prefixes cover each other the shorter one counts. They are listed in order, the objects of each in the
    server's own: AWS lists by byte, others by folder. Objects that come or go meanwhile may be in it or not. Raises
    BucketError.
    """
    ranges = _apart(wanted)
    if not ranges:
        return
    stop = threading.Event()
    lists = [queue.Queue[_Item](PAGES_AHEAD) for _ in ranges]
    pool = Pool(min(LISTS, len(ranges)), "list")
    try:
        for one, pages in zip(ranges, lists, strict=True):
            pool.submit(_list, s3, bucket, one, pages, stop)
        for pages in lists:
            while (item := pages.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield from item
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for pages in lists:
            _drain(pages)
        pool.shutdown()


_Item = list[StoredObject] | BaseException | None  # a page, an end by error, the end


def _list(s3: S3, bucket: str, wanted: KeyRange, pages: queue.Queue[_Item], stop: threading.Event) -> None:
    """Puts the pages of one prefix into the queue, waiting while it is full, and None behind the last."""
    try:
        for page in _pages(s3, bucket, wanted):
            pages.put(page)
            if stop.is_set():
                return
        pages.put(None)
    except BaseException as e:  # noqa: BLE001 - raised where the objects are taken
        pages.put(e)


def _drain(pages: queue.Queue[_Item]) -> None:
    """Lets a list that waits for room go on, and see that it is to stop."""
    while True:
        try:
            pages.get_nowait()
        except queue.Empty:
            return


def _pages(s3: S3, bucket: str, wanted: KeyRange) -> Iterator[list[StoredObject]]:
    seen: set[str] = set()  # keys of the page before: a server may repeat the last one
    position: tuple[str, str] | None = None
    if wanted.first > wanted.prefix and s3.transport.lists_by_byte:
        position = ("start-after", wanted.first[:-1])
    while True:
        with explained(s3.place(bucket)):
            page = _page(s3, bucket, wanted.prefix, position)
        fitting = [o for o in page.objects if o.key.startswith(wanted.prefix) and o.key not in seen]
        if fitting:
            yield fitting
        if not page.more:
            return
        seen = {o.key for o in page.objects}
        last = page.objects[-1].key.encode() if page.objects and s3.transport.lists_by_byte else None
        if last is not None and wanted.beyond is not None and last >= wanted.beyond.encode():
            return
        following = ("continuation-token", page.more)
        if last is not None and last < wanted.first[:-1].encode():
            following = ("start-after", wanted.first[:-1])
        if following == position:
            raise BucketError(f"s3://{bucket}/{wanted.prefix}: {s3.endpoint} lists the same objects again and again")
        position = following


@dataclass(frozen=True, slots=True)
class _Page:
    """``more``: the token that the next page is asked for with; "" for the last page. ``folders``: with a delimiter,
    the prefixes up to it."""

    objects: Sequence[StoredObject]
    more: str
    folders: Sequence[str]


def _alone(groups: Iterable[KeyGroup]) -> tuple[deque[KeyGroup], list[KeyRange]]:
    """Groups of several ranges whose prefixes do not cover each other, and the ranges of all others."""
    of_prefix: dict[str, set[KeyRange]] = {}
    for group in groups:
        of_prefix.setdefault(group.prefix, set()).update(group.ranges)
    alone: deque[KeyGroup] = deque()
    ranges: list[KeyRange] = []
    last: str | None = None  # the prefix before, or the one that covers it
    for prefix, after in pairwise([*sorted(of_prefix), ""]):
        covered = last is not None and prefix.startswith(last)
        if covered or len(of_prefix[prefix]) == 1 or (after and after.startswith(prefix)):
            ranges += of_prefix[prefix]
        else:
            alone.append(KeyGroup(prefix, tuple(of_prefix[prefix])))
        last = last if covered else prefix
    return alone, ranges


def _at_once(s3: S3, bucket: str, group: KeyGroup) -> Sequence[StoredObject] | None:
    """The objects of a group by one request, by two where it is not known yet how the server lists; None where there
    are more than a page of them."""
    while True:
        by_byte = s3.transport.lists_by_byte and group.first > group.prefix
        position = ("start-after", group.first[:-1]) if by_byte else None
        try:
            with explained(s3.place(bucket)):
                page = _page(s3, bucket, group.prefix, position)
        except DeniedError:  # a policy may allow the longer prefixes only; they are asked for then
            return None
        if not page.more:
            return [o for o in page.objects if o.key.startswith(group.prefix)]
        if by_byte or not (s3.transport.lists_by_byte and group.first > group.prefix):
            return None


def _below(s3: S3, bucket: str, wanted: KeyRange) -> tuple[Sequence[StoredObject], list[KeyRange]]:
    """The objects beside the first folders that a range branches into, and these folders; the range itself where there
    are too many of them, or none."""
    prefix = wanted.prefix
    for _ in range(MOST_LEVELS):
        try:
            with explained(s3.place(bucket)):
                page = _page(s3, bucket, prefix, ("delimiter", "/"))
        except DeniedError:  # a policy may allow no delimiter
            break
        folders = [name for name in page.folders if name.startswith(prefix) and name != prefix]
        if page.more or not folders:
            break
        if len(folders) > 1 or page.objects:
            beside = [o for o in page.objects if o.key.startswith(prefix)]
            return beside, [KeyRange(name, wanted.first, wanted.beyond) for name in folders]
        prefix = folders[0]
    return (), [wanted]


def _page(s3: S3, bucket: str, prefix: str, more: tuple[str, str] | None) -> _Page:
    """One answer. ``more`` is what else is asked: where to go on, or a delimiter."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix), *([more] if more else [])]
    answer = s3.transport.send("ListObjectsV2", "GET", bucket, query=query)
    with _READING:
        return _page_of(answer.content, bucket)


def _page_of(content: bytes, bucket: str) -> _Page:
    page = Page(content, "ListBucket")
    encoded = page.text("EncodingType") == "url"
    try:
        found = [_object(bucket, said, encoded) for said in page.items("Contents")]
        folders = [_unquoted(said["Prefix"], encoded) for said in page.items("CommonPrefixes")]
    except (KeyError, ValueError) as e:
        raise UnreadableAnswerError(what=str(e)) from e
    more = page.text("NextContinuationToken") if page.is_truncated else ""
    if not more and page.is_truncated:
        raise UnreadableAnswerError(what="it says that there is more to list, and not where")
    return _Page(found, more, folders)


def _object(bucket: str, said: dict[str, str], encoded: bool) -> StoredObject:
    key = _unquoted(said["Key"], encoded)
    return StoredObject(bucket, key, int(said["Size"]), etag_of(said.get("ETag", "")), time_ns_of(said["LastModified"]))


def _unquoted(text: str, encoded: bool) -> str:
    return unquote_plus(text) if encoded and ("%" in text or "+" in text) else text


def _apart(wanted: Iterable[str | KeyRange]) -> list[KeyRange]:
    """The ranges without those whose prefix another one covers, which then has no bounds."""
    ranges = {one if isinstance(one, KeyRange) else KeyRange(one) for one in wanted}
    kept: list[KeyRange] = []
    for one in sorted(ranges, key=lambda r: r.prefix):
        if not kept or not one.prefix.startswith(kept[-1].prefix):
            kept.append(one)
        else:
            kept[-1] = KeyRange(kept[-1].prefix)
    return kept
