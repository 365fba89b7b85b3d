"""Object keys that overwrite each other: FLB011 and FLB012. See docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup
from flbrecover.audit.findings import Finding, Outcome, Passed
from flbrecover.fluentbit.pipeline import S3Output

_SECONDS = ("%S", "%s", "%T", "%c", "%r", "%X")


def unique_keys(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB011: PutObject appends 8 random characters unless the format has ``$UUID`` or ``$INDEX`` or
    ``static_file_path`` is on (s3_put_object, s3.c); CreateMultipartUpload never does (s3_multipart.c). What is left
    over from an earlier run, or is small at exit, goes up by PutObject (put_all_chunks)."""
    for output in agent.pipeline.outputs:
        key = output.key_format
        if "$UUID" in key:
            yield Passed(f"s3 output {output.name}: no two objects get one key ($UUID)")
        elif "$INDEX" in key:
            continue  # FLB012
        elif output.static_file_path or not output.use_put_object:
            yield _overwriting(agent, output)
        else:
            yield Passed(f"s3 output {output.name}: PutObject ends every key with 8 random characters")


def _overwriting(agent: Agent, output: S3Output) -> Finding:
    key = output.key_format
    to_the_second = any(part in key for part in _SECONDS)
    tag = "tag" if "$TAG" in key else "output (the format has no $TAG)"
    when = "the same second" if to_the_second else "one step of its time format"
    same = f"Two objects of one {tag} within {when} get one key, and the second replaces the first"
    if output.static_file_path:
        what = f"s3 output {output.name} has static_file_path on and a key format without $UUID: {key}"
        often = "after a restart, when all leftover buffers go up at once, and whenever two nodes have the same tag"
    else:
        what = (
            f"s3 output {output.name} uploads in parts, which get no random suffix, and has no $UUID in its keys: {key}"
        )
        often = "whenever two nodes have the same tag (host logs; tags without the pod's name)"
        if not to_the_second:
            often = f"with every further upload, and {often}"
    return Finding(
        "error" if output.static_file_path or not to_the_second else "warning",
        what,
        f"{same}: {often}.",
        "$UUID in s3_key_format" + ("" if output.static_file_path else ", or use_put_object on"),
        agent.at(agent.section(output), "static_file_path" if output.static_file_path else "s3_key_format", "bucket"),
    )


def index(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB012: ``$INDEX`` is a counter in ``<store_dir>/<bucket>/sequence`` (init_seq_index, s3.c). A clean stop deletes
    stream folders without files, this one too (flb_fstore_destroy, src/flb_fstore.c)."""
    for output in agent.pipeline.outputs:
        if "$INDEX" not in output.key_format:
            continue
        if "$UUID" in output.key_format:
            yield Passed(f"s3 output {output.name}: $INDEX starts anew at times, $UUID keeps the keys apart")
            continue
        timed = any(p in output.key_format for p in ("%S", "%M", "%s", "%T", "%c"))
        yield Finding(
            "warning" if timed else "error",
            f"s3 output {output.name} relies on $INDEX for different keys: {output.key_format}",
            "The counter lies in store_dir. A clean stop deletes it, a lost store_dir too: it begins at 0 again and "
            "new objects replace old ones. Every node counts for itself, so nodes with the same tag do the same.",
            "$UUID in s3_key_format",
            agent.at(agent.section(output), "s3_key_format"),
        )
