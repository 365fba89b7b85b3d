"""Bundles to fuzz: files as they are, and manifests in a bundle that fits them.

Any bit that is changed in a bundle breaks a checksum, so mutated files test the envelope alone. What an attacker does
is to write a manifest that lies and to give it the checksum, the frames and the table that it needs.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from pathlib import Path

import zstandard
from cases import config, unpack

from flbrecover.errors import EvidenceError
from flbrecover.evidence import bundle_manifest, store_dir
from flbrecover.evidence.bundle import BundleNode
from flbrecover.evidence.frames import FrameWriter
from flbrecover.evidence.node import Node

CASES = ("fluent-bit-1.9", "rolling-update", "storage-filesystem")
MARKER_BYTES = 1024  # the first member, which says what it is
MOST = 1 << 17  # bytes that are read of one file
_contents: list[bytes] = []  # of the first case's bundle: what a manifest's places lie in


def seeds(folder: Path) -> list[bytes]:
    """Bundles, and as many manifests, all of the first case."""
    from command import flbrecover

    found = []
    for name in CASES:
        home = folder / f"bundle-of-{name}"
        home.mkdir()
        path = home / "bundle"
        ended = flbrecover("collect", "--root", unpack(name, home), "--config", config(name), "-o", path)
        assert ended.code == 0, ended
        found.append(path.read_bytes())
    contents, lines = _apart(found[0])
    _contents[:] = [contents]
    return [*found, *[lines] * len(found)]


def read(data: bytes, folder: Path) -> None:
    """Opens a bundle and looks at everything in it, as commands do. The first byte tells a manifest."""
    path = folder / "bundle"
    path.write_bytes(_around(data) if data.startswith(b"{") else data)
    node = BundleNode(path)
    _ = node.problems, node.config, node.not_seen(), node.moment_ns(0)
    for entry in node._entries:  # most folders are not listed, and each name is to be tried
        _look(node, entry)
    buffers = store_dir.scan(node, "/var/log/s3/temp", tags=("a",)).buffers
    assert all(found.path.startswith("/") for found in buffers)


def _look(node: Node, path: str) -> None:
    assert "/../" not in f"{node.resolve(path)}/"
    try:
        facts = node.facts(path)
        if node.is_dir(path):
            node.names(path)
        elif node.is_file(path):
            with node.open(path) as file:
                assert len(file.read(MOST)) == min(facts.size, MOST)
    except EvidenceError as e:
        assert "\n" not in str(e)


def _apart(packed: bytes) -> tuple[bytes, bytes]:
    """What lies before the manifest, and the lines of the manifest but for the last one."""
    plain = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
    lines = plain.rstrip(b"\0\n").splitlines(keepends=True)
    end = json.loads(lines[-1])
    at = end["manifest_at"]
    return plain[:at], plain[at : at + end["manifest_size"]]


def _around(lines: bytes) -> bytes:
    """A bundle with these lines as its manifest."""
    if not _contents:  # --repeat
        with tempfile.TemporaryDirectory() as name:
            seeds(Path(name))
    (contents,) = _contents
    out = io.BytesIO()
    writer = FrameWriter(out.write)
    for part in (contents[:MARKER_BYTES], contents[MARKER_BYTES:]):
        writer.write(part)
        writer.end_frame()
    if len(lines) % 4:  # who lies knows JSON, most of the time
        lines = b"\n".join(line for line in lines.split(b"\n") if _is_json(line))
    if not lines.endswith(b"\n"):
        lines += b"\n"
    end = {
        "type": "end",
        "entries": lines.count(b'"type":"entry"'),
        "manifest_at": len(contents),
        "manifest_size": len(lines),
        "sha256": hashlib.sha256(lines).hexdigest(),
    }
    writer.write(lines + bundle_manifest.encode(end))
    writer.finish()
    return out.getvalue()


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
