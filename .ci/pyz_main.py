"""What runs first in ``flbrecover.pyz``: puts its packages on disk and starts flbrecover from there.

Extension modules cannot be imported from an archive, and botocore reads its data files by path. So everything is
unpacked into a new folder below TMPDIR, which is removed at the end: a node is left as it was. Where FLBRECOVER_CACHE
names a folder, they are kept in it for the next run. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import shutil
import sys
import tempfile
import zipfile

OLDEST = (3, 10)
MARK = ".complete"


def main() -> None:
    if sys.version_info < OLDEST:
        sys.exit("flbrecover: Python 3.10 or later is needed, this is %s" % platform.python_version())  # noqa: UP031
    archive = os.path.abspath(sys.argv[0])
    with zipfile.ZipFile(archive) as pyz:
        about = json.loads(pyz.read("about.json"))
        wanted = target()
        if wanted not in about["targets"]:
            there = ", ".join(about["targets"])
            sys.exit(f"flbrecover: this file was built for {there}, not for {wanted}; see docs/one-file.md")
        site = unpacked(pyz, about["id"], wanted)
    sys.path[:] = [site, *(p for p in sys.path if os.path.abspath(p) != archive)]
    sys.argv[0] = "flbrecover"
    from flbrecover.cli import main as run

    run()


def target() -> str:
    """As in the names of wheels: ``cp312-x86_64``; on Alpine ``cp312-x86_64-musl``."""
    libc = "" if platform.libc_ver()[0] == "glibc" else "-musl"
    return f"cp{sys.version_info[0]}{sys.version_info[1]}-{platform.machine()}{libc}"


def unpacked(pyz: zipfile.ZipFile, content: str, wanted: str) -> str:
    """The folder with the packages."""
    cache = os.environ.get("FLBRECOVER_CACHE")
    try:
        if cache:
            return kept(pyz, content, wanted, os.path.abspath(cache))
        folder = tempfile.mkdtemp(prefix="flbrecover-pyz-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        sys.dont_write_bytecode = True
        unpack(pyz, wanted, folder)
    except OSError as e:
        name = "FLBRECOVER_CACHE" if cache else "TMPDIR"
        sys.exit(f"flbrecover: cannot unpack itself ({e.strerror or e}); set {name} to a folder with 100 MB free")
    return folder


def kept(pyz: zipfile.ZipFile, content: str, wanted: str, cache: str) -> str:
    """A folder in the cache; a complete one of the same content is used again."""
    os.makedirs(cache, mode=0o700, exist_ok=True)
    if not is_private(cache):
        sys.exit(f"flbrecover: FLBRECOVER_CACHE {cache}: others may write there, so it is not used")
    site = os.path.join(cache, f"{content}-{wanted}")
    if os.path.exists(os.path.join(site, MARK)):
        return site
    fresh = tempfile.mkdtemp(dir=cache, prefix="new-")
    try:
        unpack(pyz, wanted, fresh)
        os.rename(fresh, site)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not os.path.exists(os.path.join(site, MARK)):  # otherwise another run was quicker
            raise
    return site


def is_private(folder: str) -> bool:
    """Whoever else may write there could put other code into it."""
    st = os.stat(folder)
    return st.st_uid == os.geteuid() and not st.st_mode & 0o022


def unpack(pyz: zipfile.ZipFile, wanted: str, folder: str) -> None:
    prefixes = ("common/", f"{wanted}/")
    for name in pyz.namelist():
        prefix = next((p for p in prefixes if name.startswith(p)), None)
        if prefix is None or name.endswith("/"):
            continue
        path = os.path.join(folder, *name[len(prefix) :].split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with pyz.open(name) as source, open(path, "wb") as out:
            shutil.copyfileobj(source, out)
    with open(os.path.join(folder, MARK), "w"):
        pass


if __name__ == "__main__":
    main()
