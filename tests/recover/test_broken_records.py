"""Records that the log joins and that Fluent Bit sent in pieces: every line is stored once, wherever the pieces are."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from command import flbrecover
from evidence.tail_support import make_db, marker
from made_node import LOG, MadeNode, body

PLACES = ("object", "buffer", "nowhere")
PARSERS = ("cri", "java", "java filter")
FILTER = "[FILTER]\n    Name multiline\n    Match *\n    multiline.parser java\n    multiline.key_content log\n"


class Pieces:
    """Records of a log, some of them in pieces; ``put`` says where each of them is."""

    def __init__(self, folder: Path, server, bucket: str, parser: str) -> None:
        self.node = MadeNode(folder, bucket, server.endpoint_url, cri=parser == "cri")
        self.s3 = server.client
        self.s3.create_bucket(Bucket=bucket)
        config = folder / "etc/fluent-bit/fluent-bit.conf"
        self.parser = parser
        if parser == "java filter":
            config.write_text(config.read_text() + FILTER)
        elif parser != "cri":
            config.write_text(config.read_text().replace("Read_from_Head On", f"multiline.parser {parser}"))
        self.number = 0
        self.words: list[str] = []  # one a line
        self.log: list[str] = []
        self.places: dict[str, list[list[bytes]]] = {"object": [[]], "buffer": [[]], "nowhere": [[]]}

    def word(self) -> str:
        self.words.append(f"word-{len(self.words):04}.")
        return self.words[-1]

    def single(self, where: str, records: int = 1) -> None:
        for _ in range(records):
            self.record([1], [where])

    def record(self, lines: list[int], places: list[str], *, stream: str = "stdout", restart: bool = False) -> None:
        """A record of pieces of so many lines, each of which is in its place. ``restart``: Fluent Bit does so behind
        the first of them."""
        first, last = len(self.words), len(self.words) + sum(lines)
        for piece, where in zip(lines, places, strict=True):
            number, text = len(self.words), ""
            for at in range(number, number + piece):
                line, joined = self.line(at, at == first, at == last - 1, stream)
                self.log.append(line)
                text += joined
            if self.parser == "java filter":  # no newline behind the last line
                text = text.removesuffix("\n")
            flag = {"_p": "P" if number + 1 < last else "F", "stream": stream} if self.node.cri else {}
            self.places[where][-1].append(self.node.record(number, text, **flag))
            if restart and number == first:
                self.cut()

    def line(self, number: int, first: bool, last: bool, stream: str) -> tuple[str, str]:
        """A line of the log, and what it adds to the text of its record."""
        word = self.word()
        if self.node.cri:
            return f"{self.node.stamp(number)}Z {stream} {'F' if last else 'P'} {word} ", f"{word} "
        line = f"x.y.Exception: {word}" if first else f"    at {word}"
        return line, line + "\n"

    def cut(self) -> None:
        """Later records are in other objects and buffer files."""
        for of_place in self.places.values():
            of_place.append([])

    def write(self) -> None:
        self.node.write_log(self.log)
        for number, records in enumerate(self.places["object"]):
            if records:
                self.s3.put_object(Bucket=self.node.bucket, Key=self.node.key(f"o{number}"), Body=body(records))
        for number, records in enumerate(self.places["buffer"]):
            if records:
                self.node.write_buffer(records, number=number)

    def stored(self) -> Counter[str]:
        """How often each word is in the bucket."""
        found: Counter[str] = Counter()
        for item in self.s3.list_objects_v2(Bucket=self.node.bucket).get("Contents", []):
            data = self.s3.get_object(Bucket=self.node.bucket, Key=item["Key"])["Body"].read()
            text = gzip.decompress(data).decode()
            found.update(word for word in self.words for _ in range(text.count(word)))
        return found

    def recover(self) -> str:
        """Recovers twice; each line is stored once then. Gives what the first run said."""
        self.write()
        ended = self.node.run("recover", "--agent", "gone", "--yes")
        assert ended.code == 0, ended.out.decode() + ended.err
        once = Counter(self.words)
        assert self.stored() == once
        again = self.node.run("recover", "--agent", "gone", "--yes")
        assert again.code == 0, again.out.decode() + again.err
        assert self.stored() == once
        return ended.out.decode() + ended.err


@pytest.mark.parametrize("parser", ["cri", "java"])
@pytest.mark.parametrize("places", list(product(PLACES, PLACES)))
@pytest.mark.parametrize("restart", [False, True])
def test_pieces_of_one_record(parser: str, places: tuple[str, str], restart: bool, tmp_path: Path, moto) -> None:
    made = Pieces(tmp_path / "node", moto, f"pieces-{parser}-{restart}-{'-'.join(places)}".lower(), parser)
    made.single(places[0], 5)
    made.record([2, 2], list(places), restart=restart)
    made.single(places[1], 5)
    made.single("nowhere", 5)
    said = made.recover()
    assert ("in pieces" in said) == (places != ("nowhere", "nowhere"))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("places", [("object", "nowhere"), ("nowhere", "object"), ("buffer", "nowhere")])
def test_one_piece_between_its_neighbours_is_not_the_record(
    parser: str, places: tuple[str, str], tmp_path: Path, moto
) -> None:
    made = Pieces(tmp_path / "node", moto, f"between-{parser}-{'-'.join(places)}".replace(" ", "-"), parser)
    where = next(place for place in places if place != "nowhere")
    made.single(where, 5)
    made.record([1, 1], list(places))
    made.single(where, 5)
    made.recover()


@pytest.mark.parametrize("parser", PARSERS)
def test_many_records_in_many_pieces(parser: str, tmp_path: Path, moto) -> None:
    made = Pieces(tmp_path / "node", moto, f"many-{parser}".replace(" ", "-"), parser)
    for n in range(60):
        where = "object" if n % 30 < 15 else "buffer"
        if n % 3:
            made.record([1 + n % 2] * (1 + n % 4), [where] * (1 + n % 4))
        else:
            made.single(where)
        if n % 20 == 19:
            made.cut()
    made.single("nowhere", 3)
    assert "joined records in pieces" in made.recover()


def test_the_last_piece_was_not_read(tmp_path: Path, moto) -> None:
    """Fluent Bit was stopped behind the first line: it sent that, and nothing more."""
    made = Pieces(tmp_path / "node", moto, "not-read", "cri")
    made.single("object", 5)
    made.record([1, 1], ["object", "nowhere"])
    assert "in pieces" in made.recover()


@pytest.mark.parametrize("where", PLACES)
def test_a_fluent_bit_that_comes_back_sends_the_rest(where: str, tmp_path: Path, moto) -> None:
    """It was stopped within a record. What it has not read yet is left to it, and what it has is recovered."""
    made = Pieces(tmp_path / "node", moto, f"comes-back-{where}", "cri")
    made.single("object", 5)
    made.record([1, 1], [where, "nowhere"])
    made.write()
    log = made.node.root / LOG[1:]
    offset = sum(len(line) + 1 for line in made.log[:-1])
    config = made.node.root / "etc/fluent-bit/fluent-bit.conf"
    config.write_text(config.read_text().replace("Read_from_Head On", "Read_from_Head On\n    DB /var/lib/tail.db"))
    window = log.read_bytes()[:offset][-32:]
    row = (1, LOG, offset, log.stat().st_ino, made.node.start_ns // 10**9, 0, marker(window), len(window))
    make_db(made.node.root / "var/lib/tail.db", [row])
    ended = made.node.run("recover", "--agent", "returning", "--yes")
    assert made.stored() == Counter(made.words[: 5 if where == "buffer" else 6]), ended.out.decode()
    said = made.node.run("diff", "--agent", "returning", "--json").one("summary")["states"]
    assert said == ({"stored": 5, "buffered": 1, "unread": 1} if where == "buffer" else {"stored": 6, "unread": 1})


def test_the_object_begins_and_ends_with_pieces(tmp_path: Path, moto) -> None:
    made = Pieces(tmp_path / "node", moto, "outermost", "java")
    made.record([1, 2], ["nowhere", "object"])
    made.single("object", 5)
    made.record([2, 1], ["object", "nowhere"])
    made.single("nowhere", 2)
    made.recover()


def test_a_whole_record_stays_whole(tmp_path: Path, moto) -> None:
    """A record that is stored as a whole is not taken apart, though its first line stands alone next to it as well."""
    made = Pieces(tmp_path / "node", moto, "whole", "java")
    made.single("object", 5)
    made.record([3], ["object"])
    made.single("object", 5)
    made.write()
    first = made.node.record(5, f"x.y.Exception: {made.words[5]}\n")
    records = made.places["object"][0]
    made.s3.put_object(Bucket="whole", Key=made.node.key("twice"), Body=body([*records[:5], first]))
    ended = made.node.run("diff", "--agent", "gone", "--json")
    assert ended.code == 0
    assert ended.one("summary")["states"] == {"stored": 11}


def test_what_is_no_piece_breaks_nothing(tmp_path: Path, moto) -> None:
    """A stranger next to a missing record has its first line and something else."""
    made = Pieces(tmp_path / "node", moto, "no-piece", "java")
    made.single("object", 5)
    made.record([3], ["nowhere"])
    other = made.node.record(5, f"x.y.Exception: {made.words[5]}\n    at somewhere.else\n")
    made.places["object"][0] += [other, made.node.record(5, "somebody else")]
    made.single("object", 5)
    made.write()
    ended = made.node.run("diff", "--agent", "gone", "--json")
    assert ended.one("summary")["states"] == {"lost": 1, "stored": 10}


@pytest.mark.parametrize("parser", PARSERS)
def test_a_saved_plan_knows_the_pieces(parser: str, tmp_path: Path, moto) -> None:
    made = Pieces(tmp_path / "node", moto, f"saved-{parser}".replace(" ", "-"), parser)
    made.single("object", 5)
    made.record([2, 1, 2], ["object", "nowhere", "object"])
    made.single("object", 5)
    made.record([1, 3], ["object", "nowhere"])
    made.single("nowhere", 2)
    made.write()
    plan = tmp_path / "plan.json"
    assert made.node.run("diff", "--agent", "gone", "--plan", plan).code == 3
    where = ("--root", made.node.root, "--endpoint-url", moto.endpoint_url)
    ended = flbrecover("apply", plan, *where, "--yes")
    assert ended.code == 0, ended.out.decode() + ended.err
    assert made.stored() == Counter(made.words)
    assert flbrecover("verify", plan, *where).code == 0


def test_a_piece_that_a_filter_gives_another_tag_than_the_piece_before_it(tmp_path: Path, moto) -> None:
    """Only the first one has the words that the rule asks for."""
    pieces = Pieces(tmp_path / "node", moto, "pieces-of-two-tags", "cri")
    config = pieces.node.config
    config.write_text(
        config.read_text() + "[FILTER]\n    Name rewrite_tag\n    Match app.log\n"
        "    Rule $log word-001[02] app.first false\n    Emitter_Name again\n"
    )
    pieces.single("object", 10)
    pieces.record([1, 1], ["nowhere", "nowhere"])
    pieces.single("object", 3)
    of_first = [pieces.places["nowhere"][0].pop(0), pieces.places["object"][0].pop(10)]
    key = pieces.node.key("first", tag="app.first")
    moto.client.put_object(Bucket=pieces.node.bucket, Key=key, Body=body(of_first))
    assert "1 joined record in pieces" in pieces.recover()


def test_a_multiline_filter_whose_rules_are_not_understood_leaves_the_log_readable(tmp_path: Path, moto) -> None:
    """What it joins is not known then, and it is said; the lines are read."""
    made = Pieces(tmp_path / "node", moto, "not-understood", "java filter")
    config = made.node.config
    config.write_text(config.read_text().replace("multiline.parser java", "multiline.parser odd"))
    config.write_text("[SERVICE]\n    Parsers_File odd.conf\n" + config.read_text())
    config.with_name("odd.conf").write_text(
        "[MULTILINE_PARSER]\n    Name odd\n    Type regex\n"
        r'    Rule "start_state" "/(?<a>x)\g<a>/" "more"' + '\n    Rule "more" "/^ /" "more"\n'
    )
    made.single("nowhere", 5)
    made.write()
    ended = made.node.run("diff", "--agent", "gone", "--json")
    assert ended.one("summary")["states"] == {"maybe filtered": 5}
    assert [p["what"] for p in ended.of_type("problem") if "which records it joined is not known" in p["what"]]
    assert not [p for p in ended.of_type("problem") if p["unreadable"]]
