"""A chunk of the engine is rendered here, as a Fluent Bit of today does. Its records may be in S3 and in ``store_dir``
as well, as an older one wrote them: the same records, in other spellings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from chunk_builder import chunk, event, put
from judge import bodies
from made_node import STEP_NS, TAG, MadeNode

META = b"\xf1\x77\x00\x00" + TAG.encode()
TEXT = 'é 漢字 \N{GRINNING FACE} "quoted" \\u00e9 \x1b \x7f'
SPELLINGS = {
    "before 3.2": lambda text: json.dumps(text, ensure_ascii=False),
    "escaped": json.dumps,
    "upper case": lambda text: json.dumps(text).replace("\\ud83d", "\\uD83D").replace("\\u6f22", "\\u6F22"),
    "DEL escaped": lambda text: json.dumps(text).replace("\x7f", "\\u007f"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("log", [False, True])
def test_events_that_are_stored_and_buffered_as_well(tmp_path: Path, moto, spelling: str, log: bool) -> None:
    node = MadeNode(
        tmp_path / "node", f"spelled-{spelling}-{log}".lower().replace(" ", "-"), moto.endpoint_url, cri=False
    )
    moto.client.create_bucket(Bucket=node.bucket)
    node.config.write_text("[SERVICE]\n    storage.path /var/storage\n" + node.config.read_text())

    def record(number: int) -> bytes:
        date = json.dumps(node.stamp(number)[:26] + "Z")
        return f'{{"date":{date},"log":{SPELLINGS[spelling](f"line {number} {TEXT}")}}}'.encode()

    events = [event(*divmod(node.start_ns + n * STEP_NS, 10**9), {"log": f"line {n} {TEXT}"}) for n in range(30)]
    put(node.root, "/var/storage/tail.0/1-1795434087.195128701.flb", chunk(META, b"".join(events)))
    node.put("AAAA", [record(n) for n in range(10)], moto.client)
    node.write_buffer([record(n) for n in range(10, 20)])
    if log:  # of what came later
        node.write_log(f"line {n}" for n in range(100, 120))
    done = node.run("recover", "--agent", "gone", "--yes")
    assert done.code == 0, done.out.decode() + done.err
    lines = [line for _, body in bodies(moto.client, [node.bucket]) for line in body.splitlines()]
    texts = Counter(json.loads(line)["log"] for line in lines)
    wanted = [f"line {n} {TEXT}" for n in range(30)] + [f"line {n}" for n in range(100, 120) if log]
    assert texts == Counter(wanted)
    assert node.run("diff", "--agent", "gone").code == 0
