"""Real servers for the tests, and an environment in which no test can reach a real account."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.incidents import SmallIncident
from faults.proxy import FaultProxy
from hypothesis import settings
from servers import Moto, Server

from flbrecover.bucket.client import S3
from flbrecover.demo.seaweedfs import SeaweedFS, credentials

for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ.update(credentials())

settings.register_profile("untimed", settings(), deadline=None)  # no test asks for a time
settings.load_profile("untimed")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class FreshBucket:
    """An empty bucket of a server, with a handle that may do everything in it."""

    server: Server
    name: str
    s3: S3

    def put(self, key: str, body: bytes = b"", **more: str) -> str:
        """Stores an object and gives its ETag."""
        return self.s3.client.put_object(Bucket=self.name, Key=key, Body=body, **more)["ETag"].strip('"')  # type: ignore[arg-type]

    def get(self, key: str) -> bytes:
        return self.s3.client.get_object(Bucket=self.name, Key=key)["Body"].read()


@pytest.fixture(autouse=True, scope="session")
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As :func:`_here`, for fixtures of modules."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands keep their case folders below the current folder: not below this repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS: a real server with real permissions, conditional writes and checksums."""
    with SeaweedFS(tmp_path_factory.mktemp("weed")) as running:
        yield Server(running.endpoint_url)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """moto: byte order, any key, any credentials."""
    with Moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def weed_bucket(weed: Server) -> FreshBucket:
    return _fresh(weed)


@pytest.fixture
def moto_bucket(moto: Server) -> FreshBucket:
    return _fresh(moto)


def _fresh(server: Server) -> FreshBucket:
    name = f"bucket-{next(_numbers)}"
    s3 = server.connect()
    s3.client.create_bucket(Bucket=name)
    return FreshBucket(server, name, s3)


@pytest.fixture(scope="module")
def proxy(moto: Server) -> Iterator[FaultProxy]:
    """A proxy before moto, for the faults of a network, a server, and other people."""
    with FaultProxy(moto.endpoint_url) as running:
        yield running


@pytest.fixture(scope="module")
def small(moto: Server, tmp_path_factory: pytest.TempPathFactory) -> SmallIncident:
    """An incident with a record in every state, quickly recovered."""
    return SmallIncident(tmp_path_factory.mktemp("small"), moto.client)


def _fails() -> None:
    raise ValueError("the worker cannot")


@pytest.fixture(params=[_fails, lambda: os._exit(1)], ids=["fails", "is gone"])
def worker_ends(request: pytest.FixtureRequest) -> Callable[[], None]:
    """A way in which a second process gives no answer; to be called in it."""
    found: Callable[[], None] = request.param
    return found
