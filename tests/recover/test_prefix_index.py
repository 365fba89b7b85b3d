"""Ranges to list are put together by how their keys are written: what they share is long, so few keys have it."""

from __future__ import annotations

import pytest

from flbrecover.fluentbit.key_format import KeyFormat
from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.recover.prefix_index import PrefixIndex

HOUR = 3600 * 10**9
NOW = 1795433904 * 10**9  # 2026-11-23T11:38:24Z


FORMATS = ["/logs/$TAG/%Y/%m/%d/%H/$UUID.gz", "/%Y/%m/%d/%H/$TAG/$UUID", "/all/$TAG-$UUID"]


@pytest.mark.parametrize("key_format", FORMATS)
def test_groups_hold_all_ranges_and_share_a_prefix(key_format: str) -> None:
    pattern = KeyFormat.of(S3Output(0, "b", key_format=key_format)).pattern("app.web")
    index = PrefixIndex([pattern], NOW - 30 * HOUR, NOW, limit=100)
    assert sorted(one.prefix for one in index.ranges) == pattern.prefixes(NOW - 30 * HOUR, NOW, limit=100)
    assert all(one.prefix.startswith(group.prefix) for group in index.groups for one in group.ranges)


def test_a_tag_has_a_group_of_its_own() -> None:
    """Beside it are the keys of versions that write the name of a buffer file for the tag."""
    pattern = KeyFormat.of(S3Output(0, "b", key_format="/logs/$TAG/%Y/%m/%d/%H/$UUID.gz")).pattern("app.web")
    index = PrefixIndex([pattern], NOW - 30 * HOUR, NOW, limit=100)
    of_tag, *others = sorted(index.groups, key=lambda group: -len(group.ranges))
    assert (of_tag.prefix, len(of_tag.ranges)) == ("logs/app.web/2026/11/2", 31)
    assert all(group.prefix.startswith("logs/") and len(group.prefix) > 10 for group in others)
