"""Shell patterns as glob(3) and fnmatch(3) take them, which is what the tail input's Path and Exclude_Path are.

Fluent Bit never calls ``setlocale``: patterns work on bytes. Python's own :mod:`fnmatch` differs in ``[^...]``, in
backslashes and in ``[:classes:]``. The time is bounded by pattern length times name length, whatever the pattern.
Source: plugins/in_tail/tail_scan_glob.c (glob with GLOB_TILDE | GLOB_ERR, fnmatch with no flags), glob(7), fnmatch(3).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_NO_PARTS = ("", ".")  # of a path: they lead to where one is already
_CLASSES: dict[bytes, frozenset[int]] = {
    b"alpha": frozenset(string.ascii_letters.encode()),
    b"digit": frozenset(string.digits.encode()),
    b"alnum": frozenset((string.ascii_letters + string.digits).encode()),
    b"upper": frozenset(string.ascii_uppercase.encode()),
    b"lower": frozenset(string.ascii_lowercase.encode()),
    b"space": frozenset(b" \t\n\r\v\f"),
    b"blank": frozenset(b" \t"),
    b"punct": frozenset(string.punctuation.encode()),
    b"xdigit": frozenset(string.hexdigits.encode()),
    b"cntrl": frozenset([*range(32), 127]),
    b"graph": frozenset(range(33, 127)),
    b"print": frozenset(range(32, 127)),
}
_ANY = frozenset(range(256))


@dataclass(frozen=True, slots=True)
class _Token:
    """One byte out of ``allowed``, or any run of bytes (``star``). ``wild`` is False for a byte written out."""

    allowed: frozenset[int] = _ANY
    star: bool = False
    wild: bool = True


def compile_name(pattern: str) -> Callable[[str], bool]:
    """A test for one file name, as glob(3) makes it: a leading dot must be written out in the pattern."""
    tokens = _tokens(pattern.encode("utf-8", "surrogateescape"))

    def test(name: str) -> bool:
        data = name.encode("utf-8", "surrogateescape")
        if data.startswith(b".") and (not tokens or tokens[0].wild):
            return False
        return _matches(tokens, data)

    return test


def literal(part: str) -> str | None:
    """The one name that a pattern without wildcards means, backslashes taken out; None where it has a wildcard."""
    tokens = _tokens(part.encode("utf-8", "surrogateescape"))
    if any(t.wild for t in tokens):
        return None
    return bytes(next(iter(t.allowed)) for t in tokens).decode("utf-8", "surrogateescape")


def matches_path(pattern: str, path: str) -> bool:
    """Whether glob(3) could have given ``path`` for ``pattern``: part by part, ``*`` does not cross ``/``."""
    wanted = [p for p in pattern.split("/") if p not in _NO_PARTS]
    parts = [p for p in path.split("/") if p]
    return len(wanted) == len(parts) and all(compile_name(w)(p) for w, p in zip(wanted, parts, strict=True))


def as_globbed(patterns: Iterable[str], path: str) -> str:
    """How glob(3) spells a path that one of these patterns gives: ``//`` and ``/./`` of a pattern stay as they are
    (seen in ``Path_Key``). The first pattern that gives it counts: a file is followed once, by its first name."""
    first = next((pattern for pattern in patterns if matches_path(pattern, path)), "")
    if not first.startswith("/"):
        return path
    parts = iter(path.split("/")[1:])
    return "/" + "/".join(part if part in _NO_PARTS else next(parts) for part in first.split("/")[1:])


def matches_anywhere(pattern: str, path: str) -> bool:
    """fnmatch(3) without flags, as Exclude_Path is used: ``*`` and ``?`` match ``/`` and a leading dot too."""
    return _matches(_tokens(pattern.encode("utf-8", "surrogateescape")), path.encode("utf-8", "surrogateescape"))


def _tokens(pattern: bytes) -> list[_Token]:
    out: list[_Token] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        at += 1
        if byte == 0x2A:  # *
            if not (out and out[-1].star):
                out.append(_Token(star=True))
        elif byte == 0x3F:  # ?
            out.append(_Token())
        elif byte == 0x5B:  # [
            found = _bracket(pattern, at)
            if found is None:
                out.append(_Token(frozenset([byte]), wild=False))
            else:
                allowed, at = found
                out.append(_Token(allowed))
        else:
            if byte == 0x5C and at == len(pattern):  # nothing matches a backslash with nothing behind it
                return [_Token(frozenset())]
            if byte == 0x5C:  # a backslash takes the next byte as it is
                byte = pattern[at]
                at += 1
            out.append(_Token(frozenset([byte]), wild=False))
    return out


def _bracket(pattern: bytes, at: int) -> tuple[frozenset[int], int] | None:
    """The bytes that a ``[...]`` allows and the place behind its ``]``; None where it is never closed."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    allowed: set[int] = set()
    first = True
    while at < len(pattern):
        byte = pattern[at]
        if byte == 0x5D and not first:
            return (_ANY - allowed if negated else frozenset(allowed)), at + 1
        first = False
        if pattern.startswith(b"[:", at) and (end := pattern.find(b":]", at)) > 0:
            allowed |= _CLASSES.get(pattern[at + 2 : end], frozenset())
            at = end + 2
            continue
        if byte == 0x5C and at + 1 < len(pattern):
            at += 1
            byte = pattern[at]
        at += 1
        if pattern[at : at + 1] == b"-" and pattern[at + 1 : at + 2] not in (b"]", b""):
            last = pattern[at + 1]
            at += 2
            if last == 0x5C and at < len(pattern):
                last = pattern[at]
                at += 1
            allowed.update(range(byte, last + 1))
        else:
            allowed.add(byte)
    return None


def _matches(tokens: list[_Token], data: bytes) -> bool:
    """Only the last star is ever widened: each earlier one has then matched as little as it can, which is enough."""
    t = d = 0
    star = -1  # the token behind the last star, and where in the data its run ends for now
    run = 0
    while d < len(data):
        if t < len(tokens) and tokens[t].star:
            t += 1
            star, run = t, d
        elif t < len(tokens) and data[d] in tokens[t].allowed:
            t += 1
            d += 1
        elif star >= 0:
            run += 1
            t, d = star, run
        else:
            return False
    return all(token.star for token in tokens[t:])
