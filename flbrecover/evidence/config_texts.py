"""The texts of configuration files, read through the node within bounds, and where an include is looked for."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Mapping

from flbrecover.errors import ConfigError, EvidenceError
from flbrecover.evidence.node import Node
from flbrecover.model import FileFacts, Problem

MAX_FILE = 4 * 1024 * 1024
MAX_TOTAL = 64 * 1024 * 1024
MAX_GLOB = 1001  # one more than the parsers accept


class Texts:
    """Reads files of the node as text; remembers the facts of every file that it read."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.facts: dict[str, FileFacts] = {}
        self._texts: dict[str, str] = {}
        self._total = 0

    def read(self, path: str) -> str:
        """The text of a file; bytes that are no UTF-8 survive as surrogates. Raises ConfigError where it cannot be read
        or is larger than ``MAX_FILE``."""
        if path in self._texts:
            return self._texts[path]
        try:
            facts = self.node.facts(path)
            with self.node.open(path) as f:
                data = f.read(MAX_FILE + 1)
        except EvidenceError as e:
            raise ConfigError(str(e).removeprefix(f"{path}: "), path=path) from e
        except OSError as e:
            raise ConfigError(f"cannot be read: {e.strerror}", path=path) from e
        self._total += len(data)
        if len(data) > MAX_FILE or self._total > MAX_TOTAL:
            limit = MAX_FILE if len(data) > MAX_FILE else MAX_TOTAL
            raise ConfigError(f"more than {limit} bytes of configuration are not read", path=path)
        self.facts[path] = facts
        self._texts[path] = data.decode("utf-8", "surrogateescape")
        return self._texts[path]

    def folder(self, path: str) -> tuple[dict[str, str], ConfigError | None]:
        """Name and text of the files of a folder that have a name like a configuration's, in the order of names.
        Names that begin with a dot are passed over: the kubelet's own ``..data`` is one. So is what cannot be read; the
        first error is given, too."""
        out: dict[str, str] = {}
        error: ConfigError | None = None
        try:
            names = self.node.names(path)
        except EvidenceError as e:
            return out, ConfigError(str(e).removeprefix(f"{path}: "), path=path)
        for name in names:
            if name.startswith(".") or not name.endswith((".conf", ".yaml", ".yml")):
                continue
            try:
                out[name] = self.read(f"{path.rstrip('/')}/{name}")
            except ConfigError as e:
                error = error or e
        return out, error


class Includes:
    """Finds what a configuration includes: ``find`` is the callback of the parsers.

    ``main`` is the path of the main file (``FILE#key`` in a manifest), ``beside`` the texts of its manifest by key.
    ``own_folder`` True looks for relative paths from the including file (YAML), else from the main one (classic).
    Paths in a container are not those of the node: a file that is not where it should be and lies beside the main
    file is taken from there, with a note. ``partial``: only ``beside`` is looked at, and an include that is not there
    is passed over and named in ``missing``.
    """

    def __init__(
        self, texts: Texts, main: str, beside: Mapping[str, str] | None, *, own_folder: bool, partial: bool = False
    ) -> None:
        self.notes: list[Problem] = []
        self.missing: list[str] = []
        self._partial = partial
        self._texts = texts
        self._main = main
        self._beside = beside
        self._own_folder = own_folder
        self._read = {self._identity(main)}

    def find(self, pattern: str, including: str) -> list[tuple[str, str]]:
        """(path, text) of what an include or a ``Parsers_File`` names. Raises ConfigError where there is nothing, and
        for a file that was read before. The file of a variable (``file://PATH``) may be read again."""
        variable = pattern.startswith("file://")
        pattern = pattern.removeprefix("file://")
        if "\0" in pattern or not pattern.strip():
            raise ConfigError("not a path")
        paths = self._paths(pattern, including)
        if not paths and self._partial and not variable:
            self.missing.append(pattern)
            return []
        if not paths:
            what = "matches no file" if "*" in pattern else "no such file"
            raise ConfigError(f"{what} inside the root, and none of this name beside {self._main}")
        out = []
        for path in paths[:MAX_GLOB]:
            identity = self._identity(path)
            if identity in self._read and not variable:
                raise ConfigError(f"{path} is included twice, or includes itself")
            if not variable:
                self._read.add(identity)
            out.append((path, self._text(path)))
        return out

    def _paths(self, pattern: str, including: str) -> list[str]:
        name = posixpath.basename(pattern)
        anything = name.partition(".")[0] == "*"  # would match the main file itself: meant for another folder
        if self._beside is not None and not anything:
            keys = [k for k in sorted(self._beside) if k == name or ("*" in name and fnmatch.fnmatchcase(k, name))]
            if keys:
                return [f"{self._main.rpartition('#')[0]}#{k}" for k in keys]
        if self._partial:
            return []
        base = including if self._own_folder else self._main
        wanted = pattern if pattern.startswith("/") else f"{posixpath.dirname(base)}/{pattern}"
        found = self._on_node(wanted)
        if found or self._beside is not None or anything:
            return found
        for folder in dict.fromkeys((posixpath.dirname(self._main), posixpath.dirname(self._identity(self._main)))):
            found = self._on_node(f"{folder}/{name}")
            if found:
                what = f"{pattern} is not there; taken from {folder}"
                self.notes.append(Problem(including, what, unreadable=False))
                break
        return found

    def _on_node(self, path: str) -> list[str]:
        node = self._texts.node
        clean = "/" + posixpath.normpath(path).lstrip("/")
        found = [p for p in node.glob(clean) if node.is_file(p)] if "*" in clean else []
        return found or ([clean] if node.is_file(clean) else [])

    def _text(self, path: str) -> str:
        _, hash_sign, key = path.rpartition("#")
        if hash_sign and self._beside is not None and key in self._beside:
            return self._beside[key]
        return self._texts.read(path)

    def _identity(self, path: str) -> str:
        if self._beside is not None and "#" in path:
            return path
        try:
            return self._texts.node.resolve(path)
        except EvidenceError:
            return path
