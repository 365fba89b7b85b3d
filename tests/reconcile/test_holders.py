"""Buffer files on the ledger: one record is one entry, however many files hold it."""

from __future__ import annotations

from array import array

import xxhash
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.model import BufferFile, BufferKind, ByteRange, FileFacts
from flbrecover.reconcile.batch import Batch
from flbrecover.reconcile.columns import NO_TIME, NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.held_records import Halves
from flbrecover.reconcile.holders import Holder
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import digest_of
from flbrecover.reconcile.place_holders import place_holder
from flbrecover.reconcile.precision import ALWAYS, NEVER
from flbrecover.reconcile.runs import Run
from flbrecover.reconcile.states import join_ranges


def a_file(name: str, kind: BufferKind = "data") -> BufferFile:
    facts = FileFacts(name, name, 1, 1, 100, 0)
    return BufferFile(facts, "/s3", kind, "stream", "b", "app", "header", None, ByteRange(24, 100), ByteRange(100, 100))


def hold(
    ledger: Ledger,
    number: int,
    records: list[str],
    *,
    precise: bool = True,
    kind: BufferKind = "data",
    scanned: bool = False,
) -> Holder:
    """Records are ``date/text``: the bytes are all of it, the match key is the text, and with ``scanned`` so is the own
    part."""
    holder = Holder.begin(number, a_file(f"f{number}", kind), ledger)

    def text(at: int) -> bytes:
        return records[at].split("/")[-1].encode()

    def copy(at: int) -> Copy:
        return Copy(at, digest_of(records[at].encode()), (digest_of(text(at)),), None, batch.owns[at])

    count = len(records)
    batch = Batch(
        array("q", range(0, 10 * count, 10)),
        array("q", range(9, 10 * count + 9, 10)),
        Halves.of(digest_of(r.encode()) for r in records),
        array("q", [NO_TIME] * count),
        array("Q", [own(text(at)) if scanned else 0 for at in range(count)]),
    )
    place_holder(ledger, holder, [(batch, copy)], precision=ALWAYS if precise else NEVER)
    return holder


def own(text: bytes) -> int:
    return xxhash.xxh3_64_intdigest(text)


def uploads(ledger: Ledger, *holders: Holder) -> list[tuple[int, int]]:
    """(holder, record) of every record that would be uploaded."""
    return [
        (h.number, i)
        for h in holders
        for i, e in enumerate(h.entries)
        if ledger.held[e] == h.first + i and ledger.stored[e] == NONE
    ]


def test_two_files_with_the_same_bytes_are_one() -> None:
    ledger = Ledger()
    first = hold(ledger, 0, ["1/a", "2/b", "3/c"])
    second = hold(ledger, 1, ["1/a", "2/b", "3/c"])
    assert uploads(ledger, first, second) == [(0, 0), (0, 1), (0, 2)]
    assert second.copies == 3


def test_a_file_doubled_within_itself_counts_once() -> None:
    ledger = Ledger()
    holder = hold(ledger, 0, ["1/a", "2/b", "1/a", "2/b"])
    assert uploads(ledger, holder) == [(0, 0), (0, 1)]


def test_plain_lines_doubled_in_quarantine_count_once() -> None:
    ledger = Ledger()
    holder = hold(ledger, 0, ["a", "beat", "b", "beat", "a", "beat", "b", "beat"], precise=False, kind="quarantine")
    assert uploads(ledger, holder) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_plain_heartbeats_are_all_different_records() -> None:
    ledger = Ledger()
    holder = hold(ledger, 0, ["beat", "beat", "a", "beat"], precise=False)
    other = hold(ledger, 1, ["beat", "z"], precise=False)
    assert len(uploads(ledger, holder, other)) == 6


def test_a_line_read_by_two_agents_is_one_record_when_the_log_shows_all_of_both_files() -> None:
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    for line in "abcd":
        ledger.add(run, "app", digest_of(line.encode()))
    ledger.index_keys()
    first = hold(ledger, 0, ["1/a", "2/b", "3/c"])
    second = hold(ledger, 1, ["9/b", "9/c", "9/d"])
    assert uploads(ledger, first, second) == [(0, 0), (0, 1), (0, 2), (1, 2)]


def test_other_dates_are_other_records_when_the_log_has_lost_lines() -> None:
    """Twenty heartbeats with twenty dates stay twenty, though today's log shows one."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    ledger.add(run, "app", digest_of(b"beat"))
    ledger.index_keys()
    holder = hold(ledger, 0, [f"{n}/beat" for n in range(20)])
    assert len(uploads(ledger, holder)) == 20


LINES = st.lists(st.sampled_from("abcd"), max_size=12)
FILES = st.lists(st.tuples(st.integers(0, 2), LINES | st.tuples(st.integers(0, 8), st.integers(1, 8))), max_size=3)


@given(logs=st.lists(LINES, max_size=3), files=FILES, precise=st.booleans())
def test_what_is_placed_together_is_placed_as_each_would_be(
    logs: list[list[str]], files: list[tuple[int, list[str] | tuple[int, int]]], precise: bool
) -> None:
    """Buffer files of any lines, and of lines that follow each other in the logs."""
    everything = [line for log in logs for line in log]

    def told(*, scanned: bool) -> list[object]:
        ledger, holders = Ledger(), []
        for log in logs:
            run = ledger.runs.begin(Run("app.log"))
            for line in log:
                ledger.add(run, "app", digest_of(line.encode()), own=own(line.encode()))
        ledger.index_keys()
        for number, (date, lines) in enumerate(files):
            some = everything[lines[0] : sum(lines)] if isinstance(lines, tuple) else lines
            holders.append(hold(ledger, number, [f"{date}/{x}" for x in some], precise=precise, scanned=scanned))
        entries = [(list(h.entries), h.copies, h.varied, h.first_ns) for h in holders]
        found = [list(ledger.of_digest(digest_of(f"{date}/{x}".encode()))) for date in range(3) for x in "abcd"]
        return [entries, list(ledger.held.raw()), list(ledger.time.raw()), found]

    assert told(scanned=True) == told(scanned=False)


def test_places_of_many_records_are_those_of_each() -> None:
    ledger = Ledger()
    ledger.records.add(7, 9, bytes(16))  # of another file
    holder = Holder.begin(0, a_file("f"), ledger)
    spans = [ByteRange(0, 4), ByteRange(5, 5), ByteRange(9, 12)]
    for span in spans:
        holder.add(span, bytes(16))
    assert [*holder.places(range(3))] == [(0, 4), (5, 5), (9, 12)]
    assert [*holder.places(range(1, 2))] == [(5, 5)] and [holder.span(n) for n in range(3)] == spans


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=20), st.data())
def test_records_that_follow_each_other_are_one_range(records: list[tuple[int, int]], data: st.DataObject) -> None:
    """``records``: the bytes that lie between a record and the one before it besides its newline, and its size."""
    holder = Holder.begin(0, a_file("f"), Ledger())
    at = 24
    for between, size in records:
        at += between
        holder.add(ByteRange(at, at + size), digest_of(b""))
        at += size + 1
    start = data.draw(st.integers(0, len(records)))
    some = range(start, data.draw(st.integers(start, len(records))))
    assert holder.size(some) == sum(records[n][1] + 1 for n in some)
    assert holder.ranges(some) == join_ranges(holder.places(some), between=1)
