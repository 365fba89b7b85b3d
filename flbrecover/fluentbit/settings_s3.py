"""``[OUTPUT] s3``: its keys, its defaults, and what it makes of them at its start.

Source: config_map and cb_s3_init of plugins/out_s3/s3.c and src/flb_output.c (5.1.1). No key of an earlier version
(1.8 to 5.0) is missing there.
"""

from __future__ import annotations

from collections.abc import Mapping

from flbrecover.fluentbit import units
from flbrecover.fluentbit.pipeline import Compression, JsonDateFormat, RecordFormat, S3Output, Section
from flbrecover.fluentbit.settings import Settings

MIN_PART = 5_242_880
MAX_PART = 50_000_000
MAX_COMPRESSED_PART = 5_000_000_000
MIN_FILE = 1_000_000
MAX_FILE = 50_000_000_000
MAX_PUT_OBJECT = 1_000_000_000

KEYS = (
    "format", "json_date_format", "json_date_key", "total_file_size", "upload_chunk_size", "upload_timeout", "bucket",
    "region", "role_arn", "endpoint", "sts_endpoint", "canned_acl", "compression", "content_type", "store_dir",
    "store_dir_limit_size", "quarantine_dir_limit_size", "s3_key_format", "s3_key_format_tag_delimiters",
    "auto_retry_requests", "use_put_object", "send_content_md5", "preserve_data_ordering", "retry_exhausted_action",
    "log_key", "external_id", "static_file_path", "storage_class", "profile", "blob_database_file", "part_size",
    "file_delivery_attempt_limit", "part_delivery_attempt_limit", "upload_parts_timeout",
    "upload_part_freshness_limit", "authorization_endpoint_url", "authorization_endpoint_username",
    "authorization_endpoint_password", "authorization_endpoint_bearer_token",
)  # fmt: skip

SHARED_KEYS = (
    "name", "match", "match_regex", "alias", "log_level", "log_suppress_interval", "host", "port", "ipv6",
    "retry_limit", "storage.total_limit_size", "workers", "active", "condition", "processors", "routes", "tls",
    "tls.verify", "tls.verify_hostname", "tls.debug", "tls.vhost", "tls.ca_path", "tls.ca_file", "tls.crt_file",
    "tls.key_file", "tls.key_passwd", "tls.min_version", "tls.max_version", "tls.ciphers", "tls.proxy.verify",
    "tls.proxy.verify_hostname", "tls.proxy.ca_path", "tls.proxy.ca_file", "tls.windows.certstore_name",
    "tls.windows.use_enterprise_store", "tls.windows.client_thumbprints", "net.dns.mode", "net.dns.resolver",
    "net.dns.prefer_ipv4", "net.dns.prefer_ipv6", "net.keepalive", "net.keepalive_idle_timeout", "net.tcp_keepalive",
    "net.tcp_keepalive_time", "net.tcp_keepalive_interval", "net.tcp_keepalive_probes", "net.io_timeout",
    "net.connect_timeout", "net.connect_timeout_log_error", "net.source_address", "net.keepalive_max_recycle",
    "net.max_worker_connections", "net.proxy_env_ignore",
)  # fmt: skip

_PREFIXES = ("oauth2", "_debug.http.")
_DATE_FORMATS: dict[str, JsonDateFormat] = {
    "iso8601": "iso8601",
    "epoch": "epoch",
    "epoch_ms": "epoch_ms",
    "epoch_millis": "epoch_ms",
    "epoch_milliseconds": "epoch_ms",
    "java_sql_timestamp": "java_sql_timestamp",
    "double": "double",
}
_FORMATS: dict[str, RecordFormat] = {
    "json_lines": "json_lines",
    "json": "json_lines",
    "otlp_json": "otlp_json",
    "parquet": "parquet",
    "arrow": "arrow",
}
_CODECS: Mapping[str, Compression] = {"gzip": "gzip", "zstd": "zstd", "snappy": "snappy"}
_COLUMN_CODECS: Mapping[str, tuple[Compression, ...]] = {
    "parquet": ("none", "snappy", "gzip", "zstd"),
    "arrow": ("none", "zstd"),
}


def s3_output(section: Section, number: int) -> S3Output:
    """The output that a section describes, with the defaults and the changes that the plugin itself makes: a
    ``total_file_size`` below 10 MiB turns ``use_put_object`` on, which makes one part of the whole file; a column
    format does so, too; an endpoint without a scheme is https.

    ``number`` is its place among all outputs. Raises ConfigError, with file and line, for what the plugin refuses.
    """
    s = Settings(section, "the s3 output", keys=KEYS, shared=SHARED_KEYS, prefixes=_PREFIXES)
    s.check_common()
    for key in ("auto_retry_requests", "preserve_data_ordering", "tls.verify"):
        s.flag(key, True)
    for key in ("store_dir_limit_size", "quarantine_dir_limit_size", "part_size"):
        s.size(key, 0)
    s.choice("retry_exhausted_action", {"delete": None, "quarantine": None}, None)
    bucket = s.needed("bucket")
    store_dir = s.needed("store_dir", "/tmp/fluent-bit/s3")
    key_format = s.needed("s3_key_format", "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S")
    if not key_format.startswith("/"):
        s.refuse(s.property("s3_key_format"), "s3_key_format of the s3 output must start with a /")
    log_key = s.text("log_key")
    record_format, compression = _format(s, log_key)
    sizes = _sizes(s, record_format, compression)
    date_key = s.needed("json_date_key", "date")
    return S3Output(
        number=number,
        bucket=bucket,
        alias=s.text("alias"),
        route=s.route(),
        region=s.needed("region", "us-east-1"),
        endpoint=_endpoint(s.text("endpoint")),
        store_dir=store_dir,
        key_format=key_format,
        tag_delimiters=s.needed("s3_key_format_tag_delimiters", "."),
        total_file_size=sizes[0],
        upload_chunk_size=sizes[1],
        upload_timeout_s=s.seconds("upload_timeout", 600),
        use_put_object=sizes[2],
        static_file_path=s.flag("static_file_path", False),
        compression=compression,
        content_type=s.text("content_type"),
        canned_acl=s.text("canned_acl"),
        storage_class=s.text("storage_class"),
        send_content_md5=s.flag("send_content_md5", False),
        format=record_format,
        json_date_key=None if date_key.lower() in units.FALSE else date_key,
        json_date_format=s.choice("json_date_format", _DATE_FORMATS, "iso8601"),
        log_key=log_key,
        role_arn=s.text("role_arn"),
        external_id=s.text("external_id"),
        profile=s.text("profile"),
        origin=section.origin,
    )


def _format(s: Settings, log_key: str | None) -> tuple[RecordFormat, Compression]:
    """``compression parquet`` and ``compression arrow`` are old ways to ask for a format."""
    record_format = s.choice("format", _FORMATS, "json_lines")
    asked = s.text("compression")
    compression: Compression = "none"
    if asked is not None and asked.lower() == "parquet":
        record_format = "parquet"
    elif asked is not None and asked.lower() == "arrow":
        record_format = "arrow"
    elif asked is not None and asked.lower() != "none":
        if asked not in _CODECS:  # here case does matter
            s.refuse(s.property("compression"), f"the compression {asked[:60]!r} is unknown to the s3 output")
        compression = _CODECS[asked]
    if record_format in _COLUMN_CODECS and compression not in _COLUMN_CODECS[record_format]:
        s.refuse(s.property("compression"), f"the format {record_format} cannot be compressed with {compression}")
    if log_key is not None and record_format != "json_lines":
        s.refuse(s.property("log_key"), f"log_key does not go with the format {record_format}")
    return record_format, compression


def _sizes(s: Settings, record_format: RecordFormat, compression: Compression) -> tuple[int, int, bool]:
    """(total_file_size, upload_chunk_size, use_put_object) as they take effect."""
    file_size = s.size("total_file_size", 100_000_000)
    part = s.size("upload_chunk_size", MIN_PART)
    put = s.flag("use_put_object", False) or record_format in _COLUMN_CODECS
    file_key, part_key = s.property("total_file_size"), s.property("upload_chunk_size")
    if not MIN_FILE <= file_size <= MAX_FILE:
        s.refuse(file_key, f"total_file_size of the s3 output must be {MIN_FILE} to {MAX_FILE} bytes")
    put = put or file_size < 2 * MIN_PART
    if not put:
        most = MAX_PART if compression == "none" else MAX_COMPRESSED_PART
        if not MIN_PART <= part <= min(most, file_size):
            s.refuse(part_key, f"upload_chunk_size must be {MIN_PART} to {most} bytes and not above total_file_size")
    if part != MIN_PART and part * 2 > file_size:
        s.refuse(part_key, "total_file_size must be at least twice upload_chunk_size")
    if put and file_size > MAX_PUT_OBJECT:
        s.refuse(file_key, f"with use_put_object, total_file_size must not be above {MAX_PUT_OBJECT} bytes")
    return file_size, file_size if put else part, put


def _endpoint(text: str | None) -> str | None:
    if text is None or text.startswith(("http://", "https://")):
        return text
    return f"https://{text}"
