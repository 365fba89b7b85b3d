"""The names that a fleet is made of: nodes, the case, and where in S3 it lies. All are checked before they are used:
they become names of Kubernetes, parts of keys, and words of a page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flbrecover.errors import UsageError

MOST_NODES = 20_000
LONGEST_LIST = 8 << 20  # bytes of a file of nodes

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*")
LONGEST_JOB = 63  # of a Job's name: it becomes a label of its pods


@dataclass(frozen=True, slots=True)
class Folder:
    """``s3://bucket/prefix``: the prefix ends with a slash."""

    bucket: str
    prefix: str

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return self.prefix.rstrip("/").rpartition("/")[2]

    def below(self, name: str) -> Folder:
        return Folder(self.bucket, f"{self.prefix}{name}/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def is_node(name: str) -> bool:
    """Is it a name that a node of Kubernetes can have (RFC 1123 subdomain)?"""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """RFC 1123 label: the name of a namespace, of a case."""
    return _LABEL.fullmatch(name) is not None


def folder(url: str, option: str) -> Folder:
    """Of ``s3://BUCKET/PREFIX/``. Raises UsageError."""
    try:
        parts = urlsplit(url)
    except ValueError as e:  # s3://[a/b
        raise UsageError(f"{option} {url}: s3://BUCKET/PREFIX/ is wanted") from e
    inner = parts.path.strip("/").split("/")
    well = parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and not parts.query and not parts.fragment
    if not well or not all(_PREFIX.fullmatch(part) for part in inner):
        wanted = "s3://BUCKET/PREFIX/ is wanted, of letters, digits and . _ = -"
        raise UsageError(f"{option} {url}: {wanted}{_wrong_in(url)}")
    return Folder(parts.netloc, "/".join(inner) + "/")


def _wrong_in(url: str) -> str:
    """What is wrong in an address that begins well."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not bucket or not url.startswith("s3://"):
        return ""
    if not 3 <= len(bucket) <= 63:
        return " (a bucket's name has 3 to 63 characters)"
    for what, text, allowed in (("a bucket's name", bucket, "a-z0-9._-"), ("PREFIX", prefix, "A-Za-z0-9._=/-")):
        if bad := re.search(f"[^{allowed}]", text):
            return f" ({bad[0]!r} cannot be used in {what})"
    if bad := re.search(r"(?:^|/)([._=-]|/)", f"{bucket}/{prefix.strip('/')}"):
        return f" ({bad[1]!r} cannot be the first character of a part)"
    return ""


def case_folder(url: str, option: str) -> Folder:
    """Of ``s3://BUCKET/PREFIX/CASE/``. Raises UsageError."""
    found = folder(url, option)
    if not is_label(found.name):
        bad = re.search("[^a-z0-9-]", found.name)
        raise UsageError(
            f"{option} {url}: its last part names the case: lower case letters, digits and -, at most 63 of them"
            + (f" ({bad[0]!r} cannot be used)" if bad else "")
        )
    return found


def node_list(given: str | None, file: str | None) -> list[str]:
    """``--nodes`` and ``--nodes-file``, in the order given. Raises UsageError."""
    if (given is None) == (file is None):
        raise UsageError("the nodes are needed: --nodes a,b,c or --nodes-file FILE, one of both")
    if given is not None:
        return nodes((("--nodes", name) for name in given.split(",")), "--nodes")
    return nodes(_lines(str(file)), f"--nodes-file {file}")


def _lines(file: str) -> Iterable[tuple[str, str]]:
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(LONGEST_LIST + 1)
    except OSError as e:
        raise UsageError(f"--nodes-file {file}: {e.strerror}") from e
    if len(text) > LONGEST_LIST:
        raise UsageError(f"--nodes-file {file}: larger than any list of nodes")
    for number, line in enumerate(text.decode("utf-8", "backslashreplace").splitlines(), 1):
        yield f"--nodes-file {file}:{number}", line.partition("#")[0]


def nodes(said: Iterable[tuple[str, str]], option: str) -> list[str]:
    """The nodes of (place, name); empty names are left out, ``node/`` of ``kubectl get nodes -o name`` is taken off.
    Raises UsageError."""
    found: dict[str, str] = {}
    for place, text in said:
        name = text.strip().removeprefix("node/")
        if not name:
            continue
        if not is_node(name):
            raise UsageError(f"{place}: {name[:100]!r} is no name of a node: lower case letters, digits, - and .")
        if name in found:
            raise UsageError(f"{place}: {name} is named twice (first: {found[name]})")
        if len(found) == MOST_NODES:
            raise UsageError(f"{place}: more than {MOST_NODES:,} nodes; make a fleet of each part")
        found[name] = place
    if not found:
        raise UsageError(f"{option}: names no node")
    return list(found)


def job_name(case: str, node: str) -> str:
    """A name for the node's Job: readable as far as it has room, its own for each node and case."""
    own = hashlib.sha256(f"{case}/{node}".encode()).hexdigest()[:8]
    said = f"flbrecover-{node.replace('.', '-')}"[: LONGEST_JOB - 9].rstrip("-")
    return f"{said}-{own}"
