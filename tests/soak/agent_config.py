"""The configuration of a trial of :mod:`soak.agents`, drawn by chance."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

KEY_OF = {"json": "msg", "regex": "message"}  # the field with the text; "log" for all others
PARSERS_OF = {
    "cri": [["multiline.parser cri"]], "kube": [["multiline.parser docker, cri"]],
    "docker": [["Parser as_json"], ["Parser as_json_kept"], ["Parser as_json", "Docker_Mode On"]],
    "json": [["Parser as_json"], ["Parser as_json_kept"]], "regex": [["Parser as_regex"]],
    "java": [["multiline.parser java"]],
    "stack": [["multiline.parser stacks"], ["Multiline On", "Parser_Firstline as_first"], []],
}  # fmt: skip
PARSERS = (
    "".join(
        f"[PARSER]\n    Name {name}\n    Format {kind}\n    Time_Key t\n    Time_Format %Y-%m-%dT%H:%M:%S.%L%z\n"
        for name, kind in (
            ("as_json", "json"),
            ("as_json_kept", "json\n    Time_Keep On"),
            ("as_regex", "regex\n    Regex ^(?<t>[^ ]+) (?<level>[A-Z]+) (?<message>.*)$"),
            ("as_first", "regex\n    Regex ^(?<t>[^ ]+) INFO (?<log>.*)$"),
            ("as_text", "regex\n    Regex ^level=(?<severity>[a-z]+) (?<text>.*)$"),
        )
    )
    + """[MULTILINE_PARSER]
    Name stacks
    Type regex
    Flush_Timeout 1000
    Rule "start_state" "/^[0-9]{4}-[^ ]+ INFO /" "more"
    Rule "more" "/^\\s+at /" "more"
"""
)
LUA = 'function add(tag, time, record) record["by_lua"] = 1 return 2, time, record end'
Section = tuple[str, list[str]]


@dataclass
class Drawn:
    """What a trial has to know of its configuration: that a second input reads ``var/log/more``, what ``recover`` has
    to be told, and which lines are dropped on purpose or sent on under two tags."""

    second: bool
    options: list[str] = field(default_factory=list)
    drops_sevens: bool = False
    doubles_even: bool = False

    def copies(self, number: int) -> int:
        """How many records a line makes."""
        if self.drops_sevens and number % 10 == 7:
            return 0
        return 2 if self.doubles_even and not number % 2 else 1


class Draw:
    """Draws a configuration that fits the ``flavour`` of the applications."""

    def __init__(
        self, chance: random.Random, flavour: str, bucket: str, endpoint_url: str, without: Collection[str]
    ) -> None:
        self._chance, self._flavour, self._without = chance, flavour, without
        self._bucket, self._endpoint_url = bucket, endpoint_url
        self._filesystem = chance.random() < 0.3
        self._key = KEY_OF.get(flavour, "log")
        self.drawn = Drawn(chance.random() < 0.25)

    def _some(self, probability: float, *lines: str) -> list[str]:
        return list(lines) if self._chance.random() < probability else []

    def sections(self) -> list[Section]:
        known = [(name, [line for line in lines if self._is_known(line)]) for name, lines in self._all_sections()]
        return [(name, lines) for name, lines in known if lines]

    def _is_known(self, line: str) -> bool:
        return not any(line.lower().startswith(option.lower()) for option in self._without)

    def _all_sections(self) -> list[Section]:
        chance = self._chance
        tag = "kube.*" if self._flavour == "kube" else chance.choice(("app.*", "a.b.*", "app", "a.<name>.x"))
        place = "containers" if self._flavour == "kube" else "apps"
        parser = chance.choice(PARSERS_OF.get(self._flavour, [[]]))
        if "<" in tag:
            parser = [*parser, r"Tag_Regex /(?<name>[a-z0-9]+)\.log"]
        one_store = chance.random() < 0.5
        sections = [
            ("SERVICE", self._service()),
            ("INPUT", self._tail(tag, f"/var/log/{place}/*.log", "/var/log/flb.db", parser)),
            *(("FILTER", [f"Match {re.sub('[*<].*', '', tag)}*", *rules]) for rules in self._filters(parser)),
            ("OUTPUT", self._s3("*" if not self.drawn.second else f"{tag[0]}*", "/var/log/s3", self._key)),
        ]
        if self.drawn.second:
            db = chance.choice(("/var/log/flb.db", "/var/log/more.db"))
            sections.insert(2, ("INPUT", self._tail("more.*", "/var/log/more/*.log", db, [])))
            sections.append(("OUTPUT", self._s3("more.*", "/var/log/s3" if one_store else "/var/log/s3-more", "log")))
        return sections

    def _service(self) -> list[str]:
        storage = ["storage.path /var/log/flb-storage", *self._some(0.5, "storage.checksum On")]
        return [
            f"Flush {self._chance.choice(('0.2', '0.5', '1'))}", "Grace 1", "Parsers_File /etc/fluent-bit/parsers.conf",
            *(storage if self._filesystem else []), *self._some(0.1, "json.escape_unicode Off"),
        ]  # fmt: skip

    def _tail(self, tag: str, path: str, db: str, parser: list[str]) -> list[str]:
        some = self._some
        return [
            "Name tail", f"Tag {tag}", f"Path {path}", f"DB {db}",
            "Refresh_Interval 1", *parser, *some(0.95, "Read_from_Head On"), *some(0.3, "Skip_Empty_Lines On"),
            *(["storage.type filesystem"] if self._filesystem else []),
            *some(0.15, "Path_Key file"), *some(0.1, "Offset_Key at"), *some(0.3, "Mem_Buf_Limit 200k"),
            *some(0.3, "Skip_Long_Lines On"), *some(0.3, "Rotate_Wait 2"), *some(0.1, "Inotify_Watcher false"),
            *some(0.2, "Buffer_Chunk_Size 16k", "Buffer_Max_Size 32k"), *some(0.1, "DB.Sync full"),
            *some(0.1, "DB.locking true"), *some(0.1, "DB.journal_mode DELETE"), *some(0.1, "Static_Batch_Size 100k"),
        ]  # fmt: skip

    def _filters(self, parser: list[str]) -> list[list[str]]:
        chance, filters = self._chance, []
        if self._flavour == "stack" and not parser:
            filters.append(["Name multiline", f"Multiline.key_content {self._key}", "multiline.parser stacks"])
        if self._flavour == "kube":
            filters.append(["Name kubernetes", "Kube_Tag_Prefix kube.var.log.containers.",
                            "Kube_Meta_Preload_Cache_Dir /etc/fluent-bit/meta", *self._some(0.2, "Annotations Off"),
                            f"Merge_Log {chance.choice(('On', 'Off'))}", *self._some(0.2, "Labels Off")])  # fmt: skip
        if chance.random() < 0.25:
            filters.append(chance.choice((
                ["Name modify", "Add cluster c1", "Rename stream out"],
                ["Name nest", "Operation nest", "Wildcard str*", "Nest_under meta"],
                ["Name record_modifier", "Record host h 1", "Record zone z", "Remove_key stream"],
                ["Name parser", f"Key_Name {self._key}", "Parser as_text", "Reserve_Data On"],
            )))  # fmt: skip
            if "Parser as_text" in filters[-1] and self._flavour in ("java", "stack"):
                filters.pop()  # some of its lines have no severity
            elif "Parser as_text" in filters[-1]:
                filters[-1] += self._some(0.5, "Preserve_Key On")
                self._key = self._key if "Preserve_Key On" in filters[-1] else "text"
        key = self._key
        if chance.random() < 0.2:
            filters.append(["Name grep", *chance.choice((
                [f"Exclude {key} seq=[0-9]{{6}}7"], [f"Regex ${key} seq=[0-9]{{6}}[^7]"],
            ))])  # fmt: skip
            self.drawn.drops_sevens = True
        if chance.random() < 0.15:
            keep = chance.choice(("true", "false"))
            self.drawn.doubles_even = keep == "true"
            storage = ["Emitter_Storage.type filesystem"] if self._filesystem else []
            filters.append(["Name rewrite_tag", f"Rule ${key} seq=[0-9]{{6}}[02468] {self._new_tag()} {keep}",
                            "Emitter_Name again", *self._some(0.5, *storage)])  # fmt: skip
        if chance.random() < 0.1:
            filters.append(["Name lua", "call add", f"code {LUA}"])
            self.drawn.options = ["--assume-kept"]
        return filters

    def _new_tag(self) -> str:
        first = "k" if self._flavour == "kube" else "a"
        return self._chance.choice((f"{first}.even", f"{first}2.$TAG", f"{first}.$TAG[1].even"))

    def _s3(self, match: str, store_dir: str, log_key: str) -> list[str]:
        chance, some = self._chance, self._some
        key = chance.choice(("/logs/$TAG/%Y/%m/%d/%H/$UUID", "/logs/$TAG[0]/%Y/%m/%d/%H_%M_%S/$UUID.gz", "/$UUID",
                             "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S", "/x/$INDEX/$TAG-%H"))  # fmt: skip
        return [
            "Name s3", f"Match {match}", f"bucket {self._bucket}", "region us-east-1", f"endpoint {self._endpoint_url}",
            "tls Off", f"store_dir {store_dir}", f"s3_key_format {key}",
            f"total_file_size {chance.choice(('1M', '2M', '100M'))}",
            f"upload_timeout {chance.choice(('2s', '5s', '8s', '10m'))}", f"retry_limit {chance.choice((1, 2, 5))}",
            *some(0.6, "use_put_object On"), *some(0.6, f"compression {chance.choice(('gzip', 'zstd'))}"),
            *some(0.15, "preserve_data_ordering Off"), *some(0.2, f"workers {chance.choice(('1', '2', '3'))}"),
            *some(0.25, f"json_date_format {chance.choice(('epoch', 'epoch_ms', 'java_sql_timestamp', 'double'))}"),
            *some(0.1, f"json_date_key {chance.choice(('false', '@timestamp'))}"), *some(0.1, "static_file_path On"),
            *some(0.15, f"log_key {log_key}"), *some(0.1, "store_dir_limit_size 2M"),
        ]  # fmt: skip


def configure(
    node: Path, bucket: str, endpoint_url: str, flavour: str, chance: random.Random, without: Collection[str] = ()
) -> Drawn:
    """Writes a configuration of the flavour below ``node``, classic or YAML. ``without``: beginnings of options that
    this Fluent Bit does not know, or ``yaml``."""
    draw = Draw(chance, flavour, bucket, endpoint_url, without)
    sections = draw.sections()
    if chance.random() < 0.3 and "yaml" not in without:
        (node / "etc/fluent-bit/fluent-bit.yaml").write_text(_yaml(sections))
    else:
        (node / "etc/fluent-bit/fluent-bit.conf").write_text(_classic(sections))
    (node / "etc/fluent-bit/parsers.conf").write_text(PARSERS)
    return draw.drawn


def _classic(sections: list[Section]) -> str:
    return "".join(f"[{name}]\n" + "".join(f"    {line}\n" for line in lines) for name, lines in sections)


def _yaml(sections: list[Section]) -> str:
    text = "service:\n" + "".join(_member("  ", line) for line in sections[0][1]) + "pipeline:\n"
    for kind in ("INPUT", "FILTER", "OUTPUT"):
        of_kind = [lines for name, lines in sections if name == kind]
        text += f"  {kind.lower()}s:\n" if of_kind else ""
        for lines in of_kind:
            text += "    -" + "".join(_members(lines))[5:]
    return text


def _members(lines: list[str]) -> list[str]:
    """Of options that come several times YAML makes a list."""
    names = [line.split(" ", 1)[0] for line in lines]
    of_name = {name: [line for line in lines if line.startswith(f"{name} ")] for name in names}
    return [
        _member(" " * 6, same[0])
        if len(same) == 1
        else f"      {name}:\n" + "".join(f"        - {_quoted(line.split(' ', 1)[1])}\n" for line in same)
        for name, same in of_name.items()
    ]


def _member(indent: str, line: str) -> str:
    name, value = line.split(" ", 1)
    return f"{indent}{'name' if name == 'Name' else name}: {_quoted(value)}\n"  # before 4.0 that one has to be small


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def config_path(node: Path) -> Path:
    """The main file."""
    return next((node / "etc/fluent-bit").glob("fluent-bit.*"))


def moved_to(node: Path, endpoint_url: str) -> None:
    """Has the configuration name another endpoint."""
    path = config_path(node)
    path.write_text(re.sub(r"(endpoint:? '?)[^\s']+", rf"\g<1>{endpoint_url}", path.read_text()))
