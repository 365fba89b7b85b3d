"""Multiline parsers: the built-in ones, and rules as a state machine. Sources: src/multiline/flb_ml_parser_*.c and
flb_ml_rule.c."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flbrecover.errors import ConfigError
from flbrecover.fluentbit.parsers import CRI, JAVA, Expression, expression
from flbrecover.fluentbit.pipeline import MultilineParser, MultilineRule, Parser

START = "start_state"

_CRI = Parser(
    "_ml_cri", "regex", CRI,
    time_key="time", time_format="%Y-%m-%dT%H:%M:%S.%L%z", time_keep=True, time_strict=False, skip_empty_values=False,
)  # fmt: skip
_DOCKER = Parser(
    "_ml_json_docker", "json", time_key="time", time_format="%Y-%m-%dT%H:%M:%S.%L", time_keep=True, time_strict=False
)  # fmt: skip


def _rule(from_states: str, pattern: str, to_state: str) -> MultilineRule:
    return MultilineRule(tuple(from_states.split()), f"/{pattern}/", to_state)


_RULES = {
    "go": (
        _rule(START, r"\bpanic: ", "go_after_panic"),
        _rule(START, r"http: panic serving", "go_goroutine"),
        _rule("go_after_panic", r"^$", "go_goroutine"),
        _rule("go_after_panic go_after_signal go_frame_1", r"^$", "go_goroutine"),
        _rule("go_after_panic", r"^\[signal ", "go_after_signal"),
        _rule("go_goroutine", r"^goroutine \d+ \[[^\]]+\]:$", "go_frame_1"),
        _rule("go_frame_1", r"^(?:[^\s.:]+\.)*[^\s.():]+\(|^created by ", "go_frame_2"),
        _rule("go_frame_2", r"^\s", "go_frame_1"),
    ),
    "java": (
        _rule(
            f"{START} java_start_exception",
            JAVA.strip("/"),
            "java_after_exception",
        ),
        _rule("java_after_exception", r"^[\t ]*nested exception is:[\t ]*", "java_start_exception"),
        _rule("java_after_exception", r"^[\r\n]*$", "java_after_exception"),
        _rule("java_after_exception java", r"^[\t ]+(?:eval )?at ", "java"),
        _rule("java_after_exception java", r"^[\t ]+--- End of inner exception stack trace ---$", "java"),
        _rule(
            "java_after_exception java",
            r"^--- End of stack trace from previous (?x:)location where exception was thrown ---$",
            "java",
        ),
        _rule("java_after_exception java", r"^[\t ]*(?:Caused by|Suppressed):", "java_after_exception"),
        _rule("java_after_exception java", r"^[\t ]*... \d+ (?:more|common frames omitted)", "java"),
    ),
    "python": (
        _rule(START, r"^Traceback \(most recent call last\):$", "python"),
        _rule("python", r"^[\t ]+File ", "python_code"),
        _rule("python_code", r"[^\t ]", "python"),
        _rule("python", r"^(?:[^\s.():]+\.)*[^\s.():]+:", START),
    ),
    "ruby": (
        _rule(f"{START} ruby_start_exception", r"^.+:\d+:in\s+.*", "ruby_after_exception"),
        _rule("ruby_after_exception ruby", r"^\s+from\s+.*:\d+:in\s+.*", "ruby"),
    ),
}
BUILT_IN: Mapping[str, MultilineParser] = {
    "cri": MultilineParser(
        "cri", "equal", parser="_ml_cri", key_content="log", key_pattern="_p", key_group="stream", match_string="F"
    ),
    "docker": MultilineParser(
        "docker", "endswith", parser="_ml_json_docker", key_content="log", key_group="stream", match_string="\n"
    ),
    **{name: MultilineParser(name, "regex", rules=rules) for name, rules in _RULES.items()},
}
_OWN_PARSERS = {"_ml_cri": _CRI, "_ml_json_docker": _DOCKER}


def lookup(
    name: str, multiline_parsers: Mapping[str, MultilineParser], parsers: Mapping[str, Parser]
) -> tuple[MultilineParser, Parser | None]:
    """A multiline parser (built-in ones first, names in any case) and the parser that its lines go through.

    Raises ConfigError naming what is not defined.
    """
    found = BUILT_IN.get(name.lower())
    if found is not None:
        return found, _OWN_PARSERS.get(found.parser or "")
    found = next((p for n, p in multiline_parsers.items() if n.lower() == name.lower()), None)
    if found is None:
        raise ConfigError(f"multiline.parser {name} is not defined: give the Parsers_File that has it")
    if found.parser is None:
        return found, _inherited(found, multiline_parsers, parsers)
    inner = parsers.get(found.parser)
    if inner is None:
        what = f"multiline parser {name}: its parser {found.parser} is not defined"
        raise ConfigError(what, path=found.origin.path, line=found.origin.line)
    return found, inner


def _inherited(
    parser: MultilineParser, multiline_parsers: Mapping[str, MultilineParser], parsers: Mapping[str, Parser]
) -> Parser | None:
    """A multiline parser without a ``Parser`` gets that of the one before it in the same file: a variable that
    flb_parser_load_multiline_parser_definitions (src/flb_parser.c) does not set back."""
    before = [
        p
        for p in multiline_parsers.values()
        if p.parser and p.origin.path == parser.origin.path and 0 < p.origin.line < parser.origin.line
    ]
    last = max(before, key=lambda p: p.origin.line, default=None)
    return parsers.get(last.parser) if last and last.parser else None


@dataclass(slots=True)
class Rule:
    """A rule with the rules that may follow it: ``next`` without those that start a record."""

    expression: Expression
    starts: bool
    next: list[Rule] = field(default_factory=list)
    ends_record: bool = False  # a new record may start after it: what is there is complete


def compile_rules(parser: MultilineParser) -> list[Rule]:
    """The state machine of a ``regex`` multiline parser. Raises ConfigError for rules that Fluent Bit refuses, and
    UnusableRegexError."""
    owner = f"multiline parser {parser.name}"
    if not parser.rules or START not in parser.rules[0].from_states:
        raise ConfigError(f"{owner}: its first rule does not begin at {START}", path=parser.origin.path,
                          line=parser.origin.line)  # fmt: skip
    rules = [Rule(expression(r.regex, owner, parser.origin), START in r.from_states) for r in parser.rules]
    for rule, said in zip(rules, parser.rules, strict=True):
        if not said.to_state:
            continue
        follow = [r for r, other in zip(rules, parser.rules, strict=True) if said.to_state in other.from_states]
        if not follow:
            what = f"{owner}: no rule begins at the state {said.to_state!r}"
            raise ConfigError(what, path=parser.origin.path, line=parser.origin.line)
        rule.next = [r for r in follow if not r.starts]
        rule.ends_record = any(r.starts for r in follow)
    return rules
