"""The options of an Onigmo expression, which change from group to group."""

from __future__ import annotations

from dataclasses import dataclass

from flbrecover.fluentbit import onigmo_sets as sets


@dataclass(frozen=True, slots=True)
class Flags:
    ignore_case: bool = False
    dot_all: bool = False
    extended: bool = False

    def changed(self, on: str, off: str) -> Flags:
        """With these letters on and off. Raises ValueError for one that is none."""
        if set(on + off) - set("imx"):
            raise ValueError(f"the option (?{on}{'-' + off if off else ''})")
        state = {"i": self.ignore_case, "m": self.dot_all, "x": self.extended}
        state.update({**dict.fromkeys(on, True), **dict.fromkeys(off, False)})
        return Flags(state["i"], state["m"], state["x"])

    def literal(self, code: int) -> sets.CharPattern:
        """A pattern for a character."""
        ranges = sets.both_cases(((code, code),)) if self.ignore_case else ((code, code),)
        return sets.char_pattern(ranges, invalid=False)

    def same(self, reference: str) -> str:
        """A pattern for what a reference stands for."""
        return f"(?i:{reference})" if self.ignore_case else reference
