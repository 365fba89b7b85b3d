"""Mutations of real inputs, from a seed alone: bits, bytes, lengths, cuts, repeats, pieces of others, zeros, words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

LARGEST = 64 * 1024
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)
_FIELDS = ((1, "big"), (2, "big"), (4, "big"), (8, "big"), (2, "little"), (4, "little"))
_NOT_UTF8 = b"\x00\xff\xfe\x80\xed\xa0\x80"


class Mutator:
    """``seeds`` are whole inputs; ``words`` what belongs to their format."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> None:
        assert seeds
        self._seeds = [seed[:LARGEST] for seed in seeds]
        self._words = [*words, _NOT_UTF8]

    def make(self, chance: random.Random) -> bytes:
        """An input: one of the seeds after one to six mutations, most often few."""
        data = bytearray(chance.choice(self._seeds))
        for _ in range(min(6, 1 + int(chance.expovariate(0.7)))):
            chance.choice(self._kinds)(self, data, chance)
            if len(data) > LARGEST:
                del data[LARGEST:]
        return bytes(data)

    def _bit(self, data: bytearray, chance: random.Random) -> None:
        if data:
            data[self._at(data, chance) - 1] ^= 1 << chance.randrange(8)

    def _byte(self, data: bytearray, chance: random.Random) -> None:
        if data:
            data[self._at(data, chance) - 1] = chance.randrange(256)

    def _number(self, data: bytearray, chance: random.Random) -> None:
        """A field of a length, a count, an offset."""
        size, order = chance.choice(_FIELDS)
        value = chance.choice((*_NUMBERS, len(data), len(data) - 1, chance.getrandbits(16)))
        at = self._at(data, chance)
        data[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, order)  # type: ignore[arg-type]

    def _cut(self, data: bytearray, chance: random.Random) -> None:
        del data[self._at(data, chance) :]

    def _remove(self, data: bytearray, chance: random.Random) -> None:
        start, end = self._span(data, chance)
        del data[start:end]

    def _repeat(self, data: bytearray, chance: random.Random) -> None:
        start, end = self._span(data, chance)
        data[end:end] = data[start:end] * chance.choice((1, 1, 2, 20))

    def _zero(self, data: bytearray, chance: random.Random) -> None:
        start, end = self._span(data, chance)
        data[start:end] = bytes(end - start)

    def _splice(self, data: bytearray, chance: random.Random) -> None:
        other = chance.choice(self._seeds)
        start, end = self._span(other, chance)
        at = self._at(data, chance)
        data[at : at + chance.choice((0, end - start))] = other[start:end]

    def _word(self, data: bytearray, chance: random.Random) -> None:
        at = self._at(data, chance)
        data[at : at + chance.choice((0, 1, 4))] = chance.choice(self._words) * chance.choice((1, 1, 1, 50))

    @staticmethod
    def _at(data: bytes | bytearray, chance: random.Random) -> int:
        """Half of all places are in the first hundred bytes, where headers are."""
        size = len(data)
        return chance.randrange(min(size, 100) + 1 if chance.random() < 0.5 else size + 1) if size else 0

    def _span(self, data: bytes | bytearray, chance: random.Random) -> tuple[int, int]:
        start = chance.randrange(len(data) + 1)
        return start, min(len(data), start + int(chance.expovariate(1 / 64)))

    _kinds: tuple[Callable[[Mutator, bytearray, random.Random], None], ...] = (
        _bit, _bit, _byte, _number, _number, _cut, _remove, _repeat, _zero, _splice, _word,
    )  # fmt: skip
