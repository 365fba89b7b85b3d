"""``[INPUT] tail``: its keys, its defaults, and what it refuses.

Source: config_map of plugins/in_tail/tail.c, plugins/in_tail/tail_config.c and src/flb_input.c (5.1.1). No key of an
earlier version (1.8 to 5.0) is missing there.
"""

from __future__ import annotations

import re

from flbrecover.fluentbit.pipeline import Section, TailInput
from flbrecover.fluentbit.settings import Settings

KEYS = (
    "path", "exclude_path", "key", "read_from_head", "read_newly_discovered_files_from_head", "refresh_interval",
    "watcher_interval", "progress_check_interval", "progress_check_interval_nsec", "rotate_wait", "docker_mode",
    "docker_mode_flush", "docker_mode_parser", "path_key", "offset_key", "ignore_older", "ignore_active_older_files",
    "buffer_chunk_size", "buffer_max_size", "static_batch_size", "event_batch_size", "skip_long_lines", "exit_on_eof",
    "skip_empty_lines", "truncate_long_lines", "file_cache_advise", "inotify_watcher", "windows.path_encoding",
    "parser", "tag_regex", "db", "db.sync", "db.locking", "db.journal_mode", "db.compare_filename", "multiline",
    "multiline_flush", "parser_firstline", "multiline.parser", "unicode.encoding", "generic.encoding",
)  # fmt: skip

SHARED_KEYS = (
    "name", "tag", "log_level", "log_suppress_interval", "routable", "alias", "mem_buf_limit", "listen", "host",
    "port", "ipv6", "tls", "tls.verify", "tls.verify_client_cert", "tls.verify_hostname", "tls.debug", "tls.vhost",
    "tls.ca_path", "tls.ca_file", "tls.crt_file", "tls.key_file", "tls.key_passwd", "tls.min_version",
    "tls.max_version", "tls.ciphers", "storage.type", "storage.pause_on_chunks_overlimit", "threaded",
    "thread.ring_buffer.capacity", "thread.ring_buffer.window", "rate_window", "rate_gate", "rate_gate.max_bytes",
    "rate_gate.max_records", "rate_gate.backpressure", "rate_gate.resume_ratio", "active", "condition", "processors",
    "routes",
)  # fmt: skip

_PREFIXES = ("parser_", "net.", "oauth2")
_STORAGE = {"filesystem": True, "memory": False, "memrb": False}
_JOURNALS = dict.fromkeys(("delete", "truncate", "persist", "memory", "wal", "off"), None)
_FLAGS = (
    "read_newly_discovered_files_from_head", "ignore_active_older_files", "exit_on_eof", "truncate_long_lines",
    "file_cache_advise", "inotify_watcher", "db.locking", "db.compare_filename", "threaded",
    "storage.pause_on_chunks_overlimit", "rate_gate", "rate_gate.backpressure",
)  # fmt: skip
_SIZES = ("static_batch_size", "event_batch_size", "mem_buf_limit", "rate_gate.max_bytes")


def tail_input(section: Section, number: int) -> TailInput:
    """The input that a section describes, with the plugin's defaults.

    ``number`` is its place among all inputs; without a ``Tag`` the records are tagged ``tail.<number>``. Raises
    ConfigError, with file and line, for what the plugin refuses.
    """
    s = Settings(
        section, "the tail input", keys=KEYS, shared=SHARED_KEYS, prefixes=_PREFIXES, repeated=("multiline.parser",)
    )
    _check_the_rest(s)
    paths = s.words("path")
    if not paths:
        s.refuse(s.property("path"), "the tail input needs a Path")
    multiline, docker_mode = s.flag("multiline", False), s.flag("docker_mode", False)
    if multiline and s.text("parser_firstline") is None:
        s.refuse(s.property("multiline"), "Multiline needs Parser_Firstline")
    if multiline and docker_mode:
        s.refuse(s.property("docker_mode"), "Docker_Mode does not go with Multiline")
    chunk, most = s.size("buffer_chunk_size", 32768), s.size("buffer_max_size", 32768)
    if chunk > most:
        s.refuse(s.property("buffer_chunk_size"), "Buffer_Max_Size must not be below Buffer_Chunk_Size")
    rotate_wait = s.seconds("rotate_wait", 5)
    if rotate_wait <= 0:
        s.refuse(s.property("rotate_wait"), "Rotate_Wait must be above 0")
    return TailInput(
        number=number,
        alias=s.text("alias"),
        tag=s.text("tag") or f"tail.{number}",
        paths=paths,
        exclude_paths=s.words("exclude_path"),
        db=s.text("db"),
        compare_filename=s.flag("db.compare_filename", False),
        read_from_head=s.flag("read_from_head", False),
        parser=None if multiline else s.text("parser"),
        multiline_parsers=s.words("multiline.parser"),
        multiline=multiline,
        parser_firstline=s.text("parser_firstline"),
        docker_mode=docker_mode,
        key=s.needed("key", "log"),
        path_key=s.text("path_key"),
        offset_key=s.text("offset_key"),
        tag_regex=s.text("tag_regex"),
        skip_long_lines=s.flag("skip_long_lines", False),
        skip_empty_lines=s.flag("skip_empty_lines", False),
        buffer_max_size=most,
        rotate_wait_s=rotate_wait,
        ignore_older_s=s.seconds("ignore_older", 0),
        storage_filesystem=s.choice("storage.type", _STORAGE, False),
        section=section,
    )


def _check_the_rest(s: Settings) -> None:
    """Values that are refused at the start, of keys that a recovery does not need."""
    s.check_common()
    for key in _FLAGS:
        s.flag(key, False)
    for key in _SIZES:
        s.size(key, 0)
    s.choice("db.journal_mode", _JOURNALS, None)
    interval = s.property("refresh_interval")
    if interval is not None:
        seconds = re.match(r"\s*([+-]?[0-9]+)", interval.value)
        fraction = re.search(r"\.\s*([+-]?[0-9]+)", interval.value)
        if seconds is None or ("." in interval.value and fraction is None):
            s.refuse(interval, f"Refresh_Interval: {interval.value[:60]!r} is not a number of seconds")
        if int(seconds[1]) == 0 and (fraction is None or int(fraction[1]) == 0):
            s.refuse(interval, "Refresh_Interval must be above 0")
    if s.property("tls") and s.flag("tls", False):
        s.refuse(s.property("tls"), "the tail input has no TLS")
    if s.text("unicode.encoding") is not None and s.text("generic.encoding") is not None:
        s.refuse(s.property("generic.encoding"), "unicode.encoding does not go with generic.encoding")
