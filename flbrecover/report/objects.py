"""The answer of ``objects``: the keys that S3 holds, by tag, and where time is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from flbrecover.fluentbit.pipeline import S3Output
from flbrecover.model import SECOND_NS
from flbrecover.recover.stored_keys import (
    Gap,
    KeyedObject,
    KeysOfTag,
    StoredKeys,
    keys_by_tag,
    longest_without_gap,
)
from flbrecover.recover.watch import Watch
from flbrecover.recover.window import Window
from flbrecover.report import jsonl, text
from flbrecover.report.escape import shown

AT_ONCE = 500  # JSON lines that are written together
MOST_SHOWN = 100  # objects of one tag in a table


def write_text(out: TextIO, output: S3Output, window: Window, keys: StoredKeys, watch: Watch) -> None:
    """A table a tag, the gaps below it."""
    kept: dict[str, list[KeyedObject]] = {}
    tags = keys_by_tag(output, _kept(watch(keys, "listing", None), kept))
    since = "the beginning" if window.start_ns is None else text.time(window.start_ns)
    out.write(shown(f"s3://{output.bucket}/ as {output.name} writes it: {output.key_format}") + "\n")
    out.write(f"window: {since} to {text.time(window.end_ns)}\n")
    for label, tag in sorted(tags.items()):
        out.write("\n" + shown(f"{label}: {text.count(tag.objects, 'object')}, {text.size(tag.size)}") + "\n")
        out.write(object_table(kept[label]) + "\n")
        if tag.objects > len(kept[label]):
            out.write(f"… and {tag.objects - len(kept[label]):,} more; --json lists all\n")
        for gap in tag.gaps(longest_without_gap(output)):
            out.write(f"gap: {gap_line(gap)} by {tag.by}\n")
    out.write("\n" + "".join(shown(line) + "\n" for line in summary_lines(output, tags, keys)))


def _kept(found: Iterable[KeyedObject], kept: dict[str, list[KeyedObject]]) -> Iterator[KeyedObject]:
    """Passes objects on and keeps those that are shown."""
    for one in found:
        some = kept.setdefault(one.label, [])
        if len(some) < MOST_SHOWN:
            some.append(one)
        yield one


def object_table(found: Iterable[KeyedObject]) -> str:
    rows = [
        [key_time(one), text.time(one.object.last_modified_ns), text.size(one.object.size), one.object.key]
        for one in sorted(found, key=lambda one: (one.fields.start_ns or 0, one.object.last_modified_ns))
    ]
    return text.table(["key time", "last modified", "size", "key"], rows, right=(2,), fit=(3,))


def key_time(one: KeyedObject) -> str:
    """As much of the time as the key tells."""
    start, end = one.fields.start_ns, one.fields.end_ns
    if start is None or end is None:
        return "-"
    seconds = (end - start) // SECOND_NS
    cut = 19 if seconds < 60 else 16 if seconds < 3600 else 13 if seconds < 86_400 else 10
    said = text.time(start)[:cut]
    return said + "h" if cut == 13 else said


def gap_line(gap: Gap) -> str:
    return f"{text.time(gap.start_ns)} to {text.time(gap.end_ns)} ({text.duration(gap.end_ns - gap.start_ns)})"


def summary_lines(output: S3Output, tags: dict[str, KeysOfTag], keys: StoredKeys) -> Iterator[str]:
    """Totals, what did not fit, and what a gap means."""
    objects, size = sum(t.objects for t in tags.values()), sum(t.size for t in tags.values())
    outside = f"; {keys.outside:,} more outside of the window" if keys.outside else ""
    yield f"{text.count(objects, 'object')}, {text.size(size)} in {text.count(len(tags), 'tag')}{outside}."
    if keys.unfit:
        examples = ", ".join(keys.examples)
        yield f"{text.count(keys.unfit, 'key')} not of this key format, such as {examples}."
    longest = longest_without_gap(output)
    gaps = sum(len(t.gaps(longest)) for t in tags.values())
    timeout = text.duration(output.upload_timeout_s * SECOND_NS)
    yield (
        f"{text.count(gaps, 'gap')} of more than {text.duration(longest)} (upload_timeout {timeout}, its timer, and a "
        "minute) between two objects of a tag."
    )
    if gaps:
        yield "An application that was silent leaves gaps too: `flbrecover diff` tells by the records."


def write_json(out: TextIO, output: S3Output, window: Window, keys: StoredKeys, watch: Watch) -> None:
    """JSON lines of the types object (as they are listed), gap and objects_summary."""
    tags = keys_by_tag(output, _written(out, output, watch(keys, "listing", None)))
    longest = longest_without_gap(output)
    for label, tag in sorted(tags.items()):
        for gap in tag.gaps(longest):
            jsonl.write(out, "gap", {
                "output": output.name, "tag": label, "by": tag.by, "start": jsonl.iso(gap.start_ns),
                "end": jsonl.iso(gap.end_ns), "seconds": (gap.end_ns - gap.start_ns) // SECOND_NS,
            })  # fmt: skip
    jsonl.write(out, "objects_summary", {
        "output": output.name, "bucket": output.bucket, "key_format": output.key_format,
        "since": jsonl.iso(window.start_ns), "until": jsonl.iso(window.end_ns), "prefixes": list(keys.prefixes),
        "objects": sum(t.objects for t in tags.values()), "bytes": sum(t.size for t in tags.values()),
        "tags": len(tags), "unfit": keys.unfit, "unfit_examples": keys.examples, "outside": keys.outside,
        "gap_seconds": longest // SECOND_NS,
    })  # fmt: skip


def _written(out: TextIO, output: S3Output, found: Iterable[KeyedObject]) -> Iterator[KeyedObject]:
    """Writes many lines at a time: at each write the threads that list take over."""
    lines: list[str] = []
    try:
        for one in found:
            lines.append(jsonl.line("object", object_json(output, one)))
            if len(lines) == AT_ONCE:
                out.write("".join(lines))
                lines.clear()
            yield one
    finally:
        out.write("".join(lines))


def object_json(output: S3Output, one: KeyedObject) -> dict[str, Any]:
    """The fields of an ``object`` line. ``key_time`` and ``key_time_end`` bound the time that the key names."""
    return {
        "output": output.name, "bucket": one.object.bucket, "key": one.object.key, "tag": one.fields.tag,
        "tag_parts": {str(n): part for n, part in one.fields.tag_parts},
        "key_time": jsonl.iso(one.fields.start_ns), "key_time_end": jsonl.iso(one.fields.end_ns),
        "last_modified": jsonl.iso(one.object.last_modified_ns), "size": one.object.size, "etag": one.object.etag,
    }  # fmt: skip
