"""What SQLite raises about a damaged database, in Python.

Where SQLite's message quotes bytes of the schema that are no UTF-8, Python raises UnicodeDecodeError in its place.
"""

from __future__ import annotations

import sqlite3

SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)


def sqlite_text(error: Exception) -> str:
    """The message."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode("utf-8", "backslashreplace")
    return str(error)
