"""Which records an output or a filter takes: ``Match`` and ``Match_Regex`` (src/flb_router.c, router_match)."""

from __future__ import annotations

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import onigmo
from flbrecover.fluentbit.pipeline import Route

TIMEOUT_S = 2.0


def matches(route: Route, tag: str) -> bool:
    """True where Fluent Bit routes a record with this tag. Either of the two is enough; with neither, nothing matches.

    In ``Match`` only ``*`` is special: any text, also none. ``Match_Regex`` has to match at the beginning of the tag,
    with at least one byte. Raises ValueError for an expression that :mod:`onigmo` refuses and ConfigError for one
    that takes more than ``TIMEOUT_S``.
    """
    name = tag.encode("utf-8", "surrogateescape")
    if route.regex is not None:
        try:
            found = onigmo.compile(route.regex).match(name, timeout=TIMEOUT_S)
        except TimeoutError as e:
            raise ConfigError(f"Match_Regex {route.regex} takes too long on the tag {tag!r}") from e
        if found and found.end() > 0:
            return True
    return route.wildcard is not None and _wildcard(route.wildcard.encode("utf-8", "surrogateescape"), name)


def _wildcard(pattern: bytes, name: bytes) -> bool:
    """``*`` only, without backtracking beyond the last ``*``: hostile patterns cost length times length at most."""
    first, *rest = pattern.split(b"*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    at = len(first)
    *middle, last = rest
    for piece in middle:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(name) - at >= len(last) and name.endswith(last)
