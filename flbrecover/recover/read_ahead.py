"""Opens objects a little before they are read, so that the waiting for their first bytes is done at the same time: with
a hundred thousand small objects it is most of what reading them takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from flbrecover.bucket.client import S3
from flbrecover.bucket.reading import Body, open_body
from flbrecover.errors import BucketError
from flbrecover.recover.window import Candidate
from flbrecover.threads import Pool

AHEAD = 8  # objects that are open at once
LARGEST = 16 << 20  # bytes; a larger one takes so long that its beginning is no matter, and others would wait for it


class ReadAhead:
    """Bodies of candidates, by number. Threads of this process open them; what was opened and not taken is closed."""

    def __init__(self, s3: S3, candidates: Sequence[Candidate]) -> None:
        self._s3 = s3
        self._candidates = candidates
        self._opening: dict[int, Future[Body]] = {}
        self._pool: Pool | None = None

    def expect(self, numbers: Iterable[int]) -> None:
        """These are read next, in this order, as far as anybody knows."""
        for number in numbers:
            if len(self._opening) >= AHEAD:
                return
            if number not in self._opening and self._candidates[number].object.size <= LARGEST:
                if self._pool is None:
                    self._pool = Pool(AHEAD, "ahead")
                self._opening[number] = self._pool.submit(self._open, number)

    def body(self, number: int) -> Body:
        """The body of a candidate, at its beginning. Raises what opening it raises."""
        opening = self._opening.pop(number, None)
        return self._open(number) if opening is None else opening.result()

    def close(self) -> None:
        if self._pool is None:
            return
        for opening in self._opening.values():
            opening.add_done_callback(_close_body)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._opening, self._pool = {}, None

    def _open(self, number: int) -> Body:
        stored = self._candidates[number].object
        return open_body(self._s3, stored.bucket, stored.key, etag=stored.etag, size=stored.size)


def _close_body(opening: Future[Body]) -> None:
    if opening.cancelled():
        return
    try:
        body = opening.result()
    except BucketError:  # nobody asked for it
        return
    body.close()
