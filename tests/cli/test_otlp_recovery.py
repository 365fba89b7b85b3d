"""``format otlp_json`` end to end: documents that are partly stored, engine chunks, lost lines, a damaged document."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

from cases import keys, remove
from chunk_builder import chunk, event, put, store_name, zeroed
from command import flbrecover
from otlp_builder import CLOSING, OPENING, document

from flbrecover.fluentbit.otlp_split import explode
from flbrecover.fluentbit.record_split import Piece

BUCKET = "otlp-bucket"
TAG = b"app"
SECOND = 1795434084
CONFIG = """
[SERVICE]
    storage.path /flb
    Parsers_File parsers.conf
[INPUT]
    Name tail
    Tag app
    Path /var/log/app.log
    Parser j
    storage.type filesystem
[FILTER]
    Name record_modifier
    Match *
    Record host node-1
[OUTPUT]
    Name s3
    Match *
    bucket otlp-bucket
    region us-east-1
    store_dir /s3
    s3_key_format /$TAG/%Y/%m/%d/%H/%M/%S/$UUID.gz
    use_put_object On
    compression gzip
    format otlp_json
"""
PARSERS = """
[PARSER]
    Name j
    Format json
    Time_Key time
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
"""


def line(number: int) -> bytes:
    time = f"2026-11-23T11:{41 + (24 + number) // 60}:{(24 + number) % 60:02}.123456Z"
    return json.dumps({"time": time, "msg": f"line {number}", "n": number}).encode() + b"\n"


def unit(number: int) -> bytes:
    """As the pipeline makes it of :func:`line`."""
    pair = b'{"key":"%s","value":{%s}}'
    pairs = (
        pair % (b"msg", b'"stringValue":"line %d"' % number),
        pair % (b"n", b'"intValue":"%d"' % number),
        pair % (b"host", b'"stringValue":"node-1"'),
    )
    time = (SECOND + number) * 10**9 + 123456000
    return b'{"timeUnixNano":"%d","body":{"kvlistValue":{"values":[%s]}}}' % (time, b",".join(pairs))


UNITS = [unit(n) for n in range(100)]


def node(root: Path, buffer: bytes) -> None:
    put(root, "/etc/fluent-bit.conf", CONFIG.encode())
    put(root, "/etc/parsers.conf", PARSERS.encode())
    put(root, "/var/log/app.log", b"".join(line(n) for n in range(100)))
    put(root, f"/s3/{BUCKET}/2026-11-23T11:41:24/{store_name(TAG, SECOND, 5)}", buffer)
    events = (event(SECOND + n, 123456000, {"msg": f"line {n}", "n": n, "host": "node-1"}) for n in range(60, 80))
    put(root, f"/flb/tail.0/1-{SECOND}.5.flb", chunk(b"\xf1\x77\0\0" + TAG, b"".join(events)))


def recovered(root: Path, server, *more: str):
    where = ("--root", root, "--config", "/etc/fluent-bit.conf", "--endpoint-url", server.endpoint_url)
    return flbrecover("recover", *where, "--agent", "gone", "--yes", "--json", *more)


def bodies(server) -> dict[str, bytes]:
    s3 = server.client
    return {k: gzip.decompress(s3.get_object(Bucket=BUCKET, Key=k)["Body"].read()) for k in keys(s3, BUCKET)}


def units(documents: bytes) -> list[bytes]:
    """By counting brackets in JSON, not by the splitter that is under test."""
    decoder, text, at, found = json.JSONDecoder(), documents.decode(), 0, []
    while at < len(text):
        _, end = decoder.raw_decode(text, at)
        found += [p.data for p in explode(text[at:end].encode()) if isinstance(p, Piece)]
        at = end
    return found


def empty_bucket(server) -> None:
    remove(server.client, BUCKET)
    server.client.create_bucket(Bucket=BUCKET)


def test_every_record_once(moto, tmp_path: Path) -> None:
    empty_bucket(moto)
    node(tmp_path, chunk(TAG, document(UNITS[:30]) + document(UNITS[30:60])))
    stored = gzip.compress(document(UNITS[20:40]))
    moto.client.put_object(Bucket=BUCKET, Key="app/2026/11/23/11/41/24/abcdefgh.gz", Body=stored)

    ended = recovered(tmp_path, moto)

    assert ended.code == 0, ended.err
    made = bodies(moto)
    found = Counter(u for body in made.values() for u in units(body))
    assert found == Counter(UNITS)
    assert document(UNITS[:20]) + document(UNITS[40:60]) in made.values()  # what was not stored of two documents
    assert document(UNITS[60:80]) in made.values()  # the engine's chunk
    assert document(UNITS[80:]) in made.values()  # only in the log
    again = recovered(tmp_path, moto)
    assert (again.code, again.of_type("action")) == (0, []) and bodies(moto) == made


def test_whole_documents_are_uploaded_as_they_are(moto, tmp_path: Path) -> None:
    empty_bucket(moto)
    content = document(UNITS[:30]) + document(UNITS[30:60])
    node(tmp_path, chunk(TAG, content))
    assert recovered(tmp_path, moto, "--sources", "buffers").code == 0
    assert content in bodies(moto).values()


def test_a_damaged_document_is_made_whole_from_the_log(moto, tmp_path: Path) -> None:
    empty_bucket(moto)
    content = OPENING + b",".join(UNITS[:60]) + CLOSING
    data = chunk(TAG, content)
    node(tmp_path, zeroed(data, data.index(UNITS[10]) + 40, data.index(UNITS[13]) + 3))
    assert recovered(tmp_path, moto).code == 4
    found = Counter(u for body in bodies(moto).values() for u in units(body))
    assert found == Counter(UNITS)
