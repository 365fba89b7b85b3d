"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from flbrecover.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]


def not_empty(_context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """An empty value is a variable of a script that is not set, and means another node than was meant."""
    if value == "":
        raise UsageError(f"{option.opts[0]} is empty (a variable that is not set?); --root / is this machine")
    return value


NODE = (
    click.option(
        "--root",
        default="/",
        metavar="DIR",
        show_default=True,
        callback=not_empty,
        help="The node's file system, or a bundle of collect.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="Fluent Bit's configuration inside the root. Default: looked for; with --bucket, --db, --store-dir or "
        "--storage-path none is read.",
    ),
    click.option("--env", "env", multiple=True, metavar="KEY=VALUE", help="A variable of the configuration's ${KEY}."),
)
INPUT = (
    click.option("--db", metavar="FILE", help="Tail DB inside the root."),
    click.option("--path", "path", metavar="GLOB", help="Log files of the tail input inside the root."),
    click.option("--input-tag", metavar="TAG", help="Tag of the tail input, `*` stands for the path."),
    click.option("--parser", metavar="NAME", help="Parser of the tail input."),
    click.option("--multiline-parser", metavar="NAMES", help="multiline.parser of the tail input (cri, docker …)."),
)
STORAGE = (
    click.option("--store-dir", metavar="DIR", help="store_dir of the s3 output inside the root."),
    click.option("--storage-path", metavar="DIR", help="storage.path of the service inside the root."),
    click.option("--tag", metavar="TAG", help="Tag of buffer files whose own tag cannot be found."),
)
OWNER = (
    click.option("--output", "output_name", metavar="NAME", help="Only this s3 output (its alias, or s3.N)."),
    click.option("--match", metavar="PATTERN", help="Match of the s3 output."),
    click.option("--bucket", metavar="NAME", help="Bucket of the s3 output."),
)
KEY_FORMAT = (
    click.option("--key-format", metavar="FORMAT", help="s3_key_format."),
    click.option("--tag-delimiters", metavar="CHARS", help="s3_key_format_tag_delimiters."),
    click.option("--use-put-object", metavar="BOOL", help="use_put_object."),
    click.option("--static-file-path", metavar="BOOL", help="static_file_path."),
)
RENDERING = (
    click.option("--json-date-key", metavar="KEY", help="json_date_key (false: no date)."),
    click.option("--json-date-format", metavar="FORMAT", help="json_date_format."),
    click.option("--log-key", metavar="KEY", help="log_key: plain lines instead of JSON."),
)
OBJECT = (
    click.option("--compression", metavar="NAME", help="gzip, zstd, snappy or none."),
    click.option("--total-file-size", metavar="SIZE", help="total_file_size, as 250M."),
    click.option("--content-type", metavar="TYPE", help="content_type."),
    click.option("--canned-acl", metavar="ACL", help="canned_acl."),
    click.option("--storage-class", metavar="CLASS", help="storage_class."),
)
ROLE = (
    click.option("--role-arn", metavar="ARN", help="role_arn to assume."),
    click.option("--external-id", metavar="ID", help="external_id for the role."),
)
OUTPUT = (*OWNER, *KEY_FORMAT, *RENDERING, *OBJECT, *ROLE)
ENDPOINT = (
    click.option("--endpoint-url", metavar="URL", help="S3 endpoint (default: the output's own, then AWS)."),
    click.option("--region", metavar="NAME", help="AWS region (default: the output's)."),
    click.option("--profile", metavar="NAME", help="AWS profile (default: the output's, then the usual chain)."),
    click.option("--no-assume-role", is_flag=True, help="Do not take the role of the output's role_arn."),
    click.option(
        "--expected-bucket-owner", metavar="ACCOUNT", help="Refuse a bucket that belongs to another AWS account."
    ),
    click.option("--request-payer", is_flag=True, help="Pay for the requests to a Requester Pays bucket."),
)
ENCRYPTION = (
    click.option("--sse", metavar="KIND", help="Encryption of new objects: AES256, aws:kms … (default: the bucket's)."),
    click.option("--sse-kms-key-id", metavar="ID", help="The KMS key for them (default: the bucket's)."),
)
WINDOW = (
    click.option("--since", metavar="TIME", help="Start of the window: 2026-11-23T11:00:00Z, or 3h for 3 hours ago."),
    click.option("--until", metavar="TIME", help="End of the window (default: now)."),
)
COMPARE = (
    click.option("--assume-kept", is_flag=True, help="Call records that a filter may have dropped lost."),
    click.option("--plain-lines", is_flag=True, help="Take lines as they are where a parser cannot be used."),
    click.option(
        "--ambiguous",
        type=click.Choice(["skip", "upload"]),
        default="skip",
        show_default=True,
        help="Whole stored objects of lines that other nodes write too: skip takes them for ours, upload does not.",
    ),
    click.option(
        "--proof",
        type=click.Choice(["cheap", "full"]),
        default="cheap",
        show_default=True,
        help="cheap: sizes and checksums prove whole objects; full: every candidate is downloaded, its bytes decide.",
    ),
    click.option(
        "--max-memory",
        metavar="SIZE",
        default="16M",
        show_default=True,
        help="Memory for the index of records; beyond it, it lies in temporary files.",
    ),
    click.option(
        "--former-key-format",
        "former_key_formats",
        multiple=True,
        metavar="FORMAT",
        help="What s3_key_format was before: objects under its keys are compared as well.",
    ),
    click.option("--upload-id", "upload_ids", multiple=True, metavar="ID", help="A pending upload to take for ours."),
)
JSON = (click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout; all else goes to stderr."),)
AGENT = (
    click.option(
        "--agent",
        type=click.Choice(["gone", "returning"]),
        help="Will Fluent Bit come back on this node? gone: recover everything; returning: leave it what it will send.",
    ),
    click.option("--sources", metavar="LIST", help="What to recover, of buffers,uploads,lost,unread (default: all)."),
)
CASE = (
    click.option(
        "--case",
        "case_dir",
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="Keep plan, journal and both comparisons here (default: a new folder flbrecover-case-… below this one).",
    ),
)
APPLY = (
    *CASE,
    *ENCRYPTION,
    click.option("--yes", is_flag=True, help="Do not ask before uploading."),
    click.option(
        "--retire", is_flag=True, help="Then move buffer files that S3 has whole into the case: Fluent Bit finds none."
    ),
    click.option(
        "--jobs", type=click.IntRange(1, 64), default=16, show_default=True, metavar="N", help="Uploads at once."
    ),
)


def spelled(name: str) -> str:
    """An option as it is typed."""
    return "--" + name.replace("_", "-")


def options(*groups: tuple[Option[Any], ...]) -> Option[Any]:
    """A decorator that adds groups of options, in the order given."""

    def add(function: Any) -> Any:
        for group in reversed(groups):
            for option in reversed(group):
                function = option(function)
        return function

    return add
