"""The node of a world besides logs and buffers: its configuration and its tail DBs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import xxhash

from .app import App
from .lines import SECOND_US, Flavour
from .spec import MB

MARKER = 32  # bytes before the offset that the tail DB has a hash of
KEY_FORMAT = "/logs/$TAG/%Y/%m/%d/%H/$UUID.gz"


def _db(flavour: str) -> str:
    return f"/var/log/flb-{flavour}.db"


def write_config(root: Path, bucket: str, *, unit: int = 4 * MB, compression: str = "gzip", logs: bool = False) -> None:
    """The configuration at the usual place. ``logs``: the inputs have a DB each."""
    plain, cri = [f"\n    DB                {_db(f)}" if logs else "" for f in ("plain", "cri")]
    compressed = "" if compression == "none" else f"\n    compression       {compression}"
    text = f"""\
[SERVICE]
    Flush             1
[INPUT]
    Name              tail
    Tag               app.*
    Path              /var/log/app/*.log
    Read_from_Head    On{plain}
[INPUT]
    Name              tail
    Tag               kube.*
    Path              /var/log/containers/*.log
    multiline.parser  cri
    Read_from_Head    On{cri}
[OUTPUT]
    Name              s3
    Match             *
    bucket            {bucket}
    region            us-east-1
    store_dir         /var/log/s3
    s3_key_format     {KEY_FORMAT}
    total_file_size   {unit // MB or 1}M
    upload_timeout    10m
    use_put_object    On{compressed}
"""
    path = root / "etc/fluent-bit/fluent-bit.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_tail_dbs(apps: list[App]) -> None:
    """One DB an input, as Fluent Bit 5.1 has them: docs/formats/tail-db.md."""
    flavours: tuple[Flavour, ...] = ("plain", "cri")
    for flavour in flavours:
        path = apps[0].root / _db(flavour).lstrip("/")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, "
                "inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, "
                "offset_marker_size INTEGER DEFAULT 0)"
            )
            for app in apps:
                if app.flavour == flavour:
                    db.execute("INSERT INTO in_tail_files VALUES (NULL, ?, ?, ?, ?, 0, ?, ?)", _row(app))


def _row(app: App) -> tuple[Any, ...]:
    log = app.root / app.log_path.lstrip("/")
    offset = int(app.offset_file.read_text())
    size = min(MARKER, offset)
    with log.open("rb") as file:
        file.seek(offset - size)
        marker = xxhash.xxh3_64_intdigest(file.read(size))
    signed = marker - 2**64 if marker >= 2**63 else marker
    return app.log_path, offset, log.stat().st_ino, app.base_us // SECOND_US, signed, size
