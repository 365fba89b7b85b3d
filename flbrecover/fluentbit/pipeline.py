"""What a Fluent Bit configuration means to a recovery: typed inputs, filters, outputs and parsers.

The readers of the two syntaxes (:mod:`config_classic`, :mod:`config_yaml`) give :class:`Section` values;
:mod:`interpret` turns those into one :class:`Pipeline`. Sections survive a trip through JSON, so that a plan can carry
the configuration that it was made with.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SectionKind = Literal["service", "input", "filter", "output", "parser", "multiline_parser"]
Compression = Literal["none", "gzip", "zstd", "snappy"]
RecordFormat = Literal["json_lines", "otlp_json", "parquet", "arrow"]
JsonDateFormat = Literal["iso8601", "epoch", "epoch_ms", "java_sql_timestamp", "double"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something was said: a path inside the root (or ``command line``) and a line (0 where there is none)."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Property:
    """One key with its value after variables were put in. ``key`` keeps its spelling; compare it in lower case.
    ``unset`` names the variables of the value that nothing sets (they are empty, or left as they are written)."""

    key: str
    value: str
    origin: Origin
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One ``[SECTION]`` of the classic syntax or one list item of the YAML syntax, in file order."""

    kind: SectionKind
    properties: tuple[Property, ...]
    origin: Origin

    def get(self, key: str) -> str | None:
        """The last value of ``key`` (case-insensitive, as Fluent Bit takes it), or None."""
        found = [p.value for p in self.properties if p.key.lower() == key.lower()]
        return found[-1] if found else None

    def all(self, key: str) -> list[str]:
        """Every value of a key that may be repeated (``Rule``, ``Add``, ``Parser`` …), in order."""
        return [p.value for p in self.properties if p.key.lower() == key.lower()]

    def words(self, key: str) -> tuple[str, ...]:
        """A list separated by commas, from every occurrence of the key."""
        words = (word.strip(" ") for value in self.all(key) for word in value.split(","))
        return tuple(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Route:
    """``Match`` and ``Match_Regex`` of an output or filter; :func:`fluentbit.match.matches` decides."""

    wildcard: str | None = None
    regex: str | None = None


@dataclass(frozen=True, slots=True)
class Parser:
    """A ``[PARSER]``. ``format`` is in lower case: json, regex, ltsv, logfmt. ``types`` maps a field to its type."""

    name: str
    format: str
    regex: str | None = None
    time_key: str | None = None
    time_format: str | None = None
    time_offset: str | None = None
    time_keep: bool = False
    time_strict: bool = True
    time_system_timezone: bool = False
    skip_empty_values: bool = True
    types: Mapping[str, str] = field(default_factory=dict)
    decoders: tuple[tuple[str, str], ...] = ()  # (Decode_Field | Decode_Field_As, its value), in order
    origin: Origin = Origin("built in", 0)
    time_zone: str | None = None  # an IANA name
    logfmt_no_bare_keys: bool = False


@dataclass(frozen=True, slots=True)
class MultilineRule:
    """``rule "from" "/regex/" "to"`` of a multiline parser."""

    from_states: tuple[str, ...]
    regex: str
    to_state: str


@dataclass(frozen=True, slots=True)
class MultilineParser:
    """A ``[MULTILINE_PARSER]`` of the configuration (the built-in ones live in :mod:`multiline`)."""

    name: str
    type: str
    rules: tuple[MultilineRule, ...] = ()
    parser: str | None = None
    key_content: str | None = None
    match_string: str | None = None
    negate: bool = False
    origin: Origin = Origin("built in", 0)
    key_pattern: str | None = None
    key_group: str | None = None


@dataclass(frozen=True, slots=True)
class TailInput:
    """An ``[INPUT] tail``. ``number`` is its place among all inputs (Fluent Bit's ``tail.N``); sizes are bytes."""

    number: int
    alias: str | None
    tag: str
    paths: tuple[str, ...]
    exclude_paths: tuple[str, ...] = ()
    db: str | None = None
    compare_filename: bool = False
    read_from_head: bool = False
    parser: str | None = None
    multiline_parsers: tuple[str, ...] = ()
    multiline: bool = False  # the old ``Multiline On`` with Parser_Firstline
    parser_firstline: str | None = None
    docker_mode: bool = False
    key: str = "log"
    path_key: str | None = None
    offset_key: str | None = None
    tag_regex: str | None = None
    skip_long_lines: bool = False
    skip_empty_lines: bool = False
    buffer_max_size: int = 32768
    rotate_wait_s: int = 5
    ignore_older_s: int = 0
    storage_filesystem: bool = False
    section: Section | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A ``[FILTER]``, kept as its section: :mod:`filters` knows what the common ones do to a record."""

    name: str
    route: Route
    section: Section


@dataclass(frozen=True, slots=True)
class S3Output:
    """An ``[OUTPUT] s3`` with Fluent Bit's defaults put in. ``number`` is its place among all outputs (``s3.N``).

    ``json_date_key`` None means ``false``: no date in the record. Sizes are bytes, ``upload_timeout_s`` seconds.
    """

    number: int
    bucket: str
    alias: str | None = None
    route: Route = Route("*")
    region: str = "us-east-1"
    endpoint: str | None = None
    store_dir: str = "/tmp/fluent-bit/s3"
    key_format: str = "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S"
    tag_delimiters: str = "."
    total_file_size: int = 100_000_000
    upload_chunk_size: int = 5_242_880
    upload_timeout_s: int = 600
    use_put_object: bool = False
    static_file_path: bool = False
    compression: Compression = "none"
    content_type: str | None = None
    canned_acl: str | None = None
    storage_class: str | None = None
    send_content_md5: bool = False
    format: RecordFormat = "json_lines"
    json_date_key: str | None = "date"
    json_date_format: JsonDateFormat = "iso8601"
    log_key: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    profile: str | None = None
    origin: Origin = Origin("command line", 0)

    @property
    def name(self) -> str:
        """How reports name this output: its alias or Fluent Bit's own ``s3.N``."""
        return self.alias or f"s3.{self.number}"


@dataclass(frozen=True, slots=True)
class Service:
    """What ``[SERVICE]`` says that matters here. ``escape_unicode`` is ``json.escape_unicode``."""

    storage_path: str | None = None
    escape_unicode: bool = True
    grace_s: int = 5
    flush_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A whole configuration. ``other_inputs`` and ``other_outputs`` are the plugin names that a recovery ignores,
    ``left_out`` the s3 outputs that are not to be looked at."""

    service: Service
    inputs: tuple[TailInput, ...]
    filters: tuple[Filter, ...]
    outputs: tuple[S3Output, ...]
    parsers: Mapping[str, Parser] = field(default_factory=dict)
    multiline_parsers: Mapping[str, MultilineParser] = field(default_factory=dict)
    other_inputs: tuple[str, ...] = ()
    other_outputs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    left_out: tuple[S3Output, ...] = ()

    def on_the_db_of(self, tail: TailInput) -> list[TailInput]:
        """The other tail inputs with the same DB. At a start each deletes the rows of all files that it does not follow
        itself (flb_tail_db_stale_file_delete in plugins/in_tail/tail_db.c, from 3.0.2; seen)."""
        return [
            other
            for other in self.inputs
            if other.number != tail.number and other.db and tail.db and clean(other.db) == clean(tail.db)
        ]

    def on_the_files_of(self, output: S3Output) -> list[S3Output]:
        """The other s3 outputs with the same ``store_dir`` and bucket. At a start each takes all files there for its
        own and sends them under its own keys (create_buffer_path and put_all_chunks in plugins/out_s3/s3.c; seen)."""
        return [
            other
            for other in (*self.outputs, *self.left_out)
            if other.number != output.number
            and (clean(other.store_dir), other.bucket) == (clean(output.store_dir), output.bucket)
        ]


def clean(path: str) -> str:
    """A path without ``..`` and doubled slashes; a relative one starts at ``/``, as images of Fluent Bit do."""
    return posixpath.normpath("/" + path.lstrip("/"))
