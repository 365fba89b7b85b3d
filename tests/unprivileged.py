"""Runs a part of a test as a user who may not read everything: tests run as root often, who may."""

from __future__ import annotations

import codecs
import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flbrecover

NOBODY = 65534

# Python itself may lie where nobody may look: what is imported when it is used is imported now.
for _module in pkgutil.walk_packages(flbrecover.__path__, "flbrecover."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)
for _name in ("ascii", "idna"):
    codecs.lookup(_name)


@contextmanager
def nobody() -> Iterator[None]:
    """Within, this process has the rights of the user nobody; where it is not root's, its own."""
    if os.geteuid() != 0:
        yield
        return
    group = os.getegid()
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


@contextmanager
def closed(*paths: Path) -> Iterator[None]:
    """Within, nobody may look at these files or into these folders, nor may their owner."""
    modes = [(path, path.stat().st_mode) for path in paths]
    for path in paths:
        path.chmod(0)
    try:
        yield
    finally:
        for path, mode in modes:
            path.chmod(mode)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder for everybody: pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)
