"""What besides the evidence decides an answer; a plan carries it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flbrecover.recover.scratch import DEFAULT_MEMORY


@dataclass(frozen=True, slots=True)
class Options:
    """``now_ns`` is the time of the run; records before ``since_ns`` or after ``until_ns`` are left alone (None: no
    limit).

    ``assume_kept``: records that a filter may have dropped on purpose are lost. ``plain_lines``: the lines of a log
    whose parser cannot be used are taken as they are. ``take_ambiguous``: whole objects of lines that anyone may have
    written count as ours. ``upload_ids``: pending uploads to take for this node's. ``retire``: buffer files that are
    stored are moved out of Fluent Bit's way, and so have to be proven by their bytes. ``full_proof``: every object is
    downloaded, and nothing is told from checksums. ``refused_uploads`` are ids of uploads that S3 refused to complete.
    ``max_memory`` bounds the index of records (bytes). ``former_key_formats``: what ``s3_key_format`` was before;
    objects under its keys are compared as well.
    """

    now_ns: int
    since_ns: int | None = None
    until_ns: int | None = None
    assume_kept: bool = False
    plain_lines: bool = False
    take_ambiguous: bool = True
    upload_ids: tuple[str, ...] = ()
    retire: bool = False
    full_proof: bool = False
    max_memory: int = DEFAULT_MEMORY
    former_key_formats: tuple[str, ...] = ()
    refused_uploads: tuple[str, ...] = ()  # in this run: no part of a plan

    @property
    def by_bytes(self) -> bool:
        """Do only the bytes of objects count?"""
        return self.full_proof or self.retire

    @property
    def has_window(self) -> bool:
        return self.since_ns is not None or self.until_ns is not None

    def covers(self, time_ns: int) -> bool:
        """Does a record of this time lie in the window that was asked for?"""
        early = self.since_ns is not None and time_ns < self.since_ns
        late = self.until_ns is not None and time_ns > self.until_ns
        return not early and not late

    def to_plan(self) -> dict[str, Any]:
        return {
            "assume_kept": self.assume_kept,
            "plain_lines": self.plain_lines,
            "take_ambiguous": self.take_ambiguous,
            "upload_ids": list(self.upload_ids),
            "retire": self.retire,
            "full_proof": self.full_proof,
            "max_memory": self.max_memory,
            "former_key_formats": list(self.former_key_formats),
        }

    @classmethod
    def from_plan(cls, now_ns: int, since_ns: int | None, until_ns: int | None, said: Mapping[str, Any]) -> Options:
        return cls(
            now_ns,
            since_ns,
            until_ns,
            bool(said.get("assume_kept")),
            bool(said.get("plain_lines")),
            bool(said.get("take_ambiguous", True)),
            tuple(str(upload_id) for upload_id in said.get("upload_ids", ())),
            bool(said.get("retire")),
            bool(said.get("full_proof")),
            int(said.get("max_memory", DEFAULT_MEMORY)),
            tuple(str(key_format) for key_format in said.get("former_key_formats", ())),
        )
