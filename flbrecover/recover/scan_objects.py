"""Scans candidate objects (:mod:`flbrecover.reconcile.scan`): every second one in a second process, where there are two
cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from flbrecover.bucket.client import S3
from flbrecover.reconcile.own_parts import OwnIndex
from flbrecover.reconcile.rebuild import MOST_SIBLINGS
from flbrecover.reconcile.scan import Scanner
from flbrecover.reconcile.segments import Segment
from flbrecover.recover.comparison import Comparison
from flbrecover.recover.gone import SourceBytes
from flbrecover.recover.object_records import ObjectRecords
from flbrecover.recover.read_ahead import AHEAD, ReadAhead
from flbrecover.recover.rules import Rules
from flbrecover.recover.scanned import Scanned, within_bound
from flbrecover.recover.worker import Worker, usable_cores

LOOK_AHEAD = 4 * AHEAD  # candidates that are looked at for those that come next
WORTH_A_WORKER = 32 << 20  # bytes of objects that are still to be read
ASKED = 2  # objects that the worker is asked for at once: it goes on while its last answer waits
_Question = tuple[Sequence[int], int]  # scan the first of these, the others are next; so many siblings are wanted


class ObjectScans:
    """Reads and scans candidates, by number, once all evidence is on the ledger."""

    def __init__(self, found: Comparison, s3: S3, rules: Rules, counted: SourceBytes) -> None:
        self.found = found
        self._s3 = s3
        self._rules = rules
        self._counted = counted
        self._ahead = ReadAhead(s3, found.candidates)
        self._own: OwnIndex | None = None

    def records(self, number: int, *, following: Iterable[int] = ()) -> ObjectRecords:
        """The records of an object; those ``following`` are opened meanwhile."""
        self._ahead.expect(following)
        opened = partial(self._ahead.body, number)
        return ObjectRecords(self._s3, self.found.candidates[number].object, self.found.style, opened)

    def can_scan(self, number: int) -> bool:
        tags = self.found.candidates[number].tags
        return self._rules.cut_of(tags) is not None and not self._counted.wanted(tags)

    def scan(self, number: int, records: ObjectRecords, siblings: int | None = None) -> Iterator[Segment]:
        """The segments of an object that :meth:`can_scan`. So many ``siblings`` are wanted; None: what is known here
        tells how many."""
        tags = self.found.candidates[number].tags
        known = self._index().of(tags)
        cut = self._rules.cut_of(tags)
        assert cut is not None
        probes = [self._rules.probes[tag] for tag in tags if tag in self._rules.probes]
        siblings = self._wanted_siblings(number) if siblings is None else siblings
        joins = not self._rules.joining.isdisjoint(tags)
        return Scanner(self.found.ledger, cut, known, probes, siblings, joins=joins).scan(records.texts())

    def in_turn(self, numbers: Sequence[int], wanted: Callable[[int], bool]) -> Iterator[tuple[int, Scanned | None]]:
        """The numbers in their order, with what a scan told of it where that is done. What is not ``wanted`` when its
        turn is near is not scanned."""
        size = sum(self.found.candidates[number].object.size for number in numbers)
        two = usable_cores() > 1 and size > WORTH_A_WORKER
        worker: Worker[_Question, Scanned] | None = None

        def todo(start: int, *, workers: bool) -> Iterator[int]:
            """What is done here next, or by the worker; not far ahead, for it is asked again and again."""
            for place, number in enumerate(numbers[start : start + LOOK_AHEAD], start):
                if workers == bool(two and place % 2 and self.can_scan(number)) and wanted(number):
                    yield number

        try:
            for place, number in enumerate(numbers):
                scanned = worker.answer() if worker and number in worker.asked else None
                if worker is None and two and wanted(number):
                    self._index()  # the worker is to have it, too
                    with self.found.scratch.still():
                        worker = Worker(_Remote(self))
                while worker and len(worker.asked) < ASKED:
                    new = (n for n in todo(place + 1, workers=True) if n not in worker.asked)
                    theirs = [*islice(new, AHEAD)]
                    if not theirs or not worker.ask(theirs[0], (theirs, self._wanted_siblings(theirs[0]))):
                        break
                self._ahead.expect(islice(todo(place, workers=False), AHEAD))
                yield number, scanned
        finally:
            self._ahead.close()
            if worker:
                worker.close()

    def _wanted_siblings(self, number: int) -> int:
        """How many records of an object are wanted for what they carry besides our fields."""
        tags = self.found.candidates[number].tags
        if not self._rules.of(tags):
            return 0
        seen = [self.found.siblings[tag].seen if tag in self.found.siblings else 0 for tag in tags]
        return max(0, MOST_SIBLINGS - min(seen, default=0))

    def _index(self) -> OwnIndex:
        """What scans look into."""
        if self._own is None:
            self.found.ledger.settle()
            self._rules.known.settle()
            self._own = OwnIndex(self.found.ledger, self.found.scratch.column)
        return self._own

    def open_anew(self) -> None:
        """After a fork: leaves files and connections to the other process."""
        self.found.scratch.release()
        self.found.scratch.look()
        self._s3 = self._s3.reopened()
        self._ahead = ReadAhead(self._s3, self.found.candidates)


class _Remote:
    """Scans in the worker, over connections of its own."""

    def __init__(self, scans: ObjectScans) -> None:
        self._scans = scans
        self._is_open = False

    def __call__(self, question: _Question) -> Scanned | None:
        """What a whole scan told; None where that is too much to be sent."""
        scans, (numbers, siblings) = self._scans, question
        if not self._is_open:
            scans.open_anew()
            self._is_open = True
        records = scans.records(numbers[0], following=numbers)
        segments = within_bound(scans.scan(numbers[0], records, siblings))
        scans.found.breathe()
        if segments is None:
            return None
        return Scanned(segments, records.metadata, records.problems, records.denied, records.too_long)
