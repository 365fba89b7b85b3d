"""The S3 server that everything is measured against, with counts of what it was asked and sent."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from flbrecover.bucket.client import S3
from flbrecover.demo.child import free_ports
from flbrecover.demo.seaweedfs import SeaweedFS, credentials

from .peers import Peers

FIRST_PUTS, PUTS_AT_ONCE = 64, 16  # into a new bucket: no more than these wait
MEMORY = "4GiB"  # enough for all worlds: a server short of it takes a core from whoever is measured
_SENT = re.compile(r"^SeaweedFS_s3_bucket_traffic_sent_bytes_total\{[^}]*\} (\S+)$", re.M)
_ASKED = re.compile(r'^SeaweedFS_s3_request_total\{[^}]*type="(\w+)"\} (\S+)$', re.M)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of object bodies that the server sent, and requests by method. Listings count as requests only."""

    sent: int
    requests: dict[str, int]

    def since(self, before: Traffic) -> Traffic:
        requests = {k: v - before.requests.get(k, 0) for k, v in self.requests.items()}
        return Traffic(self.sent - before.sent, {k: v for k, v in requests.items() if v})


class BenchmarkServer:
    """SeaweedFS with its data below the data folder; later runs find the same buckets. A context manager."""

    def __init__(self, data: Path, peers: Peers) -> None:
        folder = data / "server"
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise SystemExit(f"{folder}: another run of the benchmarks uses it; wait for it, or give --data") from e
        self._metrics = free_ports(1)
        options = (f"-metricsPort={self._metrics}", "-metricsIp=127.0.0.1")
        self._weed = SeaweedFS(folder, options, memory=MEMORY)
        self._s5cmd = peers.s5cmd

    def __enter__(self) -> BenchmarkServer:
        self._weed.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._weed.stop()

    @property
    def url(self) -> str:
        return self._weed.endpoint_url

    @property
    def s3(self) -> S3:
        return self._weed.connect()

    @property
    def environment(self) -> dict[str, str]:
        """For any client: this server, as a user who may do everything."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            **credentials(),
            "AWS_REGION": "us-east-1",
            "S3_ENDPOINT_URL": self.url,
            "RCLONE_CONFIG_WEED_TYPE": "s3",
            "RCLONE_CONFIG_WEED_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_WEED_ENV_AUTH": "true",
            "RCLONE_CONFIG_WEED_ENDPOINT": self.url,
            "RCLONE_CONFIG": "/dev/null",
        }

    def traffic(self) -> Traffic:
        """Since the server started."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        asked: dict[str, int] = {}
        for method, count in _ASKED.findall(text):
            asked[method] = asked.get(method, 0) + int(float(count))
        return Traffic(sum(int(float(n)) for n in _SENT.findall(text)), asked)

    def fresh_bucket(self, name: str) -> str:
        """An empty bucket."""
        self.drop_bucket(name)
        self.s3.client.create_bucket(Bucket=name)
        return name

    def used_bucket(self, name: str) -> str:
        """An empty bucket that was written to before: SeaweedFS lets the first uploads into a new one wait for a
        second, until it has files for them. That is no matter of who uploads."""
        self.fresh_bucket(name)
        s3 = self.s3.client

        def put(number: int) -> None:
            s3.put_object(Bucket=name, Key=f"{number}", Body=b"-")

        with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
            list(pool.map(put, range(FIRST_PUTS)))
        self._run("rm", f"s3://{name}/*")
        return name

    def drop_bucket(self, name: str) -> None:
        if any(b["Name"] == name for b in self.s3.client.list_buckets()["Buckets"]):
            self._run("rm", f"s3://{name}/*", check=False)
            self.s3.client.delete_bucket(Bucket=name)

    def upload(self, folder: Path, bucket: str) -> None:
        """Puts all files below a folder into a bucket, under their paths in the folder."""
        if any(folder.iterdir()):
            self._run("cp", "--content-encoding", "gzip", "--content-type", "application/gzip", f"{folder}/",
                      f"s3://{bucket}/")  # fmt: skip

    def _run(self, *arguments: str, check: bool = True) -> None:
        command = [str(self._s5cmd), "--log", "error", *arguments]
        subprocess.run(command, env=self.environment, check=check, capture_output=not check)
