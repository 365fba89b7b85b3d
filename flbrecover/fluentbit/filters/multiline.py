"""``multiline`` as a filter: joins records (plugins/filter_multiline/ml.c, src/multiline/flb_ml.c).

As the first filter it is followed (:mod:`flbrecover.fluentbit.record_joiner`). Elsewhere the log does not tell which
records it joins, so a record with the content field is one that may have gone into another, and its content may have
grown. In buffered mode (the default) everything that it lets out enters the pipeline again, so the filters before it
are run twice; the docs advise to make it the first filter.
"""

from __future__ import annotations

from flbrecover.fluentbit.filters.event import Event, Step
from flbrecover.fluentbit.filters.options import Options, name_of
from flbrecover.fluentbit.record_accessor import last

_PARTIAL = b"partial_message"
_BUILT_IN_WITH_PARSER = ("cri", "docker")


def build(options: Options) -> Step:
    """Raises ValueError for a filter that Fluent Bit refuses."""
    mode = (options.text("mode") or "parser").lower()
    content = options.text("multiline.key_content")
    if mode == "partial_message":
        if content is None:
            raise ValueError("multiline.key_content is missing")
        options.note("messages that Docker cut into parts are joined, which is not followed")
        return _partial(name_of(content))
    if mode != "parser":
        raise ValueError(f"Mode {mode}")
    names = options.section.words("multiline.parser")
    if not names:
        raise ValueError("multiline.parser is missing")
    contents = {name_of(content or _content_of(options, name) or "log") for name in names}
    parses = any(_has_parser(options, name) for name in names)
    buffered = options.flag("buffer", True)
    noted = False

    def step(event: Event) -> tuple[Event, ...]:
        nonlocal noted
        if event.joined:
            return (event._replace(joined=False, joined_by=options.place),)
        if options.place in (event.emitter, event.joined_by):  # what it has joined is joined once more as it is
            return (event,)
        held = any(event.has(c) is None or isinstance(last(event.fields, c), bytes) for c in contents)
        if held:
            if not noted:
                options.note("which records it joined is not known, so any may have gone into another")
                noted = True
            joined = event.blurred() if parses else event.opened(*contents)
            event = joined.maybe_dropped("multiline")
        if buffered:
            event = event._replace(emitter=options.place, hops=event.hops + 1, again=True)
        return (event,)

    return step


def _partial(content: bytes) -> Step:
    """Only records that say they are partial are joined. A name counts that is a beginning of ``partial_message``."""

    def step(event: Event) -> tuple[Event, ...]:
        partial = any(_PARTIAL.startswith(name) for name, _ in event.fields) or any(
            _PARTIAL[:n] in event.open for n in range(len(_PARTIAL) + 1)
        )
        return (event.opened(content).maybe_dropped("multiline") if partial else event,)

    return step


def _content_of(options: Options, name: str) -> str | None:
    parser = options.pipeline.multiline_parsers.get(name)
    return None if parser is None else parser.key_content


def _has_parser(options: Options, name: str) -> bool:
    parser = options.pipeline.multiline_parsers.get(name)
    return name in _BUILT_IN_WITH_PARSER if parser is None else parser.parser is not None
