from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.fluentbit.multipart_metadata import UploadName, parse_name, parse_parts
from flbrecover.model import UploadPart

ID = "R0OSlzFkFdBqsxaX808kb4zEG0byJ0VnbkbwvOWQbdn2SoIkA3KrcjPY9Q"
E1, E2 = "4d97008649e8d3f905865b5cece7a718", "68ac667d35367e70dcde1e31ba1031ad"


def test_the_name_of_an_upload_that_was_seen() -> None:
    meta = b"/log/test/2026/11/23/11/40/19/yBATLVjJ.log\n" + ID.encode()
    assert parse_name(meta) == UploadName("log/test/2026/11/23/11/40/19/yBATLVjJ.log", ID)


@settings(max_examples=80)
@given(
    key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=100),
    upload_id=st.text("abcXYZ019._-", min_size=1, max_size=120),
)
def test_any_key_survives(key: str, upload_id: str) -> None:
    assert parse_name(b"/" + key.encode() + b"\n" + upload_id.encode()) == UploadName(key, upload_id)


def test_bytes_that_are_no_text_survive() -> None:
    name = parse_name(b"/a\xff/b\n" + ID.encode())
    assert name is not None and name.key.encode("utf-8", "surrogateescape") == b"a\xff/b"


@pytest.mark.parametrize(
    "meta", [b"", b"\n", b"/key", b"/key\n", b"\nid", b"/\nid", b"/key\0\nid", b"/" + b"k" * 1025 + b"\nid"]
)
def test_what_names_no_upload(meta: bytes) -> None:
    assert parse_name(meta) is None


def test_parts_with_and_without_quotes() -> None:
    parts, problems = parse_parts(f'part_number=1\tetag={E1}\npart_number=2\tetag="{E2}"\n'.encode())
    assert parts == (UploadPart(1, E1), UploadPart(2, E2))
    assert problems == ()


@pytest.mark.parametrize(
    ("content", "numbers", "said"),
    [
        (b"", [], None),
        (b"part_number=1\tetag=aa\npart_number=2\tetag=b", [1], "torn"),
        (b"part_number=1\tetag=aa\n\0\0\0\0", [1], None),
        (b"part_number=1\tetag=aa\n\0\0\0\0part_number=3\tetag=cc\n", [1], "line 2 is no part"),
        (b"part_number=0\tetag=aa\n", [], "line 1 is no part"),
        (b"part_number=10001\tetag=aa\n", [], "line 1 is no part"),
        (b"part_number=99999999999999999999\tetag=aa\n", [], "line 1 is no part"),
        (b"part_number=1\tetag=\n", [], "line 1 is no part"),
        (b"part_number=1\tetag=" + b"a" * 300 + b"\n", [], "line 1 is no part"),
        (b"part_number=2\tetag=aa\npart_number=1\tetag=bb\n", [2, 1], None),
        (b"\xff\xfe garbage\n", [], "line 1 is no part"),
    ],
)
def test_damaged_parts(content: bytes, numbers: list[int], said: str | None) -> None:
    parts, problems = parse_parts(content)
    assert [part.number for part in parts] == numbers
    assert (said is None) == (problems == ())
    assert said is None or any(said in problem for problem in problems)


def test_the_last_of_two_etags_counts() -> None:
    parts, problems = parse_parts(f"part_number=1\tetag={E1}\npart_number=1\tetag={E2}\n".encode())
    assert parts == (UploadPart(1, E2),)
    assert problems == ("part 1 is listed with two ETags",)
