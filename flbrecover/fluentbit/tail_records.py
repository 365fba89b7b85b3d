"""From the lines of one file to records, as the tail input makes them (``process_content`` in in_tail/tail_file.c)."""

from __future__ import annotations

import re
from collections.abc import Container
from contextlib import suppress

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import multiline_rules, parsers
from flbrecover.fluentbit.docker_mode import DockerModeJoiner
from flbrecover.fluentbit.first_line import FirstLineJoiner
from flbrecover.fluentbit.log_line import LineJoiner, LogLine, Made, Remark, Report
from flbrecover.fluentbit.multiline import BUFFER_LIMIT, MultilineJoiner
from flbrecover.fluentbit.parsers import NO_EVENT_TIME, Expression, ParserFunction, UnusableRegexError
from flbrecover.fluentbit.pipeline import Parser, Pipeline, TailInput
from flbrecover.fluentbit.record_joiner import RecordJoiner, joining_parsers
from flbrecover.fluentbit.values import Fields, Offset
from flbrecover.model import ByteRange
from flbrecover.wording import count

_DROPPED = "with a time before 1970 or after February 2106: Fluent Bit drops such a record, and it is not recovered"
_BINARY_SIZE = re.compile(r"([0-9]{1,12})\.?[0-9]*(?:([kmg]?)(?:i?b)?)", re.IGNORECASE)


class TailRecords:
    """The records of one file of a tail input.

    ``path`` is the path that Fluent Bit matched (for Path_Key), ``tag`` the log's, ``near_ns`` the file's mtime (for
    times without a year). Raises ConfigError for a parser that nothing defines or that Fluent Bit refuses, and
    UnusableRegexError. With ``plain_when_regex_fails`` the latter makes plain lines instead; ``report`` is told.
    """

    def __init__(
        self,
        tail: TailInput,
        pipeline: Pipeline,
        *,
        path: str,
        tag: str,
        near_ns: int,
        report: Report,
        plain_when_regex_fails: bool = False,
    ) -> None:
        self._tail = tail
        self._pipeline = pipeline
        self._near_ns = near_ns
        self._report = report
        self._expressions: list[Expression] = []
        self._key = _bytes(tail.key)
        self._path: Fields = () if tail.path_key is None else ((_bytes(tail.path_key), _bytes(path)),)
        self._offset_key = None if tail.offset_key is None else _bytes(tail.offset_key)
        self._end = 0
        self._dropped: ByteRange | None = None  # from the first to the last record that no event can be made of
        self._drops = 0
        self._parser: ParserFunction | None = None
        self._joiner: LineJoiner | None = None
        self._core = False
        self._records: RecordJoiner | None = None
        try:
            self._choose()
        except UnusableRegexError as e:
            if not plain_when_regex_fails:
                raise
            self._joiner, self._parser, self._core, self._expressions = None, None, False, []
            report(Remark(f"{e}; its lines are taken as plain text", unreadable=False))
        self._choose_filter(tag)

    def feed(self, line: LogLine) -> list[Made]:
        """The records that a line completes."""
        return self._joined(self._events(self._feed(line)))

    @property
    def joined(self) -> bool:
        """Whether the records are those that a ``multiline`` filter, the first one, makes of the input's."""
        return self._records is not None

    def _joined(self, made: list[Made]) -> list[Made]:
        if self._records is None:
            return made
        return [joined for record in made for joined in self._records.feed(record)]

    def _feed(self, line: LogLine) -> list[Made]:
        self._end = line.end
        if line.cut:
            before = self._joiner.finish() if isinstance(self._joiner, FirstLineJoiner) else []
            return [*before, self._plain(line.content, line, parsed=self._parser is None)]
        if self._joiner is None:
            return self._single(line.text, line.content, line)
        made = self._joiner.feed(line)
        if not self._core:
            return made
        return [self._with_keys(m, line.start if m.end == line.end else m.end) for m in made]

    def finish(self) -> list[Made]:
        """What waits for more lines at the end of the file; and ``report`` hears of expressions that took too long, and
        of records that Fluent Bit drops."""
        waiting = self._records.finish() if self._records else []  # the filter waits for 2 s, the input for 4
        made = self._events(self._joiner.finish() if self._joiner else [])
        if self._dropped:
            self._report(Remark(f"{count(self._drops, 'record')} {_DROPPED}", self._dropped, unreadable=False))
            self._dropped, self._drops = None, 0
        for expression in self._expressions:
            if expression.unfinished:
                what = f"{expression.owner}: its regular expression did not finish in {parsers.MATCH_SECONDS:g} s for"
                what += f" {expression.unfinished} lines, which are taken as not parsed"
                self._report(Remark(what, ByteRange(0, self._end)))
        made = self._joined([self._with_keys(m, m.end) for m in made] if self._core else made)
        return [*waiting, *made, *self._records.finish()] if self._records else made

    def break_off(self, starts: Container[int]) -> list[Made]:
        """What waits for more lines and began at one of these places, ended before the next line."""
        made = self._events(self._joiner.break_off(starts) if self._joiner else [])
        made = self._joined([self._with_keys(m, m.end) for m in made] if self._core else made)
        return [*made, *self._records.break_off(starts)] if self._records else made

    def _events(self, made: list[Made]) -> list[Made]:
        """Those of these records that have a time which an event can hold."""
        for m in made:
            if m.time_ns == NO_EVENT_TIME:
                self._drops += 1
                self._dropped = ByteRange(self._dropped.start if self._dropped else m.start, m.end)
        return [m for m in made if m.time_ns != NO_EVENT_TIME]

    def waiting(self) -> list[int]:
        """Where the records that wait for more lines begin."""
        return [start for joiner in (self._joiner, self._records) if joiner for start in joiner.waiting()]

    def resume(self) -> None:
        """Says that the first line to come is not the file's: a record begins there."""
        for joiner in (self._joiner, self._records):
            if joiner:
                joiner.resume()

    @property
    def guessed(self) -> bool:
        """Whether a line came since :meth:`resume` whose record depends on lines before that. What the call of
        :meth:`feed` for that line gave, and what comes after it, may be wrong."""
        return any(joiner.guessed for joiner in (self._joiner, self._records) if joiner)

    def _choose(self) -> None:
        tail = self._tail
        option = tail.section.get if tail.section else lambda _: None
        for encoding in ("unicode.encoding", "generic.encoding"):
            if option(encoding):
                self._report(Remark(f"{encoding} {option(encoding)} is not supported: bytes stay as they are"))
        if tail.multiline_parsers:
            found = [
                multiline_rules.lookup(name, self._pipeline.multiline_parsers, self._pipeline.parsers)
                for name in tail.multiline_parsers
            ]
            pairs = [(p, None if inner is None else parsers.make(inner, near_ns=self._near_ns)) for p, inner in found]
            joiner = MultilineJoiner(pairs, self._report, buffer_limit=_buffer_limit(self._pipeline))
            self._expressions += joiner.expressions
            self._joiner, self._core = joiner, True
            return
        if tail.docker_mode:
            name = option("docker_mode_parser")
            first = self._named(name) if name else None
            self._joiner = DockerModeJoiner(self._single, first, self._report)
        if tail.parser is not None and not tail.multiline:
            self._parser = self._named(tail.parser)
        if tail.multiline and not tail.docker_mode:
            if tail.parser_firstline is None:
                raise self._error("Multiline On needs a Parser_Firstline")
            properties = tail.section.properties if tail.section else ()
            others = [
                self._named(p.value)
                for p in properties
                if p.key.lower().startswith("parser_") and p.key.lower() != "parser_firstline"
            ]
            first = self._named(tail.parser_firstline)
            self._joiner = FirstLineJoiner(first, others, self._line, self._path, self._report)

    def _choose_filter(self, tag: str) -> None:
        joining = joining_parsers(self._pipeline, tag)
        if not joining:
            return
        with suppress(ConfigError):  # what the filter does is not known then: filters/multiline.py says so
            self._records = RecordJoiner(joining, self._report, buffer_limit=_buffer_limit(self._pipeline))
            self._expressions += self._records.expressions

    def _named(self, name: str) -> ParserFunction:
        parser: Parser | None = self._pipeline.parsers.get(name)
        if parser is None:
            raise self._error(f"parser {name} is not defined: give the Parsers_File that has it")
        made = parsers.make(parser, near_ns=self._near_ns)
        if made.expression:
            self._expressions.append(made.expression)
        return made

    def _error(self, what: str) -> ConfigError:
        if self._tail.section is None:
            return ConfigError(what)
        origin = self._tail.section.origin
        return ConfigError(what, path=origin.path, line=origin.line)

    def _single(self, text: bytes, raw: bytes, line: LogLine) -> list[Made]:
        """A line, or lines that docker mode joined: ``text`` for the parser, ``raw`` where it does not take it (that
        has the carriage return of a CRLF still)."""
        if self._parser is None:
            return [self._plain(text, line, parsed=True)]
        found = self._parser(text)
        if found is None:
            return [self._plain(raw, line, parsed=False)]
        fields = (*found.fields, *self._path, *self._offset(line.start + line.nuls))
        return [Made(fields, found.time_ns, line.start, line.end, True, line.terminated)]

    def _line(self, line: LogLine) -> Made:
        return self._plain(line.text, line, parsed=False)

    def _plain(self, data: bytes, line: LogLine, *, parsed: bool) -> Made:
        fields = (*self._path, *self._offset(line.start + line.nuls), (self._key, data))
        return Made(fields, None, line.start, line.end, parsed, line.terminated)

    def _with_keys(self, made: Made, offset: int) -> Made:
        """A record of ``multiline.parser``: its keys come last, its offset is that of the line that completed it."""
        if not self._path and self._offset_key is None:
            return made
        return made._replace(fields=(*made.fields, *self._path, *self._offset(offset)))

    def _offset(self, offset: int) -> Fields:
        """Docker mode gives the place of its read buffer, which nobody knows afterwards: left out."""
        return () if self._offset_key is None or self._tail.docker_mode else ((self._offset_key, Offset(offset)),)


def _buffer_limit(pipeline: Pipeline) -> int:
    """``multiline_buffer_limit`` of [SERVICE], whose units are powers of 1024 (flb_utils_size_to_binary_bytes)."""
    said = [s.get("multiline_buffer_limit") for s in pipeline.sections if s.kind == "service"]
    match = _BINARY_SIZE.fullmatch(next((text for text in reversed(said) if text), ""))
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()] if match else BUFFER_LIMIT


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
