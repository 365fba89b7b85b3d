"""Sizes, times and booleans as Fluent Bit reads them from a configuration.

Source: ``flb_utils_size_to_bytes``, ``flb_utils_time_to_seconds`` and ``flb_utils_bool`` of src/flb_utils.c.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_WHOLE = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
_SECONDS = {"d": 86400, "h": 3600, "m": 60}
_MAX_SIZE = 2**63 - 1
_MAX_SECONDS = 2**31 - 1
_MAX_TEXT = 64
TRUE = ("true", "on", "yes")
FALSE = ("false", "off", "no")


def size(text: str) -> int:
    """Bytes of a size such as ``250M``, ``1.5g``, ``32k``, ``10MB``, ``5242880`` or ``false`` (0).

    Units are powers of 1000 (a ``K`` is 1000 bytes). Raises ValueError for what Fluent Bit refuses (``10MiB``,
    ``1 T``, nothing) and for what it would take as a negative size.
    """
    if text.lower() == "false":
        return 0
    if not text or len(text) > _MAX_TEXT:
        raise ValueError(f"{text[:_MAX_TEXT]!r} is not a size")
    number = _NUMBER.match(text)
    value = float(number[1]) if number else 0.0  # atof gives 0 where there is no number
    unit = re.sub(r".*[0-9]", "", text[1:], flags=re.DOTALL)  # a first character is never taken as a unit
    if unit:
        factor = _UNITS.get(unit[0].upper())
        if factor is None or unit[1:].upper() not in ("", "B"):
            raise ValueError(f"{text!r} is not a size")
        value *= factor
    if not -1 < value <= _MAX_SIZE:
        raise ValueError(f"{text!r} is not a size that a file can have")
    return int(value)


def seconds(text: str) -> int:
    """Seconds of a time such as ``10m``, ``60``, ``4s``, ``2h`` or ``1d``.

    Fluent Bit refuses nothing: it reads the whole number in front (0 where there is none, ``1.5h`` is one hour) and
    the last letter. Raises ValueError only for a time that does not fit its 32 bits.
    """
    number = _WHOLE.match(text)
    value = int(number[1][:20]) * _SECONDS.get(text[-1].lower(), 1) if number else 0
    if abs(value) > _MAX_SECONDS:
        raise ValueError(f"{text[:_MAX_TEXT]!r} is too long a time")
    return value


def boolean(text: str) -> bool:
    """``true``, ``on``, ``yes`` / ``false``, ``off``, ``no`` in any case; ValueError for anything else."""
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"{text[:_MAX_TEXT]!r} is not on or off")
