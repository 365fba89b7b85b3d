"""Where joined records were broken off, by the pieces that stand in a sequence."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.model import ByteRange
from flbrecover.reconcile.breaks import BreakSearch
from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import digest_of
from flbrecover.reconcile.placement import Placement
from flbrecover.reconcile.runs import Run

Line = tuple[int, int]  # which record, and which of its lines
Piece = tuple[Line, ...]


@dataclass(frozen=True)
class Lines:
    """A joined record of a log whose lines are a byte each."""

    record: int
    starts: range

    def piece(self, first: int, end: int) -> bytes:
        return key(tuple((self.record, line) for line in range(first, end)))

    def end_of(self, first: int, copy: Copy) -> int:
        ends = range(first + 1, len(self.starts) + 1)
        return next((end for end in ends if self.piece(first, end) in copy.keys), 0)

    def start_of(self, end: int, copy: Copy) -> int:
        return next((first for first in range(end) if self.piece(first, end) in copy.keys), NONE)

    def find(self, copy: Copy) -> range:
        found = [(first, end) for first in self.starts for end in [self.end_of(first - self.starts[0], copy)] if end]
        at = [(first - self.starts[0], end) for first, end in found]
        return range(*at[0]) if at and at[0] != (0, len(self.starts)) else range(0)


def key(piece: Piece) -> bytes:
    return digest_of(repr(piece).encode())


def search(sizes: list[int], sequences: list[list[Piece]]) -> dict[int, list[ByteRange]]:
    """Places sequences on a log of records of so many lines; gives what is found broken off."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    for record, size in enumerate(sizes):
        ledger.add(run, "app", key(tuple((record, line) for line in range(size))))
    ledger.index_keys()

    def joined(entry: int) -> Lines | None:
        size = sizes[entry]
        return Lines(entry, range(starts[entry], starts[entry] + size)) if size > 1 else None

    breaks = BreakSearch(ledger, joined)
    for sequence in sequences:

        def put(copy: Copy, entry: int) -> None:
            ledger.store(entry, 0)

        placement = Placement(ledger, put, lambda entry: ledger.stored[entry] != NONE, gap=breaks.look)
        for index, piece in enumerate(sequence):
            placement.feed(Copy(index, key(("copy", *piece)), (key(piece),), None))  # type: ignore[arg-type]
        placement.finish()
    return breaks.found()


@st.composite
def incidents(draw: st.DrawFn) -> tuple[list[int], list[list[Piece]], dict[int, list[ByteRange]]]:
    """The sizes of records, all pieces in some sequences, and where the records were broken off."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    sequences: list[list[Piece]] = [[]]
    broken: dict[int, list[ByteRange]] = {}
    start = 0
    for record, size in enumerate(sizes):
        places = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
        for first, end in zip([0, *places], [*places, size], strict=True):
            sequences[-1].append(tuple((record, line) for line in range(first, end)))
            if draw(st.integers(0, 4)) == 0:
                sequences.append([])
            if end < size:
                broken.setdefault(record, []).append(ByteRange(start + first, start + end))
        start += size
    return sizes, sequences, broken


@given(incidents())
def test_all_pieces_are_found_wherever_the_sequences_are_cut(
    incident: tuple[list[int], list[list[Piece]], dict[int, list[ByteRange]]],
) -> None:
    sizes, sequences, broken = incident
    assert search(sizes, sequences) == broken


@given(incidents(), st.data())
def test_what_of_them_is_there_is_found(
    incident: tuple[list[int], list[list[Piece]], dict[int, list[ByteRange]]], data: st.DataObject
) -> None:
    """Some pieces are nowhere, and some strangers are no pieces: nothing is found where nothing was broken off."""
    sizes, sequences, _ = incident
    strange: Piece = ((-1, 0),)
    for sequence in sequences:
        for at in sorted(data.draw(st.sets(st.integers(0, 20))), reverse=True):
            if at < len(sequence):
                sequence[at : at + 1] = data.draw(st.sampled_from([[], [strange], [sequence[at], strange]]))
    there = {piece for sequence in sequences for piece in sequence}
    found = search(sizes, sequences)
    starts = [sum(sizes[:n]) for n in range(len(sizes))]
    for record, size in enumerate(sizes):
        pieces = [piece for piece in there if piece[0][0] == record and len(piece) < size]
        places = {starts[record] + line for piece in pieces for line in (piece[0][1], piece[-1][1] + 1)}
        places -= {starts[record], starts[record] + size}
        assert {span.end for span in found.get(record, [])} == places


def test_a_record_that_is_somewhere_as_a_whole_is_left_alone() -> None:
    whole: Piece = ((1, 0), (1, 1), (1, 2))
    around: list[Piece] = [((0, 0),), ((2, 0),)]
    in_pieces: list[Piece] = [around[0], whole[:1], whole[1:], around[1]]
    assert search([1, 3, 1], [in_pieces]) == {1: [ByteRange(1, 2)]}
    assert search([1, 3, 1], [in_pieces, [around[0], whole, around[1]]]) == {}
    assert search([1, 3, 1], [[around[0], whole, around[1]], in_pieces]) == {}


def test_of_pieces_with_the_same_lines_the_largest_counts() -> None:
    """A recovery that did not find the smaller ones wrote the larger one."""
    lines = [(1, line) for line in range(4)]
    small: list[Piece] = [((0, 0),), (lines[0],), (lines[1],)]
    large: list[Piece] = [tuple(lines[1:4]), ((2, 0),)]
    assert search([1, 4, 1], [small]) == {1: [ByteRange(1, 2), ByteRange(2, 3)]}
    assert search([1, 4, 1], [small, large]) == {1: [ByteRange(1, 2)]}
