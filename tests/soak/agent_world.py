"""What a trial of :mod:`soak.agents` is made of: applications that write numbered lines and rotate their logs, a
configuration drawn by chance, and an S3 that fails in the ways that it has."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from faults.proxy import Action, Call, Exchange

FLAVOURS = ("plain", "plain", "cri", "cri", "kube", "kube", "docker", "json", "regex", "java", "stack")
UPLOADS = {"PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload"}
MOODS = ("ok", "ok", "503", "lost", "cut", "403", "hang", "500 though done", "mixed")


class Moody:
    """A rule of the fault proxy: uploads go as ``mood`` says."""

    def __init__(self, chance: random.Random) -> None:
        self.mood = "ok"
        self._chance = chance
        self._acts: dict[str, Callable[[Exchange], None]] = {
            "503": lambda x: x.error(503, "SlowDown"),
            "403": lambda x: x.error(403, "ExpiredToken"),
            "lost": lambda x: (x.forward(), x.cut())[1],
            "cut": lambda x: (x.half_body(), x.cut())[1],
            "hang": lambda x: (x.body(), time.sleep(3), x.cut())[2],
            "500 though done": lambda x: (x.forward(), x.error(500, "InternalError"))[1],
        }

    def __call__(self, call: Call) -> Action | None:
        if call.operation not in UPLOADS:
            return None
        mood = self._chance.choice(("ok", "503", "lost", "cut")) if self.mood == "mixed" else self.mood
        return self._acts.get(mood)


class App:
    """One application and its log, in ``folder`` of ``node``. ``numbers`` are those of its lines, ``written`` takes
    what it wrote."""

    def __init__(
        self, node: Path, name: str, flavour: str, numbers: Iterator[int], written: dict[int, str],
        chance: random.Random, *, copytruncate: bool, keep: int, folder: str = "var/log/apps",
    ) -> None:  # fmt: skip
        self._numbers, self._written, self._chance = numbers, written, chance
        self._flavour, self._copytruncate, self._keep = flavour, copytruncate, keep
        self._path = node / folder / f"{name}.log"
        if flavour == "kube":
            self._path = _pod(node, name)
        self._file: IO[bytes] = self._path.open("ab", buffering=0)

    def _text(self) -> str:
        chance, number = self._chance, next(self._numbers)
        more = chance.choices(
            (f"GET /api/{chance.randrange(9)} 200 {chance.randrange(900)}ms", chance.randbytes(30).hex(),
             'say "hello" \\ back\tslash é 漢字 😀', "x" * chance.choice((100, 3000, 9000)), "\x1b[31mred\x1b[0m \x7f",
             "no utf-8: \udcff\udcc3( \udce6\udcbc." if self._flavour not in ("docker", "json") else "/", "end\r"),
            (6, 2, 1, 0.5, 1, 0.3, 0.3),
        )[0]  # fmt: skip
        self._written[number] = more
        return f"level=info seq={number:07d} {more}"

    def _line(self) -> str:
        now, text = time.time_ns(), self._text()
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
        if self._flavour in ("cri", "kube"):
            if len(text) > 60 and self._chance.random() < 0.5:
                cut = self._chance.randrange(30, len(text))
                return f"{at} stdout P {text[:cut]}\n{at} stdout F {text[cut:]}\n"
            return f"{at} {self._chance.choice(('stdout', 'stderr'))} F {text}\n"
        if self._flavour == "docker":
            pieces = [text[:40], text[40:] + "\n"] if self._chance.random() < 0.1 else [text + "\n"]
            return "".join(json.dumps({"log": piece, "stream": "stdout", "t": at}) + "\n" for piece in pieces)
        if self._flavour == "json":
            return (
                json.dumps({"t": at, "msg": text, "n": self._chance.choice((1, 1.5, None, True, [1, {}], 1e30))}) + "\n"
            )
        if self._flavour == "java" and self._chance.random() < 0.15:
            return f"Exception in thread main java.lang.RuntimeException: {text}\n\tat a.B.c(D.java:1)\n"
        if self._flavour == "stack":
            return f"{at} INFO {text}\n" + "\tat a.B.c(D.java:1)\n" * self._chance.choice((0, 0, 1, 3))
        empty = "\n" if self._chance.random() < 0.01 else ""
        return empty + (f"{at} INFO {text}\n" if self._flavour == "regex" else text + "\n")

    def write(self, lines: int) -> None:
        for _ in range(lines):
            data = self._line().encode("utf-8", "surrogateescape")
            cut = self._chance.randrange(1, len(data)) if self._chance.random() < 0.03 else len(data)
            self._file.write(data[:cut])
            if data[cut:]:  # a line in two writes
                time.sleep(0.02)
                self._file.write(data[cut:])

    def rotate(self) -> None:
        """As the kubelet does, or logrotate with ``create`` or ``copytruncate``; keeps so many rotated files."""
        rotated = sorted((p for p in self._path.parent.iterdir() if p.name.startswith(self._path.name + ".")),
                         key=lambda p: p.stat().st_mtime, reverse=True)  # fmt: skip
        for path in rotated[self._keep - 1 :]:
            path.unlink()
        rotated = rotated[: self._keep - 1]
        if self._flavour == "kube":
            new = self._path.with_name("0.log." + time.strftime("%Y%m%d-%H%M%S", time.gmtime()))
            if any(p.name.startswith(new.name) for p in rotated):
                return  # it waits ten seconds at least
            for path in rotated:
                if path.suffix != ".gz":
                    packed = path.with_name(path.name + ".gz")
                    packed.write_bytes(gzip.compress(path.read_bytes()))
                    shutil.copystat(path, packed)
                    path.unlink()
        else:
            for path in reversed(rotated):
                path.rename(path.with_name(f"{self._path.name}.{int(path.suffix[1:]) + 1}"))
            new = self._path.with_name(self._path.name + ".1")
        if self._copytruncate and self._flavour != "kube":
            shutil.copy2(self._path, new)
            os.truncate(self._path, 0)
            return
        self._path.rename(new)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        self._file.close()


def _pod(node: Path, name: str) -> Path:
    """The log of a pod, with the kubelet's symlink and what the kubernetes filter finds in its cache."""
    pod, uid = f"{name}-7f89b7d5c9-qq8zl", "7c0d1f9e-2222-4a6b-9b1a-aa90c0ffee02"
    path = node / f"var/log/pods/shop_{pod}_{uid}/{name}/0.log"
    path.parent.mkdir(parents=True)
    link = node / f"var/log/containers/{pod}_shop_{name}-{'ab' * 32}.log"
    link.symlink_to("/" + str(path.relative_to(node)))
    (node / f"etc/fluent-bit/meta/shop_{pod}.meta").write_text(json.dumps({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": pod, "namespace": "shop", "uid": uid, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "containers": [{"name": name, "image": f"r/{name}:1"}]},
        "status": {"hostIP": "10.0.3.17", "podIP": "10.0.9.4", "containerStatuses": [
            {"name": name, "image": f"r/{name}:1", "containerID": f"containerd://{'ab' * 32}"}]},
    }))  # fmt: skip
    return path
