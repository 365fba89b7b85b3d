"""Builds ``flbrecover.pyz``: flbrecover with all it needs in one file that runs with a bare Python.

    python .ci/build_pyz.py                                         for this Python and machine
    python .ci/build_pyz.py --target cp311-x86_64 cp312-aarch64 …   for others, from their wheels
    python .ci/build_pyz.py --all                                   Python 3.10 to 3.14, x86_64 and aarch64

Packages come from pip, as it is configured. What is the same for all targets is in the file once; of botocore's
descriptions of services only those that flbrecover calls are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
ALL = tuple(f"cp3{minor}-{machine}" for machine in ("x86_64", "aarch64") for minor in range(10, 15))
SERVICES = {"s3", "sts", "sso", "sso-oidc", "signin"}  # what S3 and its credentials take
DROPPED = ("__pycache__", "bin", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
EPOCH = (2020, 1, 1, 0, 0, 0)  # the same content makes the same file


def main() -> None:
    sys.path.insert(0, str(HERE))
    from pyz_main import target

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=REPOSITORY / "dist" / "flbrecover.pyz")
    parser.add_argument("--target", nargs="+", default=[target()], help="cp311-x86_64, cp312-aarch64-musl, …")
    parser.add_argument("--all", action="store_true", help=", ".join(ALL))
    given = parser.parse_args()
    targets = list(ALL if given.all else given.target)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wheel = _wheel(work)
        sites = {}
        for wanted in targets:
            sites[wanted] = work / wanted
            _install(wheel, sites[wanted], None if wanted == target() else wanted)
            _prune(sites[wanted])
        given.out.parent.mkdir(parents=True, exist_ok=True)
        _write(given.out, sites)
    size = given.out.stat().st_size / (1 << 20)
    print(f"{given.out}: {size:.1f} MiB, for {', '.join(targets)}")  # noqa: T201


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)


def _wheel(work: Path) -> Path:
    """flbrecover itself, built from a copy, for setuptools leaves its folders behind."""
    copy = work / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    shutil.copytree(REPOSITORY / "flbrecover", copy / "flbrecover", ignore=shutil.ignore_patterns("__pycache__"))
    _pip("wheel", "--no-deps", "--wheel-dir", str(work), str(copy))
    (wheel,) = work.glob("flbrecover-*.whl")
    return wheel


def _install(wheel: Path, site: Path, other: str | None) -> None:
    arguments = ["install", "--no-compile", "--target", str(site), "--only-binary=:all:"]
    if other is not None:
        python, machine, *musl = other.split("-")
        glibc = ["manylinux_2_28", "manylinux_2_17", "manylinux2014"]
        platforms = ["musllinux_1_2", "musllinux_1_1"] if musl else glibc
        arguments += ["--implementation", "cp", "--python-version", f"{python[2]}.{python[3:]}"]
        arguments += [word for p in platforms for word in ("--platform", f"{p}_{machine}")]
    _pip(*arguments, str(wheel))


def _prune(site: Path) -> None:
    for path in sorted(site.rglob("*"), reverse=True):
        if path.name in DROPPED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for service in (site / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for other in (site / "zstandard").glob("_cffi*"):  # the same once more, for PyPy
        other.unlink()
    shutil.rmtree(site / "flbrecover" / "demo" / "incident", ignore_errors=True)  # a demo needs a server as well


def _write(out: Path, sites: dict[str, Path]) -> None:
    """Top-level packages that are the same for every target go into ``common``."""
    names = sorted({path.name for site in sites.values() for path in site.iterdir()})
    members: dict[str, Path] = {}
    for name in names:
        there = {wanted: site / name for wanted, site in sites.items() if (site / name).exists()}
        if len(there) == len(sites) and len({_digest(path) for path in there.values()}) == 1:
            there = {"common": next(iter(there.values()))}
        for prefix, path in there.items():
            for file in _files(path):
                members[f"{prefix}/{name}{str(file)[len(str(path)) :]}"] = file
    hasher = hashlib.sha256()
    for name, file in sorted(members.items()):
        hasher.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    about = {"id": hasher.hexdigest()[:16], "targets": sorted(sites)}
    part = out.with_name(out.name + ".part")
    with part.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pyz:
            _add(pyz, "__main__.py", (HERE / "pyz_main.py").read_bytes())
            _add(pyz, "about.json", json.dumps(about).encode())
            for name, path in sorted(members.items()):
                _add(pyz, name, path.read_bytes())
    part.chmod(0o755)
    part.replace(out)


def _add(pyz: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    pyz.writestr(info, content)


def _files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _digest(path: Path) -> str:
    hasher = hashlib.sha256()
    for file in _files(path):
        hasher.update(str(file.relative_to(path)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return hasher.hexdigest()


if __name__ == "__main__":
    main()
