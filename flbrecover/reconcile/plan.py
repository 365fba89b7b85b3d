"""The plan: a frozen list of actions, each with its reason, and the evidence that it relies on.

A plan is a JSON file. It holds no record contents: an action names the files and byte ranges that its records are in,
how they are rendered, and the SHA-256 of the content that results. The file carries a checksum of itself, so that an
edited plan is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from flbrecover.errors import PlanError
from flbrecover.model import Agent, ByteRange, UploadPart

VERSION = 1

SourceKind = Literal["buffers", "uploads", "lost", "unread"]
ALL_SOURCES: tuple[SourceKind, ...] = ("buffers", "uploads", "lost", "unread")


@dataclass(frozen=True, slots=True)
class Dates:
    """Estimated dates of ``records`` records in a row: numbers ``first`` on of ``total`` that are spread evenly between
    two known times (exclusive)."""

    records: int
    from_ns: int
    to_ns: int
    first: int
    total: int

    def of(self, number: int) -> int:
        """The date of record ``number`` (from 0) of these, in ns."""
        return self.from_ns + (self.to_ns - self.from_ns) * (self.first + number + 1) // (self.total + 1)


@dataclass(frozen=True, slots=True)
class SomeLines:
    """Of a log record whose value is several lines (``log_key``), and so several records of the object: the numbers
    (from 0) of those that are wanted."""

    span: ByteRange
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Records of one file. ``ranges`` cover exactly the wanted records (in compressed logs: of their content).

    For logs: ``input_number`` names the tail input, ``log_name`` the path that its tag was made from, ``dates`` the
    estimated dates (empty where the lines carry their time), ``broken`` spans that were records of their own though
    more lines of the same record follow, ``partial`` records of which not all lines are wanted.
    """

    path: str
    kind: Literal["buffer", "log"]
    ranges: tuple[ByteRange, ...]
    records: int
    input_number: int = 0
    log_name: str = ""
    dates: tuple[Dates, ...] = ()
    broken: tuple[ByteRange, ...] = ()
    partial: tuple[SomeLines, ...] = ()


@dataclass(frozen=True, slots=True)
class Additions:
    """What siblings of the same tag have in common and a rebuilt record gets too: names with raw JSON values.

    ``front`` go right after the date, ``back`` to the end. ``missing`` are names that siblings have with differing
    values: nobody knows the value for a rebuilt record, so it is left out.
    """

    front: tuple[tuple[str, str], ...] = ()
    back: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    siblings: int = 0


@dataclass(frozen=True, slots=True)
class PutRecords:
    """Upload records as one new object. ``size`` and ``sha256`` are of the content before compression."""

    number: int
    output: int
    bucket: str
    tag: str
    key: str
    pieces: tuple[Piece, ...]
    records: int
    size: int
    sha256: str
    first_ns: int
    last_ns: int
    reason: str
    rebuilt: bool = False
    additions: Additions = Additions()
    after_uploads: tuple[str, ...] = ()

    @property
    def estimated(self) -> int:
        """How many of the records carry an estimated date."""
        return sum(dates.records for piece in self.pieces for dates in piece.dates)


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """Complete a pending multipart upload with these parts, so that its records become an object. ``left_out`` are
    later parts of it that are not to be in the object."""

    number: int
    output: int
    bucket: str
    key: str
    upload_id: str
    parts: tuple[UploadPart, ...]
    reason: str
    left_out: tuple[UploadPart, ...] = ()


Action = PutRecords | CompleteUpload


@dataclass(frozen=True, slots=True)
class Relied:
    """A file that the plan relies on: the SHA-256 of its first ``size`` bytes (a log may grow beyond them)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """``since_ns`` to ``until_ns`` is the window that was compared, ``sections`` the configuration it was made with."""

    tool: str
    created_ns: int
    agent: Agent
    sources: tuple[SourceKind, ...]
    since_ns: int | None
    until_ns: int | None
    sections: tuple[Mapping[str, Any], ...]
    evidence: tuple[Relied, ...]
    actions: tuple[Action, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def puts(self) -> tuple[PutRecords, ...]:
        return tuple(a for a in self.actions if isinstance(a, PutRecords))

    @property
    def completions(self) -> tuple[CompleteUpload, ...]:
        return tuple(a for a in self.actions if isinstance(a, CompleteUpload))

    @cached_property
    def id(self) -> str:
        """What objects' metadata and reports call this plan: the first 16 digits of its checksum."""
        return checksum(_body(self))[:16]


def to_json(plan: Plan) -> str:
    """The plan as the text of a plan file."""
    body = _body(plan)
    return json.dumps({**body, "sha256": checksum(body)}, indent=1, ensure_ascii=True) + "\n"


def from_json(text: str, name: str) -> Plan:
    """A plan read back; ``name`` is the file's name for errors. Raises PlanError for anything that is not the very
    text that :func:`to_json` made with this version."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise PlanError(f"{name}: not a plan (no JSON: {e}); make one with `flbrecover diff --plan FILE`") from e
    if not isinstance(body, dict) or body.get("type") != "plan":
        raise PlanError(f"{name}: not a plan; make one with `flbrecover diff --plan FILE`")
    if body.get("version") != VERSION:
        raise PlanError(
            f"{name}: a plan of version {body.get('version')!r}, this tool reads version {VERSION}; make it again"
        )
    said = body.pop("sha256", None)
    if said != checksum(body):
        raise PlanError(f"{name}: its checksum does not match, the file was edited or cut short; make it again")
    try:
        return _plan(body)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as e:
        raise PlanError(f"{name}: a plan with a field missing or of the wrong kind ({e}); make it again") from e


def checksum(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "type": "plan",
        "version": VERSION,
        "tool": plan.tool,
        "created_ns": plan.created_ns,
        "agent": plan.agent,
        "sources": list(plan.sources),
        "since_ns": plan.since_ns,
        "until_ns": plan.until_ns,
        "options": dict(plan.options),
        "sections": [dict(s) for s in plan.sections],
        "evidence": [{"path": r.path, "size": r.size, "sha256": r.sha256} for r in plan.evidence],
        "actions": [_action(a) for a in plan.actions],
    }


def _action(action: Action) -> dict[str, Any]:
    common = {"number": action.number, "output": action.output, "bucket": action.bucket, "key": action.key}
    if isinstance(action, CompleteUpload):
        left_out = {"left_out": _parts_body(action.left_out)} if action.left_out else {}
        return {"action": "complete_upload", **common, "upload_id": action.upload_id,
                "parts": _parts_body(action.parts), **left_out, "reason": action.reason}  # fmt: skip
    return {
        "action": "put_records", **common, "tag": action.tag, "records": action.records, "size": action.size,
        "sha256": action.sha256, "first_ns": action.first_ns, "last_ns": action.last_ns, "reason": action.reason,
        "rebuilt": action.rebuilt, "after_uploads": list(action.after_uploads),
        "additions": {"front": [list(x) for x in action.additions.front],
                      "back": [list(x) for x in action.additions.back],
                      "missing": list(action.additions.missing), "siblings": action.additions.siblings},
        "pieces": [_piece_body(p) for p in action.pieces],
    }  # fmt: skip


def _parts_body(parts: Iterable[UploadPart]) -> list[dict[str, Any]]:
    return [{"number": p.number, "etag": p.etag, "size": p.size} for p in parts]


def _piece_body(piece: Piece) -> dict[str, Any]:
    body: dict[str, Any] = {
        "path": piece.path, "kind": piece.kind, "ranges": [[r.start, r.end] for r in piece.ranges],
        "records": piece.records, "input_number": piece.input_number, "log_name": piece.log_name,
        "dates": [[d.records, d.from_ns, d.to_ns, d.first, d.total] for d in piece.dates],
    }  # fmt: skip
    if piece.broken:
        body["broken"] = [[r.start, r.end] for r in piece.broken]
    if piece.partial:
        body["partial"] = [[some.span.start, some.span.end, *some.numbers] for some in piece.partial]
    return body


def _plan(body: Mapping[str, Any]) -> Plan:
    return Plan(
        tool=str(body["tool"]),
        created_ns=int(body["created_ns"]),
        agent=body["agent"],
        sources=tuple(body["sources"]),
        since_ns=body["since_ns"],
        until_ns=body["until_ns"],
        options=dict(body["options"]),
        sections=tuple(body["sections"]),
        evidence=tuple(Relied(r["path"], int(r["size"]), r["sha256"]) for r in body["evidence"]),
        actions=tuple(_action_from(a) for a in body["actions"]),
    )


def _action_from(a: Mapping[str, Any]) -> Action:
    number, output, bucket, key = int(a["number"]), int(a["output"]), str(a["bucket"]), str(a["key"])
    if a["action"] == "complete_upload":
        parts, left_out = (
            tuple(UploadPart(int(p["number"]), p["etag"], p["size"]) for p in some)
            for some in (a["parts"], a.get("left_out", ()))
        )
        return CompleteUpload(number, output, bucket, key, str(a["upload_id"]), parts, str(a["reason"]), left_out)
    if a["action"] != "put_records":
        raise ValueError(f"unknown action {a['action']!r}")
    extra = a["additions"]
    additions = Additions(
        front=tuple((str(n), str(v)) for n, v in extra["front"]),
        back=tuple((str(n), str(v)) for n, v in extra["back"]),
        missing=tuple(extra["missing"]),
        siblings=int(extra["siblings"]),
    )
    return PutRecords(
        number, output, bucket, str(a["tag"]), key, tuple(_piece(p) for p in a["pieces"]), int(a["records"]),
        int(a["size"]), str(a["sha256"]), int(a["first_ns"]), int(a["last_ns"]), str(a["reason"]),
        bool(a["rebuilt"]), additions, tuple(a["after_uploads"]),
    )  # fmt: skip


def _piece(p: Mapping[str, Any]) -> Piece:
    return Piece(
        path=str(p["path"]),
        kind=p["kind"],
        ranges=tuple(ByteRange(int(start), int(end)) for start, end in p["ranges"]),
        records=int(p["records"]),
        input_number=int(p["input_number"]),
        log_name=str(p["log_name"]),
        dates=tuple(Dates(*map(int, d)) for d in p["dates"]),
        broken=tuple(ByteRange(int(start), int(end)) for start, end in p.get("broken", ())),
        partial=tuple(
            SomeLines(ByteRange(int(start), int(end)), tuple(map(int, numbers)))
            for start, end, *numbers in p.get("partial", ())
        ),
    )
