"""``flbrecover.pyz`` on a machine that has nothing but a Python: no packages, no home, no network but the S3 server.

    PYTHONPATH=tests:. python tests/one_file.py dist/flbrecover.pyz

Runs in a network namespace of its own, where the kernel lets it make one: the loopback interface is all there is. Not a
part of pytest, for building the file takes packages from the network; ``.ci/run`` runs it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import CASES, config, footprint, load, unpack
from judge import Case, Verdict
from servers import Moto

from flbrecover.demo.seaweedfs import credentials

NAME = "kubernetes-cri"
INSIDE = "ONE_FILE_INSIDE"
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def main() -> None:
    pyz = Path(sys.argv[1]).resolve()
    if INSIDE not in os.environ:
        unshare = shutil.which("unshare")
        if unshare and subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode == 0:
            again = [unshare, "-rn", sys.executable, *sys.argv]
            os.execve(unshare, again, os.environ | {INSIDE: "1"})
        sys.stdout.write("note: no network namespace to be had here: the network is only not used\n")
    else:
        only_loopback()
    os.environ.update(credentials())
    with tempfile.TemporaryDirectory() as folder, Moto(Path(folder)) as server:
        check(pyz, Path(folder), server.client, server.endpoint_url)
    sys.stdout.write("flbrecover.pyz: all well\n")


def only_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    with socket.socket() as s:
        assert s.connect_ex(("192.0.2.1", 80)) != 0, "there is a network"
    assert [name for _, name in socket.if_nameindex() if name == "lo"] == ["lo"]


def check(pyz: Path, folder: Path, s3, url: str) -> None:  # type: ignore[no-untyped-def]
    scratch, cwd = folder / "scratch", folder / "elsewhere"
    scratch.mkdir()
    cwd.mkdir()
    bare = {"TMPDIR": str(scratch), "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", **credentials()}

    def run(*arguments: object, expect: int = 0, **more: str) -> str:
        command = [sys.executable, "-I", "-S", str(pyz), *map(str, arguments)]
        ended = subprocess.run(command, cwd=cwd, env=bare | more, capture_output=True, stdin=subprocess.DEVNULL)
        assert ended.returncode == expect, (arguments, ended)
        assert os.listdir(scratch) == [], "something was left in the scratch folder"
        assert not Path("/nonexistent").exists()
        return ended.stdout.decode()

    assert "Account for every record" in run("--help")
    run("--no-such-option", expect=2)

    case = Case(CASES / NAME)
    root = unpack(NAME, folder)
    load(NAME, s3, root)
    before = footprint(root)
    node = ("--root", root, "--config", config(NAME))
    run("diff", *node, "--endpoint-url", url, expect=3)
    run("collect", *node, "-o", folder / "node.tar.zst")
    run("recover", "--root", folder / "node.tar.zst", "--endpoint-url", url, "--agent", "gone", "--yes")
    assert case.judge(s3, "all") == Verdict([], [], [], [], {})
    run("diff", *node, "--endpoint-url", url)
    assert footprint(root) == before

    cache = folder / "cache"
    for _ in range(2):
        run("--help", FLBRECOVER_CACHE=str(cache))
    (kept,) = cache.iterdir()
    assert (kept / ".complete").exists()
    cache.chmod(0o777)
    run("--help", FLBRECOVER_CACHE=str(cache), expect=1)
    run("--help", TMPDIR="/proc", FLBRECOVER_CACHE="/proc/no", expect=1)


if __name__ == "__main__":
    main()
