"""The ``multiline`` filter where it comes first: it joins records as ``multiline.parser`` of an input joins lines.

What it lets out enters the pipeline again, so only as the first filter does it see the records as the input made them,
as Fluent Bit's manual advises. It tells streams apart by tag: of several logs under one tag it may join lines of two,
which is not followed.

Source: plugins/filter_multiline/ml.c and ``flb_ml_append_object`` in src/multiline/flb_ml.c of 5.1.1.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import match, multiline_rules
from flbrecover.fluentbit.filters.options import is_active
from flbrecover.fluentbit.log_line import LogLine, Made, Report
from flbrecover.fluentbit.multiline import MultilineJoiner
from flbrecover.fluentbit.parsers import Expression, Parsed, ParserFunction
from flbrecover.fluentbit.pipeline import MultilineParser, Pipeline


def joining_parsers(pipeline: Pipeline, tag: str) -> list[MultilineParser]:
    """The multiline parsers of the ``multiline`` filter that is the first for records with this tag, each with the key
    of the content. None where another filter is the first, or where it joins by other means, takes the content apart as
    well, or names a parser that nothing defines: what it does is not known then (:mod:`filters.multiline`)."""
    first = next((f for f in pipeline.filters if is_active(f.section) and match.matches(f.route, tag)), None)
    if first is None or first.name.lower() != "multiline":
        return []
    section = first.section
    if (section.get("mode") or "parser").lower() != "parser":
        return []
    content = section.get("multiline.key_content")
    names = section.words("multiline.parser")
    try:
        found = [multiline_rules.lookup(name, pipeline.multiline_parsers, pipeline.parsers) for name in names]
    except ConfigError:
        return []
    keyed = [replace(parser, key_content=content or parser.key_content) for parser, _ in found]
    if any(inner is not None for _, inner in found) or any(parser.key_content is None for parser in keyed):
        return []
    return keyed


class RecordJoiner:
    """Joins the records of one file with such parsers (one at least). Raises ConfigError for rules that Fluent Bit
    refuses, and UnusableRegexError."""

    def __init__(self, parsers: list[MultilineParser], report: Report, *, buffer_limit: int) -> None:
        self._record = _Record()
        self._joiner = _Joiner(parsers, self._record, report, buffer_limit)
        self._not_parsed: set[int] = set()  # where such records begin

    @property
    def expressions(self) -> list[Expression]:
        """Those of all rules."""
        return self._joiner.expressions

    def feed(self, record: Made) -> list[Made]:
        """The records that one completes."""
        self._record.made = record
        if not record.parsed:
            self._not_parsed.add(record.start)
        return self._told(self._joiner.feed(LogLine(b"", record.start, record.end, record.terminated)))

    def finish(self) -> list[Made]:
        """What waits for more at the end of the file."""
        return self._told(self._joiner.finish())

    def break_off(self, starts: Container[int]) -> list[Made]:
        """What waits for more and began at one of these places, as it is."""
        return self._told(self._joiner.break_off(starts))

    def waiting(self) -> list[int]:
        """Where the records that wait for more begin."""
        return self._joiner.waiting()

    def resume(self) -> None:
        """Says that the records to come are not the file's first ones."""
        self._joiner.resume()

    @property
    def guessed(self) -> bool:
        """Whether, since :meth:`resume`, a record came that depends on records before that."""
        return self._joiner.guessed

    def _told(self, made: list[Made]) -> list[Made]:
        found = [m._replace(parsed=m.start not in self._not_parsed) for m in made]
        self._not_parsed.difference_update(m.start for m in made)
        return found


class _Record(ParserFunction):
    """Stands where an input has a parser: a record has its fields."""

    def __init__(self) -> None:
        self.expression = None
        self.made = Made((), None, 0, 0)

    def __call__(self, _line: bytes) -> Parsed:
        return Parsed(self.made.fields, self.made.time_ns)


class _Joiner(MultilineJoiner):
    def __init__(self, parsers: list[MultilineParser], record: _Record, report: Report, buffer_limit: int) -> None:
        super().__init__([(parser, record) for parser in parsers], report, buffer_limit=buffer_limit)
        self._record = record

    def alone(self, _line: LogLine) -> list[Made]:
        return [self._record.made]
