"""``s3_key_format``: the key that Fluent Bit writes, the pattern that finds it again, and the key of a recovery.

Source: flb_get_s3_key and replace_uri_tokens in src/aws/flb_aws_util.c, s3_put_object and create_upload in
plugins/out_s3/s3.c. docs/keys.md has the same in words.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import key_strftime, key_template
from flbrecover.fluentbit.file_name import tag_hash
from flbrecover.fluentbit.key_pattern import KeyPattern
from flbrecover.fluentbit.key_span import to_datetime
from flbrecover.fluentbit.key_template import KeyFields, Template
from flbrecover.fluentbit.pipeline import S3Output

__all__ = ["MAX_KEY_BYTES", "KeyFields", "KeyFormat", "KeyPattern", "recovered_key"]

MAX_KEY_BYTES = 1024
_MAX_PARTS = 10
_MAX_TAG_CHARS = 1100  # what follows in a tag, or in a part of one, is beyond the end of every key
_MAX_TEXT_CHARS = 65_536  # a tag may hold "$TAG[1]" itself; bounds what replacing can grow to
_NOT_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # in no C string, and from no byte
_RAW_BYTES = re.compile("[\udc80-\udcff]+")  # no UTF-8: no S3 key can have them
_RANDOM = 8
_SUFFIX_BYTES = len("-object") + _RANDOM
_ALPHANUMERIC = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class KeyFormat:
    """A key format with the delimiters of ``$TAG[n]``. ``put_object_suffix`` says whether PutObject adds
    ``-object`` and eight alphanumerics.

    Raises ConfigError for a format that Fluent Bit refuses.
    """

    def __init__(self, format: str, tag_delimiters: str, *, put_object_suffix: bool) -> None:  # noqa: A002
        if not format.startswith("/"):
            raise ConfigError(f"s3_key_format {format!r} must start with a '/'")
        if _NOT_TEXT.search(format) or len(_encode(format)) > MAX_KEY_BYTES:
            raise ConfigError(f"s3_key_format {format[:40]!r}…: no S3 key is like that ({MAX_KEY_BYTES} bytes at most)")
        self._format = format
        self._delimiters = tag_delimiters
        self._put_object_suffix = put_object_suffix

    @classmethod
    def of(cls, output: S3Output) -> KeyFormat:
        """The key format of an output."""
        unique = "$UUID" in output.key_format or "$INDEX" in output.key_format
        return cls(output.key_format, output.tag_delimiters, put_object_suffix=not (unique or output.static_file_path))

    @property
    def static_prefix(self) -> str:
        """What every key of this format starts with, whatever its tag and time."""
        return self._any_tag().static_prefix

    def parts(self, tag: str) -> tuple[str, ...]:
        """``$TAG[0]``, ``$TAG[1]`` … of a tag: at most ten, split as strtok does (no part is empty)."""
        return self._split(_clean(tag))

    def render(self, tag: str, time_ns: int, uuid8: str, index: str) -> str:
        """The key that PutObject writes (without the leading ``/``) for records of this tag and time.

        ``uuid8`` stands for the random characters of ``$UUID`` and of the suffix, ``index`` for ``$INDEX``. Times
        outside the years 1970 to 9998 become the nearest second in them. What strftime has no room for is cut.
        """
        key = _strftime(self._expand(_clean(tag), uuid8, index), to_datetime(time_ns))
        if self._put_object_suffix and len(_encode(key)) + 1 + _SUFFIX_BYTES <= MAX_KEY_BYTES:
            key += f"-object{uuid8}"
        return key[1:]

    def pattern(self, tag: str) -> KeyPattern:
        """The keys that records of this tag can have. Raises ConfigError for a format that cannot be read back.

        With ``workers`` above 1 some versions take the name of the buffer file for the tag: those keys fit as well.
        """
        tag = _clean(tag)
        file_name = f"{tag_hash(_encode(tag))}-{key_template.NUMBER}"
        templates = [
            Template(self._expand(t, key_template.UUID, key_template.INDEX)[1:], self._delimiters)
            for t in (tag, file_name)
        ]
        return KeyPattern(templates, tag, tuple(enumerate(self._split(tag))))

    def pattern_any_tag(self) -> KeyPattern:
        """The keys of any tag; what they show of their tag is read from them."""
        return KeyPattern([self._any_tag()])

    def _any_tag(self) -> Template:
        text = self._format
        for n, hole in enumerate(key_template.PARTS):
            text = text.replace(f"$TAG[{n}]", hole)
        text = text.replace("$TAG", key_template.TAG)
        text = text.replace("$INDEX", key_template.INDEX).replace("$UUID", key_template.UUID)
        return Template(text[1:], self._delimiters)

    def _expand(self, tag: str, uuid: str, index: str) -> str:
        """Everything but the time put in, in Fluent Bit's order: what a tag brings in is replaced as well."""
        text = self._format
        for n, part in enumerate(self._split(tag)):
            text = text.replace(f"$TAG[{n}]", part[:_MAX_TAG_CHARS])[:_MAX_TEXT_CHARS]
        text = text.replace("$TAG", tag[:_MAX_TAG_CHARS])[:_MAX_TEXT_CHARS]
        if "$INDEX" in self._format:
            text = text.replace("$INDEX", index)
        # bytes that are no UTF-8 in the tag may be some where a part of it is put next to another
        text = text.replace("$UUID", uuid)
        return _RAW_BYTES.sub(lambda run: _encode(run[0]).decode("utf-8", "surrogateescape"), text)

    def _split(self, tag: str) -> tuple[str, ...]:
        found = re.split(f"[{re.escape(self._delimiters)}]", tag) if self._delimiters else [tag]
        return tuple(part for part in found if part)[:_MAX_PARTS]


def recovered_key(output: S3Output, tag: str, time_ns: int, content_sha256: str, *, attempt: int = 0) -> str:
    """The key of a recovered object: the output's own format with the time of the first record.

    ``content_sha256`` is that of the records before compression, so that the same records get the same key whatever
    compressed them. ``attempt`` counts the keys that were taken by something else. ``$UUID`` becomes eight
    alphanumerics derived from both; ``$INDEX`` an ``r`` and eight of them, which no counter ever is; without either,
    ``-object`` and eight of them follow, except on the first attempt with ``static_file_path``. The key has at most
    1024 bytes and fits ``KeyFormat.of(output).pattern(tag)``.
    """
    derived = _derive(content_sha256, attempt)
    plain = KeyFormat(output.key_format, output.tag_delimiters, put_object_suffix=False)
    key = plain.render(tag, time_ns, derived, f"r{derived}")
    unique = derived in key or key != plain.render(tag, time_ns, "*", "*")  # it may be cut off at the end of a long key
    key = _RAW_BYTES.sub("\ufffd", key)
    allowed = unique or (output.static_file_path and attempt == 0)
    if not allowed or len(key.encode()) > MAX_KEY_BYTES:
        key = key.encode()[: MAX_KEY_BYTES - 1 - _SUFFIX_BYTES].decode("utf-8", "ignore") + f"-object{derived}"
    return key


def _derive(content_sha256: str, attempt: int) -> str:
    number = int.from_bytes(hashlib.sha256(f"{content_sha256}:{attempt}".encode()).digest(), "big")
    chars = []
    for _ in range(_RANDOM):
        number, digit = divmod(number, len(_ALPHANUMERIC))
        chars.append(_ALPHANUMERIC[digit])
    return "".join(chars)


def _clean(tag: str) -> str:
    """The tag as C sees it: up to its first NUL."""
    return _NOT_TEXT.sub("\ufffd", tag.split("\0", 1)[0])


def _strftime(text: str, moment: datetime) -> str:
    """strftime into a buffer of 1024 bytes, which stops at the byte or the conversion that there is no room for."""
    parts = key_strftime.tokens(text)
    kept = b""
    for part, piece in zip(parts, key_strftime.render(parts, moment), strict=True):
        room = key_template.MAX_RENDERED - len(kept)
        more = _encode(piece)
        if len(more) > room:
            kept += more[:room] if isinstance(part, str) else b""
            break
        kept += more
    return kept.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
