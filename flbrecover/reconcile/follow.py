"""Records that follow each other in a buffer file or an object just as entries do on the ledger: compared many at a
time, by the hashes of their own parts."""

from __future__ import annotations

from array import array

from flbrecover.reconcile.ledger import Ledger


def following(ledger: Ledger, owns: array[int], at: int, entries: range) -> int:
    """How many of ``owns``, from ``at`` on, are those of ``entries``, one by one."""
    most = min(len(owns) - at, len(entries))
    if most <= 0 or not owns[at]:  # 0: nobody knows
        return 0
    ours = owns[at : at + most].tobytes()
    theirs = ledger.own.read(entries.start, entries.start + most).tobytes()
    if ours == theirs:
        return most
    size = owns.itemsize
    low, high = 0, most - 1  # so many follow surely, so many at most
    while low < high:
        middle = (low + high + 1) // 2
        if ours[: middle * size] == theirs[: middle * size]:
            low = middle
        else:
            high = middle - 1
    return low
