"""zlib's functions: those of ISA-L where there is a wheel of it, which are several times as fast, else the standard
library's. Both have one interface."""

from __future__ import annotations

from typing import Any

__all__ = ["fast_zlib"]

fast_zlib: Any
try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # no wheel for this machine
    import zlib as fast_zlib
