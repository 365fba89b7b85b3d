"""What besides the evidence decides an answer; a plan carries it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flbrecover.recover.window import Window


@dataclass(frozen=True, slots=True)
class Options:
    """``assume_kept``: records that a filter may have dropped on purpose are lost. ``plain_lines``: the lines of a log
    whose parser cannot be used are taken as they are. ``take_ambiguous``: whole objects of lines that anyone may have
    written count as ours. ``upload_ids``: pending uploads to take for this node's."""

    window: Window
    assume_kept: bool = False
    plain_lines: bool = False
    take_ambiguous: bool = True
    upload_ids: tuple[str, ...] = ()

    def to_plan(self) -> dict[str, Any]:
        return {
            "assume_kept": self.assume_kept,
            "plain_lines": self.plain_lines,
            "take_ambiguous": self.take_ambiguous,
            "upload_ids": list(self.upload_ids),
        }

    @classmethod
    def from_plan(cls, window: Window, said: Mapping[str, Any]) -> Options:
        return cls(
            window,
            bool(said.get("assume_kept")),
            bool(said.get("plain_lines")),
            bool(said.get("take_ambiguous", True)),
            tuple(str(upload_id) for upload_id in said.get("upload_ids", ())),
        )
