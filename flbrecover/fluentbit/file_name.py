"""The name of a file in ``store_dir``: ``<hash of the tag>-<product of its creation time>``, two 64-bit decimals.

Source: ``gen_store_filename`` in plugins/out_s3/s3_store.c. For files under ``multipart_upload_metadata`` the "tag"
is the metadata: key, newline, upload id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

from flbrecover.model import SECOND_NS

_NAME = re.compile(r"([0-9]{1,20})-([0-9]{1,20})\Z")
_MASK = (1 << 64) - 1
_SEED = 5381
_SEED_INVERSE = pow(_SEED, -1, 1 << 64)
_DAY = 86_400

LOOK_BACK_S = 7 * _DAY  # a file is written to for the time of one upload; clocks and copies are less exact
LOOK_AHEAD_S = _DAY


@dataclass(frozen=True, slots=True)
class FileName:
    """``tag_hash`` as it stands in the name; ``time_product`` is seconds times nanoseconds of the creation time."""

    tag_hash: int
    time_product: int


def tag_hash(tag: bytes, *, signed: bool = True) -> int:
    """The 64-bit hash (djb2) of a tag, up to its first NUL as C takes it.

    ``signed`` is how the machine takes bytes above 0x7f: as ``char`` of x86-64, and of the official arm64 builds; an
    arm64 build without ``-fsigned-char`` takes them unsigned.
    """
    value = _SEED
    for byte in tag.split(b"\0", 1)[0]:
        value = (value * 33 + (byte - 256 if signed and byte > 0x7F else byte)) & _MASK
    return value


def parse(name: str) -> FileName | None:
    """The two numbers of a file name, None for any other name."""
    found = _NAME.match(name)
    if found is None:
        return None
    hashed, product = int(found[1]), int(found[2])
    if hashed > _MASK or product > _MASK:
        return None
    return FileName(hashed, product * _SEED_INVERSE & _MASK)


def confirms(name: FileName, tag: bytes) -> bool:
    """Whether the name was made from this tag."""
    return name.tag_hash in (tag_hash(tag), tag_hash(tag, signed=False))


def find_tag(name: FileName, data: bytes) -> int | None:
    """The length of the start of ``data`` that the name was made from, None if there is none.

    Finds the tag, and with it the start of the content, when the header before it is damaged: ``data`` is what
    follows the place of the header.
    """
    signed = unsigned = _SEED
    for length, byte in enumerate(data, 1):
        if byte == 0:
            return None
        signed = (signed * 33 + (byte - 256 if byte > 0x7F else byte)) & _MASK
        unsigned = (unsigned * 33 + byte) & _MASK
        if name.tag_hash in (signed, unsigned):
            return length
    return None


def created_ns(name: FileName, near_ns: int) -> int | None:
    """When the file was made (ns since the epoch), None where no second near ``near_ns`` (the file's mtime) fits.

    Fluent Bit multiplies 5381, the seconds and the nanoseconds in 64 bits. The product of the two times itself always
    fits into 64 bits, so that multiplying by the inverse of 5381 gives it back; the second that divides it with a
    quotient below 10^9 is taken: the last one up to ``near_ns``, else the first one behind it. Strong, not certain.
    """
    product = name.time_product
    near = near_ns // SECOND_NS
    if product == 0 or near <= 0:
        return None
    first = max(near - LOOK_BACK_S, product // SECOND_NS + 1, 1)
    for second in chain(range(near, first - 1, -1), range(max(near + 1, first), near + LOOK_AHEAD_S + 1)):
        if product % second == 0:
            return second * SECOND_NS + product // second
    return None
