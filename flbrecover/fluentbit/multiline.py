"""``multiline.parser``: joins the lines of one file into records, as src/multiline/flb_ml.c does.

Every multiline parser keeps groups (one a value of its ``key_group``: stdout and stderr are joined apart). A line goes
to the parser that took the last one, then to the others in order; a line that none takes completes all that is waiting
and is a record of its own. What is still waiting at the end of a file is a record, too: Fluent Bit completes it after
``flush_timeout`` (4 s by default). Where it did so in the middle of a record, ``break_off`` does so here.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from flbrecover.fluentbit.log_line import LineJoiner, LogLine, Made, Remark, Report
from flbrecover.fluentbit.multiline_rules import Rule, compile_rules
from flbrecover.fluentbit.parsers import NO_EVENT_TIME, Expression, ParserFunction
from flbrecover.fluentbit.pipeline import MultilineParser
from flbrecover.fluentbit.values import Fields, Value
from flbrecover.model import ByteRange

BUFFER_LIMIT = 2 * 1024 * 1024  # multiline_buffer_limit of [SERVICE], 2MB by default; only regex parsers have it
MAX_JOINED = 64 * 1024 * 1024  # ours, where Fluent Bit has no limit
TOO_LONG = f"lines that belong together are longer than {MAX_JOINED} bytes: the record ends here"
MAX_GROUPS = 6  # FLB_ML_MAX_GROUPS


@dataclass(slots=True)
class _Group:
    """What waits for more lines: the first line's other fields and time, and the content joined so far. ``grew``: a
    line came since a record was made of it, or lost."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    context: Fields | None = None
    time_ns: int | None = None
    rule: Rule | None = None
    rule_known: bool = True
    start: int = -1
    end: int = -1
    terminated: bool = True
    grew: bool = False
    ended: bool = False  # the line with its other fields ended the record before

    def clear(self) -> None:
        self.parts, self.size, self.context = [], 0, None
        self.start, self.end, self.terminated, self.ended = -1, -1, True, False

    def add(self, content: bytes, line: LogLine) -> None:
        if content:
            self.parts.append(content)
            self.size += len(content)
        if self.start < 0:
            self.start = line.start
        self.end = line.end
        self.terminated = self.terminated and line.terminated
        self.grew = True

    def begin(self, fields: Fields | None, time_ns: int | None, line: LogLine) -> None:
        """The other fields of the record, where it has none yet. A line that ends one gives its own to the next."""
        if self.context is None and fields is not None:
            self.context, self.time_ns = fields, time_ns
            self.start = line.start if self.start < 0 else self.start
            self.end = line.end
            self.terminated = self.terminated and line.terminated
            self.grew = True

    def newline(self) -> None:
        if self.parts and not self.parts[-1].endswith(b"\n"):
            self.parts.append(b"\n")
            self.size += 1


class _Instance:
    """One multiline parser of an input, for one file."""

    def __init__(self, parser: MultilineParser, inner: ParserFunction | None, limit: int, report: Report) -> None:
        self.type = "equal" if parser.type in ("eq", "equal") else parser.type
        self.inner = inner
        self.rules = compile_rules(parser) if self.type == "regex" else []
        self._match = (parser.match_string or "").encode("utf-8", "surrogateescape")
        self._negate = parser.negate
        self._content_key = _key(parser.key_content)
        self._pattern_key = _key(parser.key_pattern)
        self._group_key = _key(parser.key_group)
        self._limit = limit
        self._report = report
        self._resumed = False
        self.guessed = False
        self.groups: dict[bytes | None, _Group] = {None: _Group()}

    def take(self, line: LogLine) -> list[Made] | None:
        """The records that the line completes here, or None where this parser does not accept it."""
        fields: Fields | None = None
        time_ns: int | None = None
        content = pattern = line.text
        group = self.groups[None]
        if self.inner is not None:
            parsed = self.inner(line.text)
            if parsed is None:
                return None
            fields, time_ns = parsed
            found = _text(fields, self._content_key)
            if found is None:
                return None
            content = found
            in_pattern = _text(fields, self._pattern_key)
            pattern = content if in_pattern is None else in_pattern
            group = self._group(_text(fields, self._group_key))
        if self.type == "regex":
            return self._by_rules(group, content, fields, time_ns, line)
        if self.type == "endswith" and len(pattern) < len(self._match):
            return [] if fields is None else None  # a plain line that is too short to compare is lost there
        group.begin(fields, time_ns, line)
        if self._content_key is None:
            group.newline()
        group.add(content, line)
        matched = pattern.endswith(self._match) if self.type == "endswith" else pattern == self._match
        if matched != self._negate:
            return self.flush(group)
        if group.size >= MAX_JOINED:
            self._report(Remark(TOO_LONG, ByteRange(group.start, group.end)))
            return self.flush(group)
        return []

    def alone(self, line: LogLine) -> list[Made]:
        """A line that no parser took, as a record. One without content is none."""
        group = self.groups[None]
        group.time_ns = None
        group.add(line.text[: self._limit], line)
        return self.flush(group, parsed=self.inner is None)

    def flush(self, group: _Group, *, parsed: bool = True) -> list[Made]:
        if not group.parts and group.ended:  # Fluent Bit makes a record of the line that ended the last one once more
            group.clear()
            return []
        if self._content_key is None:
            group.newline()
        joined = b"".join(group.parts)
        fields = group.context
        if fields is not None and joined:
            fields = _replaced(fields, self._content_key or b"", joined)
        elif fields is None and joined:
            fields = ((self._content_key or b"log", joined),)
        grew, group.grew = group.grew, False
        made = [Made(fields, group.time_ns, group.start, group.end, parsed, group.terminated)] if fields else []
        if made and group.time_ns == NO_EVENT_TIME:
            group.context = None  # the record is lost, and its text stays in front of the next one's
            return made if grew else []
        group.clear()
        return made

    def resume(self) -> None:
        self._resumed = True
        self.groups[None].rule_known = False

    def could_take(self, line: LogLine) -> bool:
        """Whether the line is accepted here, in some state."""
        content: bytes | None = line.text
        if self.inner is not None:
            parsed = self.inner(line.text)
            content = _text(parsed.fields, self._content_key) if parsed else None
        if content is None or not self.rules:
            return content is not None
        return any(r.expression.search(content) for r in self.rules)

    def flush_all(self) -> list[Made]:
        return [made for group in self.groups.values() for made in self.flush(group)]

    def _group(self, name: bytes | None) -> _Group:
        if name not in self.groups:
            if len(self.groups) >= MAX_GROUPS:
                return self.groups[None]
            self.groups[name] = _Group(rule_known=not self._resumed)
        return self.groups[name]

    def _by_rules(
        self, group: _Group, content: bytes, fields: Fields | None, time_ns: int | None, line: LogLine
    ) -> list[Made] | None:
        made: list[Made] = []
        if not group.rule_known and any(n.expression.search(content) for r in self.rules for n in r.next):
            self.guessed = True
        rule = next((r for r in group.rule.next if r.expression.search(content)), None) if group.rule else None
        if rule is not None:
            group.newline()
            cut = self._append(group, content or b"\n", line)
            if cut:
                group.rule = None
                return self.flush(group)
        else:
            rule = next((r for r in self.rules if r.starts and r.expression.search(content)), None)
            if rule is None:
                return None
            if group.size:
                made += self.flush(group)
            self._append(group, content, line)
            group.begin(fields, time_ns, line)
        group.rule, group.rule_known = rule, True
        ended = rule.ends_record and group.size > 0
        if ended:
            made += self.flush(group)
        group.begin(fields, time_ns, line)
        group.ended = ended
        return made

    def _append(self, group: _Group, content: bytes, line: LogLine) -> bool:
        """Adds content as far as the limit allows; True where something of it did not fit."""
        room = max(self._limit - group.size, 0)
        group.add(content[:room], line)
        return len(content) > room


class MultilineJoiner(LineJoiner):
    """All multiline parsers of an input over one file. ``parsers`` pairs each with its inner parser's function."""

    def __init__(
        self,
        parsers: Sequence[tuple[MultilineParser, ParserFunction | None]],
        report: Report,
        *,
        buffer_limit: int = BUFFER_LIMIT,
    ) -> None:
        limit = buffer_limit if 0 < buffer_limit <= MAX_JOINED else MAX_JOINED
        self._instances = [_Instance(p, inner, limit, report) for p, inner in parsers]
        self._last: _Instance | None = None
        self._last_known = True
        self._guessed = False

    @property
    def expressions(self) -> list[Expression]:
        found = [rule.expression for i in self._instances for rule in i.rules]
        return found + [i.inner.expression for i in self._instances if i.inner and i.inner.expression]

    def feed(self, line: LogLine) -> list[Made]:
        if not self._last_known and sum(i.could_take(line) for i in self._instances) > 1:
            self._guessed = True
        first = [self._last] if self._last else []
        for instance in (*first, *(i for i in self._instances if i is not self._last)):
            made = instance.take(line)
            if made is not None:
                self._last, self._last_known = instance, True
                return made
        return [*self.finish(), *self.alone(line)]

    def alone(self, line: LogLine) -> list[Made]:
        """What becomes of a line that no parser takes."""
        return self._instances[0].alone(line)

    def finish(self) -> list[Made]:
        """All that waits, in the order in which it began."""
        made = [made for instance in self._instances for made in instance.flush_all()]
        return sorted(made, key=lambda m: m.start)

    def break_off(self, starts: Container[int]) -> list[Made]:
        of_all = [(i, group) for i in self._instances for group in i.groups.values()]
        made = [made for i, group in of_all if group.start in starts for made in i.flush(group)]
        return sorted(made, key=lambda m: m.start)

    def waiting(self) -> list[int]:
        return [g.start for instance in self._instances for g in instance.groups.values() if g.start >= 0]

    def resume(self) -> None:
        self._last_known = len(self._instances) == 1
        for instance in self._instances:
            instance.resume()

    @property
    def guessed(self) -> bool:
        return self._guessed or any(instance.guessed for instance in self._instances)


def _replaced(fields: Fields, key: bytes, text: bytes) -> Fields:
    """The text in place of the value under ``key``. Of duplicate keys the first only: behind it Fluent Bit compares
    names with as much of ``key`` as the text is long (``len`` in flb_ml_flush_stream_group is used twice)."""
    out: list[tuple[bytes, Value]] = []
    compared = key
    for name, value in fields:
        if name == compared:
            out.append((name, text))
            compared = key[: len(text)] if len(text) <= len(key) else b""
        else:
            out.append((name, value))
    return tuple(out)


def _key(name: str | None) -> bytes | None:
    return None if name is None else name.encode("utf-8", "surrogateescape")


def _text(fields: Fields, key: bytes | None) -> bytes | None:
    """The first text under ``key``."""
    if key is None:
        return None
    value: Value = next((v for k, v in fields if k == key and isinstance(v, bytes)), None)
    return value if isinstance(value, bytes) else None
