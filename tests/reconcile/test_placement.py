"""Placement: which stored record is a copy of which record of the node, repeated ones included."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from flbrecover.reconcile.columns import NONE
from flbrecover.reconcile.copies import Copy
from flbrecover.reconcile.ledger import Ledger
from flbrecover.reconcile.match_key import digest_of
from flbrecover.reconcile.placement import Placement
from flbrecover.reconcile.precision import ALWAYS, NEVER
from flbrecover.reconcile.runs import Run

SECOND = 1_000_000_000


def a_log(lines: list[str], **run: object) -> Ledger:
    ledger = Ledger()
    number = ledger.runs.begin(Run("app.log", **run))  # type: ignore[arg-type]
    for line in lines:
        ledger.add(number, "app", digest_of(line.encode()))
    ledger.index_keys()
    return ledger


def place(
    ledger: Ledger,
    lines: list[str],
    *,
    precise: bool = True,
    number: int = 0,
    times: list[int] | None = None,
    take_ambiguous: bool = True,
    ours: bool = False,
    tags: tuple[str, ...] | None = None,
) -> list[int]:
    """Places an object's lines by their text (as a match key; their bytes are unique to the object)."""
    found = [NONE] * len(lines)

    def put(copy: Copy, entry: int) -> None:
        found[copy.index] = entry
        if ledger.stored[entry] == NONE:
            ledger.stored[entry] = number

    placement = Placement(
        ledger,
        put,
        lambda entry: ledger.stored[entry] != NONE,
        precision=ALWAYS if precise else NEVER,
        take_ambiguous=take_ambiguous,
        tags=tags,
    )
    placement.ours = ours
    for index, line in enumerate(lines):
        digest = digest_of(f"{number} {index} {line}".encode())
        placement.feed(Copy(index, digest, (digest_of(line.encode()),), times[index] if times else None))
    placement.finish()
    return found


def test_distinct_lines_are_found_wherever_they_are() -> None:
    ledger = a_log(["a", "b", "c", "d"])
    assert place(ledger, ["c", "x", "a"]) == [2, NONE, 0]
    assert list(ledger.missing()) == [1, 3]


def test_a_repeated_line_goes_next_to_its_neighbour() -> None:
    ledger = a_log(["start", "beat", "one", "beat", "two", "beat"])
    assert place(ledger, ["one", "beat", "two"]) == [2, 3, 4]
    assert list(ledger.missing()) == [0, 1, 5]


def test_a_repeated_line_before_its_neighbour_is_placed_backwards() -> None:
    ledger = a_log(["beat", "one", "beat", "two"])
    assert place(ledger, ["beat", "two"]) == [2, 3]


def test_a_heartbeat_among_strangers_is_a_stranger() -> None:
    """The same text in another node's object says nothing about ours."""
    ledger = a_log(["one", "beat", "two", "beat"])
    assert place(ledger, ["theirs", "beat", "also theirs"], precise=False) == [NONE, NONE, NONE]
    assert len(list(ledger.missing())) == 4


OURS = [f"line {n} of ours" for n in range(40)]


def test_a_line_of_ours_that_stands_alone_is_found_in_an_object_of_ours() -> None:
    """What stood between them went into another object, or is of another log of the same tag."""
    ledger = a_log(OURS)
    assert place(ledger, [*OURS[:20], OURS[30], *OURS[20:25], OURS[35]], precise=False) == [
        *range(20), 30, *range(20, 25), 35,
    ]  # fmt: skip


def test_where_one_line_is_of_others_a_line_that_stands_alone_proves_nothing() -> None:
    ledger = a_log(OURS)
    assert place(ledger, [*OURS[:20], "theirs", OURS[30]], precise=False) == [*range(20), NONE, NONE]


def test_what_is_ambiguous_stays_so_if_that_is_not_to_be_taken() -> None:
    ledger = a_log(OURS)
    assert place(ledger, [*OURS[:20], OURS[30]], precise=False, take_ambiguous=False) == [*range(20), NONE]


def test_a_line_that_comes_twice_in_our_logs_is_no_line_that_stands_alone() -> None:
    ledger = a_log([*OURS, "beat", "between", "beat"])
    assert place(ledger, ["beat", *OURS[:20]], precise=False) == [NONE, *range(20)]


def test_an_object_of_ours_that_was_sent_twice_takes_no_place_of_another_line() -> None:
    ledger = a_log([*OURS, "beat", "between", "beat", "then"])
    sent = [*OURS[:3], "beat", OURS[30]]
    assert place(ledger, sent, precise=False) == [0, 1, 2, NONE, 30]
    assert place(ledger, sent, precise=False, number=1) == [0, 1, 2, NONE, 30]


def test_thousands_of_the_same_line_under_another_tag_are_no_matter() -> None:
    ledger = a_log(["beat"] * 3000)
    other = ledger.runs.begin(Run("other.log", not_before_ns=1000 * SECOND))
    for line in ("beat", "one", "beat", "beat", "two"):
        ledger.add(other, "other", digest_of(line.encode()))
    ledger.index_keys()
    assert place(ledger, ["one", "beat", "beat", "two"], precise=False, tags=("other",)) == [3001, 3002, 3003, 3004]
    early = [999 * SECOND] * 4  # older than the file by its row: those need 16 neighbours
    assert place(ledger, ["one", "beat", "beat", "two"], precise=False, tags=("other",), times=early) == [NONE] * 4


def test_records_of_ours_are_those_that_were_missing() -> None:
    """An object that flbrecover wrote has other neighbours than the log, and no record that another object has."""
    ledger = a_log(["", "one", "", "beat", "", "two", "", "beat", "", "three", ""])
    assert place(ledger, ["x", "", "beat", "", "two", "y"], precise=False) == [NONE, 2, 3, 4, 5, NONE]
    rest = ["", "one", "", "beat", "", "three", ""]
    assert place(ledger, rest, precise=False, number=1, ours=True) == [0, 1, 6, 7, 8, 9, 10]
    assert list(ledger.missing()) == []


def test_an_object_of_nothing_but_heartbeats_counts_one_for_one() -> None:
    ledger = a_log(["beat"] * 5)
    assert sorted(place(ledger, ["beat", "beat"], precise=False)) == [0, 1]
    assert sorted(place(ledger, ["beat"], precise=False, number=1)) == [2]
    assert len(list(ledger.missing())) == 2


def test_ambiguous_objects_can_be_taken_for_those_of_others() -> None:
    ledger = a_log(["beat"] * 5)
    assert place(ledger, ["beat", "beat"], precise=False, take_ambiguous=False) == [NONE, NONE]
    with_a_line_of_ours = a_log(["one", "beat"])
    assert place(with_a_line_of_ours, ["one", "beat"], precise=False, take_ambiguous=False) == [0, 1]


def test_the_same_object_twice_takes_no_second_entry() -> None:
    ledger = a_log(["one", "beat", "two", "beat", "three"])
    assert place(ledger, ["one", "beat", "two"]) == [0, 1, 2]
    assert place(ledger, ["one", "beat", "two"], number=1) == [0, 1, 2]
    assert list(ledger.missing()) == [3, 4]


def test_without_dates_a_run_of_neighbours_is_recognised() -> None:
    ledger = a_log(["one", "two", "three", "four"])
    assert place(ledger, ["x", "two", "three", "y"], precise=False) == [NONE, 1, 2, NONE]


def test_a_repeated_line_among_thousands_is_placed_by_the_line_after_it() -> None:
    ledger = a_log(["beat"] * 3000 + ["one", "beat", "two"] + ["beat"] * 3000)
    assert place(ledger, ["beat", "beat", "one", "beat"], precise=False) == [2998, 2999, 3000, 3001]


def test_among_thousands_of_timed_lines_the_time_decides() -> None:
    ledger = Ledger(moment=lambda time_ns: time_ns // SECOND)
    run = ledger.runs.begin(Run("app.log", timed=True))
    for at in range(5000):
        ledger.add(run, "app", digest_of(b"beat"), at * SECOND)
    ledger.index_keys()
    assert place(ledger, ["beat"], times=[4321 * SECOND + 7]) == [4321]


def test_a_copy_older_than_its_file_is_another_line() -> None:
    """A banner that an earlier file of the log had as well was not stored from this file."""
    ledger = a_log(["listening on :8080"], not_before_ns=1000 * SECOND)
    assert place(ledger, ["listening on :8080"], times=[900 * SECOND]) == [NONE]
    assert place(ledger, ["listening on :8080"], times=[1001 * SECOND]) == [0]


def test_timed_lines_are_told_apart_by_their_time() -> None:
    ledger = Ledger(moment=lambda time_ns: time_ns // SECOND)
    run = ledger.runs.begin(Run("app.log", timed=True))
    for at in (1, 2, 3):
        ledger.add(run, "app", digest_of(b"beat"), at * SECOND + 5)
    ledger.index_keys()
    assert place(ledger, ["beat"], times=[2 * SECOND]) == [1]
    assert place(ledger, ["beat"], times=[9 * SECOND]) == [NONE]


def test_the_same_fields_with_another_date_need_a_neighbour() -> None:
    """A buffered line with another date than the stored one is the same line only when its neighbours agree."""
    ledger = a_log(["one", "two", "three"])
    for entry, line in enumerate(["one", "two", "three"]):
        ledger.records.add(0, 0, digest_of(b"dated " + line.encode()))
        ledger.hold(entry, entry, None)
    assert place(ledger, ["x", "two", "y"]) == [NONE, NONE, NONE]
    assert place(ledger, ["two", "three"]) == [1, 2]


@given(
    log=st.lists(st.sampled_from(["beat", "tick", *"abcdefghijklmnop"]), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=3),
)
def test_consecutive_objects_of_one_log_are_counted_exactly(log: list[str], cuts: list[int]) -> None:
    """Objects that hold the log's beginning, piece by piece, leave exactly the rest missing, by count of each line."""
    points = sorted({min(c, len(log)) for c in cuts})
    ledger = a_log(log)
    last = 0
    for number, point in enumerate(points):
        place(ledger, log[last:point], number=number)
        last = point
    missing = Counter(log[e] for e in ledger.missing())
    stored = Counter(log) - missing
    assert not stored - Counter(log[:last])  # nothing counts as stored that is not
    unique = {line for line, n in Counter(log).items() if n == 1}
    assert {line for line in log[:last] if line in unique} <= set(stored)  # and nothing unmistakable is overlooked


def logs_of(*files: tuple[list[str], bool]) -> Ledger:
    """The lines of each file, and whether it goes on where the one before it ended."""
    ledger = Ledger()
    for lines, follows in files:
        number = ledger.runs.begin(Run("a file", follows=follows))
        for line in lines:
            ledger.add(number, "app", digest_of(line.encode()))
    ledger.index_keys()
    return ledger


def test_neighbours_across_a_rotation() -> None:
    """What only neighbours tell is told beyond the end of a file, forwards and backwards, if nothing lies between."""
    beats = ["beat"] * 3
    ledger = logs_of(([*beats, "a"], False), (beats, True), (["b", *beats], True))
    assert place(ledger, ["a", "beat", "beat"]) == [3, 4, 5]
    assert place(ledger, ["beat", "b", "beat"], number=1) == [6, 7, 8]
    ledger = logs_of(([*beats, "a"], False), (beats, False), (["b", *beats], False))
    assert place(ledger, ["a", "beat", "beat"]) == [3, NONE, NONE]
    assert place(ledger, ["beat", "b", "beat"], number=1) == [NONE, 7, 8]


def test_strangers_across_a_rotation_are_what_lies_between() -> None:
    """Spelled in another way: as many as there are entries between two that were found."""
    ledger = logs_of((["a", "b"], False), ([], True), (["c", "d"], True))
    assert place(ledger, ["a", "B", "C", "d"]) == [0, 1, 2, 3]
    ledger = logs_of((["a", "b"], False), ([], False), (["c", "d"], True))
    assert place(ledger, ["a", "B", "C", "d"]) == [0, NONE, NONE, 3]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=8))
def test_chains(files: list[tuple[int, bool]]) -> None:
    files = [(size, follows and at > 0) for at, (size, follows) in enumerate(files)]
    ledger = logs_of(*((["x"] * size, follows) for size, follows in files))
    chains: list[list[int]] = []
    entry = 0
    for size, follows in files:
        chains += [] if follows else [[]]
        chains[-1] += range(entry, entry + size)
        entry += size
    of = {entry: chain for chain in chains for entry in chain}
    for first in range(entry):
        assert list(ledger.runs.chain(first)) == of[first]
        for second in range(entry):
            assert ledger.runs.are_of_one_chain(first, second) == (of[first] is of[second])
            assert ledger.runs.are_neighbours(first, second) == (second == first + 1 and of[first] is of[second])


def alternating(lines: list[str], tags: list[str]) -> Ledger:
    """A log whose lines have these tags in turn."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    for number, line in enumerate(lines):
        ledger.add(run, tags[number % len(tags)], digest_of(line.encode()))
    ledger.index_keys()
    return ledger


def test_neighbours_are_those_of_the_same_tag() -> None:
    """A filter gives every other line another tag, and so another object."""
    lines = ["beat", "beat", "one", "two", "beat", "beat", "three", "four", "beat", "beat"]
    ledger = alternating(lines, ["even", "odd"])
    assert place(ledger, ["one", "beat", "three"], tags=("even",)) == [2, 4, 6]
    assert place(ledger, ["beat", "two"], tags=("odd",)) == [1, 3]
    between = ["theirs", "two", "beat", "four", "theirs"]
    assert place(ledger, between, tags=("odd",), precise=False) == [NONE, 3, 5, 7, NONE]


def test_strangers_between_two_neighbours_of_a_tag_are_the_entries_between() -> None:
    ledger = alternating([f"line {n}" for n in range(12)], ["even", "odd", "odd"])
    assert place(ledger, ["line 0", "line three", "line 6"], tags=("even",)) == [0, 3, 6]
    assert place(ledger, ["line 1", "line two", "line four", "line 7"], tags=("odd",)) == [1, NONE, NONE, 7]


def test_neighbours_of_a_tag_may_be_in_two_files() -> None:
    ledger = Ledger()
    for number in range(2):
        run = ledger.runs.begin(Run(f"app.log.{number}", follows=bool(number)))
        for line in range(4):
            ledger.add(run, ("even", "odd")[line % 2], digest_of(f"{number} {line}".encode()))
    ledger.index_keys()
    assert ledger.runs.after(2) == 4
    assert ledger.runs.before(5) == 3
    assert ledger.runs.after(6) == NONE
    assert place(ledger, ["theirs", "0 2", "1 0", "theirs"], tags=("even",), precise=False) == [NONE, 2, 4, NONE]


STACK = [*(f"  at a.b:{n}" for n in range(20)), ""]


def test_a_stack_that_stands_in_the_log_as_well_is_not_that_of_ours() -> None:
    """What stands around it does not: it was logged before the log that is left, and so was what lies between two."""
    ledger = a_log(["error 1", *STACK, "ours 1", "ours 2", "error 2", *STACK, "ours 3"])
    theirs = ["error -1", *STACK, "theirs 1", "theirs 2", "error 0", *STACK, "theirs 3"]
    assert place(ledger, theirs) == [NONE] * len(theirs)
    ours = ["theirs", "error 2", *STACK, "theirs"]
    assert place(ledger, ours) == [NONE, *range(24, 46), NONE]


def test_strangers_next_to_a_guess_are_strangers() -> None:
    ledger = a_log(["one", "two", "beat", "three", "four", "beat"])
    assert place(ledger, ["one", "beat", "theirs", "four"]) == [0, 2, NONE, 4]


def test_a_line_that_two_tags_have_is_of_the_tag_of_its_neighbours() -> None:
    """A filter keeps each line and sends it under another tag too; their keys do not tell which tag an object has."""
    ledger = Ledger()
    run = ledger.runs.begin(Run("app.log"))
    for line in range(12):
        for tag in ("app", "copies"):
            ledger.add(run, tag, digest_of(f"line {line}".encode()))
    ledger.index_keys()
    both = ("app", "copies")
    for tag in both:
        found = place(ledger, ["line 1", "line 2", "line 8", "line 9"], tags=both, precise=False)
        assert [ledger.runs.tag_of(entry) for entry in found] == [tag] * 4
