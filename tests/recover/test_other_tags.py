"""What a filter does to one tag is no matter of another one."""

from __future__ import annotations

import json
from pathlib import Path

from judge import bodies
from made_node import LOG, MadeNode
from servers import Server

WEB = "/var/log/web.log"
LUA = "[FILTER]\n    Name lua\n    Match web.*\n    call f\n    code function f(t,ts,r) r.x=1 return 2,ts,r end\n"


def test_a_filter_that_is_not_understood_leaves_other_tags_alone(tmp_path: Path, moto: Server) -> None:
    """Of 40 lines without times 10 are stored, 10 buffered, 20 in the log alone; of all ``level`` is the same."""
    client = moto.connect().client
    client.create_bucket(Bucket="other-tags")
    node = MadeNode(tmp_path / "node", "other-tags", moto.endpoint_url, cri=False)
    node.tail("Parser json")
    values = [{"msg": f"hello {n:02d}", "level": "info"} for n in range(40)]
    lines = [json.dumps(value, separators=(",", ":")) for value in values]
    node.write_log(lines)
    web = node.root / WEB[1:]
    web.write_text("".join(json.dumps({"msg": f"hello {n}"}) + "\n" for n in range(5)))
    node.write_db((LOG, len("".join(f"{line}\n" for line in lines[:30]))), (WEB, web.stat().st_size))
    more = f"[INPUT]\n    Name tail\n    Tag web.log\n    Path {WEB}\n    Parser json\n    DB /var/lib/tail.db\n"
    node.config.write_text(node.config.read_text() + more + LUA)

    def copies(first: int, end: int) -> list[bytes]:
        dated = [{"date": node.stamp(n)[:26] + "Z", **values[n]} for n in range(first, end)]
        return [json.dumps(one, separators=(",", ":")).encode() for one in dated]

    node.put("STORED", copies(5, 15), client)
    node.write_buffer(copies(20, 30))
    assert node.run("recover", "--agent", "gone", "--yes", "--case", tmp_path / "case").code == 0
    stored = b"".join(content for _, content in bodies(client, [node.bucket]))
    assert [stored.count(f"hello {n:02d}".encode()) for n in range(40)] == [1] * 40
