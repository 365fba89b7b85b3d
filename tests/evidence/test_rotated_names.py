"""What names of rotated files say."""

from __future__ import annotations

import pytest

from flbrecover.evidence.rotated_names import live_names, rotation_of, writing_order

ROTATED = [  # live, rotated, scheme, who does it
    ("app.log", "app.log.1", "number", "logrotate, Docker, log4j"),
    ("app.log", "app.log.12.gz", "number", "logrotate compress"),
    ("app.log", "app.log.0", "number", "newsyslog"),
    ("app.log", "app.log.old", "number", "many daemons"),
    ("app.log", "app.log.gz", "number", "by hand"),
    ("app.log", "app.1.log", "number", "logrotate extension, log4j2"),
    ("app.log", "app.2.log.gz", "number", "log4j2"),
    ("app.log", "app.log-20261123", "date", "logrotate dateext"),
    ("app.log", "app.log-20261123.gz", "date", "logrotate dateext compress"),
    ("app.log", "app-20261123.log", "date", "logrotate dateext extension"),
    ("app.log", "app.log-20261123-1795433946", "date", "logrotate dateformat -%Y%m%d-%s"),
    ("app.log", "app.log-1795433946", "date", "logrotate dateformat -%s"),
    ("app.log", "app.log-2026112314", "date", "logrotate dateformat -%Y%m%d%H"),
    ("app.log", "app.log.2026-11-23", "date", "Python TimedRotatingFileHandler"),
    ("app.log", "app.log.2026-11-23_14-05", "date", "Python, by minute"),
    ("app.log", "app.log.2026-11-23.3", "date", "logback"),
    ("app.log", "app.2026-11-23.3.log.gz", "date", "logback"),
    ("app.log", "app-2026-11-23T14-05-06.123.log", "date", "lumberjack"),
    ("0.log", "0.log.20261123-120000", "date", "kubelet"),
    ("0.log", "0.log.20261123-120000.gz", "date", "kubelet"),
    ("messages", "messages-20261123", "date", "logrotate"),
    ("messages", "messages.3", "number", "logrotate"),
    ("x-json.log", "x-json.log.1", "number", "Docker"),
]
FOREIGN = [
    ("app.log", "app.log"),
    ("app.log", "app-1.log"),  # a second worker
    ("app.log", "app1.log"),
    ("app.log", "app.log.audit"),
    ("app.log", "app.log.1.bak"),
    ("app.log", "app.log.bak"),
    ("app.log", "app.log.tmp"),
    ("app.log", "app.log.20261323"),  # no such month
    ("app.log", "app.log.123456"),
    ("app.log", "app2.log.1"),
    ("app.log", "my-app.log.1"),
    ("app.log", "application.log"),
    ("0.log", "1.log"),  # the container's next start
    ("0.log", "10.log"),
    ("app-2026-11-23.log", "app-2026-11-22.log"),
]


@pytest.mark.parametrize(("live", "name", "scheme", "who"), ROTATED)
def test_rotated_names(live: str, name: str, scheme: str, who: str) -> None:
    rotation = rotation_of(live, name)
    assert rotation is not None
    assert rotation.scheme == scheme
    assert rotation.compression == (".gz" if name.endswith(".gz") else "")
    assert live in live_names(name)


@pytest.mark.parametrize(("live", "name"), FOREIGN)
def test_foreign_names(live: str, name: str) -> None:
    assert rotation_of(live, name) is None


def test_other_compressions_are_known() -> None:
    rotation = rotation_of("app.log", "app.log.1.xz")
    assert rotation is not None
    assert rotation.compression == ".xz"


def test_a_dated_name_behind_a_symlink_has_dated_siblings() -> None:
    rotation = rotation_of("app-2026-11-23.log", "app-2026-11-22.log.gz", other_dates=True)
    assert rotation is not None
    assert rotation.place < (20261123,)
    assert rotation_of("app-2026-11-23.log", "web-2026-11-22.log", other_dates=True) is None
    assert rotation_of("app-2026-11-23.log", "app-2026-11-23.log", other_dates=True) is None


def ordered(live: str, *names: str, times: list[int] | None = None) -> list[str]:
    rotations = []
    for name in names:
        rotation = rotation_of(live, name)
        assert rotation is not None
        rotations.append(rotation)
    times = times or [0] * len(names)
    return [names[i] for i in writing_order(list(zip(rotations, times, strict=True)))]


def test_numbers_count_into_the_past() -> None:
    assert ordered("a", "a.1", "a.10.gz", "a.2.gz", times=[30, 1, 20]) == ["a.10.gz", "a.2.gz", "a.1"]
    assert ordered("a", "a.1", "a.2") == ["a.2", "a.1"]


def test_numbers_that_count_upwards_are_seen_by_their_times() -> None:
    assert ordered("a", "a.3", "a.1", "a.2", times=[30, 10, 20]) == ["a.1", "a.2", "a.3"]


def test_the_time_of_a_compressed_file_decides_nothing() -> None:
    assert ordered("a", "a.1", "a.2.gz", times=[10, 99]) == ["a.2.gz", "a.1"]
    assert ordered("a", "a.1", "a.2", "a.3", times=[30, 10, 20]) == ["a.3", "a.2", "a.1"]


def test_dates_count_forwards() -> None:
    names = ["a.2026-11-23.2", "a.2026-11-23.10", "a.2026-11-22.7.gz", "a.2026-11-24"]
    assert ordered("a", *names) == ["a.2026-11-22.7.gz", "a.2026-11-23.2", "a.2026-11-23.10", "a.2026-11-24"]
    kubelet = ["0.log.20261123-120000", "0.log.20261123-090000.gz", "0.log.20261122-235959.gz"]
    assert ordered("0.log", *kubelet) == kubelet[::-1]


def test_seconds_since_1970_sort_among_dates() -> None:
    """1,795,435,200 is 2026-11-23T12:00:00Z."""
    names = ["a-1795435199", "a-20261122", "a-1795435200", "a-20261124", "a-20261123-115959-1795435201"]
    assert ordered("a", *names) == [names[1], names[0], names[4], names[2], names[3]]


def test_mixed_schemes_go_by_time() -> None:
    assert ordered("a", "a.1", "a-20261123", times=[5, 9]) == ["a.1", "a-20261123"]
    assert ordered("a", "a.1", "a-20261123", times=[9, 5]) == ["a-20261123", "a.1"]
