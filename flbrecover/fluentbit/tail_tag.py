"""The tag that the tail input gives to a file, made from the input's Tag and the file's path as it was matched.

Source: plugins/in_tail/tail_file.c tag_compose, called once when a file is opened: the tag stays when the file is
renamed later, and is made anew from the new name after a restart.
"""

from __future__ import annotations

_TO_DOT = frozenset(b"/\\:")
_DOT = 0x2E
_STAR = 0x2A
REGEX_TIMEOUT_S = 1.0


class NoTagError(ValueError):
    """Fluent Bit makes no tag and therefore does not follow the file; the text says why."""


def expand(tag: str, path: str, tag_regex: str | None) -> str:
    """The tag of the file that the input matched as ``path``.

    Without ``tag_regex`` the first ``*`` of ``tag`` is the whole path; a tag without ``*`` is taken as it is. With it,
    ``<name>`` is what the named group matched in the path, ``_`` where it matched nothing.

    Raises NoTagError where Fluent Bit refuses the file: the expression does not match, or has no group, or a ``<`` of
    the tag is not closed. Raises ValueError where the expression cannot be used here.
    """
    raw_tag, raw_path = (s.encode("utf-8", "surrogateescape") for s in (tag, path))
    if tag_regex is not None:
        made = _by_groups(raw_tag, raw_path, tag_regex)
    elif b"*" in raw_tag:
        made = _by_path(raw_tag, raw_path)
    else:
        made = raw_tag
    return made.decode("utf-8", "surrogateescape")


def _by_path(tag: bytes, path: bytes) -> bytes:
    """The path put in, then the whole cleaned: separators become dots, dots are not doubled, none leads from a
    separator or ends it, and no star is left."""
    out = bytearray()
    for byte in tag.replace(b"*", path, 1):
        if byte in _TO_DOT:
            if not out:
                continue
            byte = _DOT
        if byte == _STAR or (byte == _DOT and out.endswith(b".")):
            continue
        out.append(byte)
    return bytes(out.removesuffix(b"."))


def _by_groups(tag: bytes, path: bytes, tag_regex: str) -> bytes:
    from flbrecover.fluentbit import onigmo

    pattern = onigmo.compile(tag_regex)
    try:
        m = pattern.search(path, timeout=REGEX_TIMEOUT_S)
    except TimeoutError as e:
        raise ValueError(f"Tag_Regex takes longer than {REGEX_TIMEOUT_S:g} s on {path!r}") from e
    if m is None or not pattern.groups:
        raise NoTagError("Tag_Regex does not match" if m is None else "Tag_Regex has no groups")
    out, at = bytearray(), 0
    while (start := tag.find(b"<", at)) >= 0:
        out += tag[at:start]
        end = tag.find(b">", start)
        name = tag[start + 1 : end]
        if end < 0 or b"<" in name:
            raise NoTagError("the tag has a < that is not closed")
        known = name.decode("utf-8", "surrogateescape") in pattern.groupindex
        out += (m[name.decode("utf-8", "surrogateescape")] if known else None) or b"_"
        at = end + 1
    return bytes(out + tag[at:])
