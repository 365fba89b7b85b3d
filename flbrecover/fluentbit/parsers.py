"""A ``[PARSER]`` as a function from a line to fields and a time, as ``flb_parser_do`` works.

Sources: src/flb_parser.c, src/flb_parser_{json,regex,logfmt,ltsv}.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import regex

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import decoders, field_types, json_fields, logfmt, ltsv, onigmo, time_format
from flbrecover.fluentbit.pipeline import Origin, Parser
from flbrecover.fluentbit.time_format import TimeReader
from flbrecover.fluentbit.values import EVENT_TIMES, Fields, Value

MATCH_SECONDS = 1.0  # what one expression may take for one line
GIVE_UP_AFTER = 30  # lines that an expression did not finish
CRI = r"^(?<time>.+?) (?<stream>stdout|stderr) (?<_p>F|P) (?<log>.*)$"  # src/multiline/flb_ml_parser_cri.c
JAVA = r"/(.)(?:Exception|Error|Throwable|V8 errors stack trace)[:\r\n]/"  # src/multiline/flb_ml_parser_java.c
NO_EVENT_TIME = -1
_NS = 1_000_000_000
_QUICK = {CRI: re.compile(rb"(?P<time>.+?) (?P<stream>stdout|stderr) (?P<_p>[FP]) (?P<log>.*)", re.DOTALL)}
_NEEDS = {JAVA: (b"Exception", b"Error", b"Throwable", b"V8 errors stack trace")}


class UnusableRegexError(ConfigError):
    """A regular expression of the configuration that Python cannot take; a user may choose to go on without it."""


class Parsed(NamedTuple):
    """``time_ns`` is None where the record gets the time at which it was read, and NO_EVENT_TIME where Fluent Bit drops
    the record for its time."""

    fields: Fields
    time_ns: int | None


@dataclass(slots=True)
class Expression:
    """A regular expression of the configuration with a limit on its time: a search that takes too long finds nothing
    and counts in ``unfinished``. After a few of those it is not tried any more.

    For expressions of Fluent Bit itself, which logs are read with by the gigabyte, ``quick`` finds the same in a line,
    and only texts with one of ``needs`` can match.
    """

    owner: str
    pattern: regex.Pattern[bytes]
    seconds: float = MATCH_SECONDS
    quick: re.Pattern[bytes] | None = None
    needs: tuple[bytes, ...] = ()
    unfinished: int = 0

    def search(self, text: bytes) -> regex.Match[bytes] | re.Match[bytes] | None:
        if self.quick is not None:
            return self.quick.match(text)
        if self.needs and not any(word in text for word in self.needs):
            return None
        if self.unfinished >= GIVE_UP_AFTER:
            self.unfinished += 1
            return None
        try:
            return self.pattern.search(text, timeout=self.seconds)
        except TimeoutError:
            self.unfinished += 1
            return None


def expression(pattern: str, owner: str, origin: Origin) -> Expression:
    """Compiles a pattern of the configuration. Raises UnusableRegexError that names ``owner`` and its place."""
    try:
        found = Expression(owner, onigmo.compile(pattern), quick=_QUICK.get(pattern), needs=_NEEDS.get(pattern, ()))
    except ValueError as e:
        what = f"{owner}: the regular expression {pattern!r} cannot be used: {e}"
        raise UnusableRegexError(what, path=origin.path, line=origin.line) from e
    return found


def make(parser: Parser, *, near_ns: int) -> ParserFunction:
    """The function of a parser. ``near_ns`` (the log's mtime) tells the year of times that have none.

    Raises UnusableRegexError, or ConfigError for what Fluent Bit refuses, too; both name the parser and its place.
    """
    try:
        kind = _KINDS.get(parser.format)
        if kind is None:
            raise ValueError(f"there is no format {parser.format!r}")
        return kind(parser, near_ns)
    except ValueError as e:
        what = f"parser {parser.name}: {e}"
        raise ConfigError(what, path=parser.origin.path, line=parser.origin.line) from e


class ParserFunction:
    """Base of the four kinds. Call it with a line; it gives None where Fluent Bit's parser returns an error."""

    def __init__(self, parser: Parser, near_ns: int) -> None:
        self.name = parser.name
        self.expression: Expression | None = None
        self._parser = parser
        self._casts = field_types.casts(parser.types)
        self._decode = decoders.make(parser.decoders)
        self._time_key = (parser.time_key or "time").encode("utf-8", "surrogateescape")
        self._time: TimeReader | None = None
        if parser.time_format:
            fixed = parser.time_offset and not parser.time_zone and not parser.time_system_timezone
            self._time = time_format.compile(
                parser.time_format,
                near_ns=near_ns,
                offset_s=time_format.offset_seconds(parser.time_offset) if fixed and parser.time_offset else 0,
                strict=parser.time_strict,
                zone=parser.time_zone,
            )

    def __call__(self, line: bytes) -> Parsed | None:
        raise NotImplementedError

    def _decoded(self, fields: Fields) -> Fields:
        return self._decode(fields) if self._decode else fields

    def _cast(self, name: bytes, text: bytes) -> Value:
        cast = self._casts.get(name)
        return cast(text) if cast else text


class _Json(ParserFunction):
    def __call__(self, line: bytes) -> Parsed | None:
        fields = json_fields.read(line)
        if fields is None:
            return None
        fields = self._decoded(fields)
        if self._time is None:
            return Parsed(fields, None)
        for i, (name, text) in enumerate(fields):
            if name != self._time_key:
                continue
            if not isinstance(text, bytes):
                break
            seconds, fraction_ns = self._time.read(text)
            if seconds is not None and not self._parser.time_keep:
                fields = fields[:i] + fields[i + 1 :]
            return Parsed(fields, _stored(seconds or 0, fraction_ns))
        return Parsed(fields, None)


class _Regex(ParserFunction):
    def __init__(self, parser: Parser, near_ns: int) -> None:
        super().__init__(parser, near_ns)
        self.expression = expression(parser.regex or "", f"parser {parser.name}", parser.origin)
        groups = self.expression.pattern.groupindex
        self._groups = [(n, n.encode("utf-8")) for n in sorted(groups, key=lambda name: groups[name])]

    def __call__(self, line: bytes) -> Parsed | None:
        match = self.expression.search(line) if self.expression else None
        if match is None:
            return None
        found = match.groupdict()
        out: list[tuple[bytes, Value]] = []
        time_ns: int | None = None
        took_part = False
        for group, name in self._groups:
            text: bytes | None = found[group]
            took_part = took_part or text is not None
            if not text and self._parser.skip_empty_values:
                continue
            text = text or b""
            if self._time is not None and name == self._time_key:
                seconds, fraction_ns = self._time.read(text)
                if seconds is None:
                    continue  # the field is dropped with the time that it did not have
                time_ns = _stored(seconds, fraction_ns)
                if not self._parser.time_keep:
                    continue
            out.append((name, self._cast(name, text)))
        return Parsed(self._decoded(tuple(out)), time_ns) if took_part else None


class _Pairs(ParserFunction):
    """What logfmt and ltsv share: a time that cannot be read fails the line, and so does one without fields."""

    def _parsed(self, pairs: list[tuple[bytes, bytes | None, Value]]) -> Parsed | None:
        out: list[tuple[bytes, Value]] = []
        at: tuple[int | None, int] = (0, 0)
        for name, text, value in pairs:
            if self._time is not None and name == self._time_key and text:
                at = self._time.read(text)
                if at[0] is None:
                    return None
                if not self._parser.time_keep:
                    continue
            out.append((name, value))
        return Parsed(self._decoded(tuple(out)), _stored(at[0] or 0, at[1])) if out else None


class _Logfmt(_Pairs):
    def __call__(self, line: bytes) -> Parsed | None:
        found = logfmt.pairs(line)
        if found is None:
            return None
        if self._parser.logfmt_no_bare_keys and any(text is None for _, text, _ in found):
            return None
        typed = bool(self._parser.types)
        return self._parsed([(n, t, logfmt.value(n, t, q, self._casts, typed)) for n, t, q in found])


class _Ltsv(_Pairs):
    def __call__(self, line: bytes) -> Parsed | None:
        found = ltsv.pairs(line)
        return None if found is None else self._parsed([(n, t, self._cast(n, t)) for n, t in found])


_KINDS: dict[str, type[ParserFunction]] = {"json": _Json, "regex": _Regex, "logfmt": _Logfmt, "ltsv": _Ltsv}


def _stored(seconds: int, fraction_ns: int) -> int | None:
    """An event has 32 bits of seconds and less than a second of nanoseconds (flb_log_event_encoder_set_timestamp).
    Parsers with ``Time_Strict off`` make other times of texts that are none. The epoch itself is no time at all."""
    if seconds * _NS not in EVENT_TIMES or fraction_ns >= _NS:
        return NO_EVENT_TIME
    return seconds * _NS + fraction_ns or None
