"""Object keys that overwrite each other: FLB011 and FLB012. See docs/audit.md."""

from __future__ import annotations

from collections.abc import Iterator

from flbrecover.audit.agents import Agent, Setup
from flbrecover.audit.findings import Finding, Outcome, Passed


def unique_keys(agent: Agent, _setup: Setup) -> Iterator[Outcome]:
    """FLB011: PutObject appends 8 random characters unless the format has ``$UUID`` or ``$INDEX`` or
    ``static_file_path`` is on (s3_put_object, s3.c); CreateMultipartUpload never does (s3_multipart.c)."""
    for output in agent.pipeline.outputs:
        key = output.key_format
        section = agent.section(output)
        if "$UUID" in key:
            yield Passed(f"s3 output {output.name}: no two objects get one key ($UUID)")
            continue
        if "$INDEX" in key:
            continue  # FLB012
        same = "the same tag and second" if "%S" in key else "the same tag within one step of its time format"
        same += "" if "$TAG" in key else " (here any tag: the format has no $TAG)"
        at = agent.at(section, "static_file_path" if output.static_file_path else "s3_key_format", "bucket")
        if output.static_file_path:
            yield Finding(
                "error",
                f"s3 output {output.name} has static_file_path on and a key format without $UUID: {key}",
                f"Two objects of {same} get one key, and the second replaces the first: after a restart, when all "
                "leftover buffers go up at once, and whenever two nodes have the same tag.",
                "$UUID in s3_key_format",
                at,
            )
        elif not output.use_put_object:
            yield Finding(
                "error",
                f"s3 output {output.name} uploads in parts under keys without $UUID: {key}",
                f"Multipart uploads get no random suffix. Two objects of {same} get one key, and the second replaces "
                "the first: after a restart, when leftover buffers go up at once, and whenever two nodes have the "
                "same tag.",
                "$UUID in s3_key_format (or use_put_object on)",
                at,
            )
        else:
            yield Passed(f"s3 output {output.name}: PutObject ends every key with 8 random characters")


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
