from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from cases import NAMES, config, unpack
from hypothesis import given, settings
from hypothesis import strategies as st

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import config_classic
from flbrecover.fluentbit.interpret import interpret, s3_output, sections_from_json, sections_to_json, tail_input
from flbrecover.fluentbit.parsers_shipped import SHIPPED
from flbrecover.fluentbit.pipeline import (
    MultilineRule,
    Origin,
    Parser,
    Pipeline,
    Property,
    Route,
    S3Output,
    Section,
    SectionKind,
    TailInput,
)
from flbrecover.fluentbit.secrets import MASK


def section(kind: SectionKind, *pairs: tuple[str, str]) -> Section:
    properties = tuple(Property(k, v, Origin("f.conf", n)) for n, (k, v) in enumerate(pairs, 2))
    return Section(kind, properties, Origin("f.conf", 1))


def s3(*pairs: tuple[str, str]) -> S3Output:
    return s3_output(section("output", ("Name", "s3"), ("bucket", "b"), ("Match", "*"), *pairs), 0)


def tail(*pairs: tuple[str, str]) -> TailInput:
    return tail_input(section("input", ("Name", "tail"), ("Path", "/a/*.log"), *pairs), 3)


def pipeline(text: str) -> Pipeline:
    def no_include(pattern: str, including: str) -> list[tuple[str, str]]:
        raise AssertionError(pattern)

    return interpret(config_classic.parse(text, "f.conf", env={}, include=no_include).sections)


# --- the s3 output


def test_an_s3_output_has_fluent_bits_defaults() -> None:
    assert s3() == S3Output(0, "b", route=Route("*"), origin=Origin("f.conf", 1))


def test_every_key_of_an_s3_output_that_matters() -> None:
    found = s3_output(
        section(
            "output",
            ("name", "S3"),
            ("Match_Regex", "^a"),
            ("Alias", "main"),
            ("BUCKET", "b"),
            ("Region", "eu-1"),
            ("endpoint", "https://e:1"),
            ("store_dir", "/s"),
            ("s3_key_format", "/$TAG"),
            ("s3_key_format_tag_delimiters", ".-"),
            ("total_file_size", "250M"),
            ("upload_chunk_size", "6M"),
            ("upload_timeout", "5m"),
            ("use_put_object", "Off"),
            ("static_file_path", "on"),
            ("compression", "zstd"),
            ("content_type", "a/b"),
            ("canned_acl", "private"),
            ("storage_class", "GLACIER"),
            ("send_content_md5", "true"),
            ("json_date_key", "ts"),
            ("json_date_format", "Epoch_Millis"),
            ("log_key", "log"),
            ("role_arn", "arn"),
            ("external_id", "x"),
            ("profile", "p"),
        ),
        2,
    )
    wanted = {
        "number": 2,
        "bucket": "b",
        "alias": "main",
        "route": Route(None, "^a"),
        "region": "eu-1",
        "endpoint": "https://e:1",
        "store_dir": "/s",
        "key_format": "/$TAG",
        "tag_delimiters": ".-",
        "total_file_size": 250_000_000,
        "upload_chunk_size": 6_000_000,
        "upload_timeout_s": 300,
        "use_put_object": False,
        "static_file_path": True,
        "compression": "zstd",
        "content_type": "a/b",
        "canned_acl": "private",
        "storage_class": "GLACIER",
        "send_content_md5": True,
        "format": "json_lines",
        "json_date_key": "ts",
        "json_date_format": "epoch_ms",
        "log_key": "log",
        "role_arn": "arn",
        "external_id": "x",
        "profile": "p",
        "origin": Origin("f.conf", 1),
    }
    assert {f.name: getattr(found, f.name) for f in fields(found)} == wanted


@pytest.mark.parametrize("text", ["false", "Off", "no"])
def test_no_date_key(text: str) -> None:
    assert s3(("json_date_key", text)).json_date_key is None


@pytest.mark.parametrize(
    ("pairs", "total", "part", "put"),
    [
        ([], 100_000_000, 5_242_880, False),
        ([("total_file_size", "10M")], 10_000_000, 10_000_000, True),  # below 10 MiB: PutObject by itself
        ([("total_file_size", "10485760")], 10_485_760, 5_242_880, False),
        ([("use_put_object", "on")], 100_000_000, 100_000_000, True),
        ([("use_put_object", "on"), ("total_file_size", "1G")], 10**9, 10**9, True),
        ([("total_file_size", "1M")], 10**6, 10**6, True),
        ([("format", "parquet")], 100_000_000, 100_000_000, True),
        ([("compression", "gzip"), ("upload_chunk_size", "60M"), ("total_file_size", "1G")], 10**9, 60_000_000, False),
    ],
)
def test_sizes_as_they_take_effect(pairs: list[tuple[str, str]], total: int, part: int, put: bool) -> None:
    found = s3(*pairs)
    assert (found.total_file_size, found.upload_chunk_size, found.use_put_object) == (total, part, put)


@pytest.mark.parametrize(
    ("pairs", "record_format", "compression"),
    [
        ([("compression", "gzip")], "json_lines", "gzip"),
        ([("compression", "snappy")], "json_lines", "snappy"),
        ([("compression", "None")], "json_lines", "none"),
        ([("format", "JSON")], "json_lines", "none"),
        ([("format", "otlp_json")], "otlp_json", "none"),
        ([("compression", "Parquet")], "parquet", "none"),
        ([("compression", "arrow"), ("use_put_object", "on")], "arrow", "none"),
        ([("format", "parquet"), ("compression", "snappy")], "parquet", "snappy"),
        ([("format", "arrow"), ("compression", "zstd")], "arrow", "zstd"),
    ],
)
def test_formats_and_compressions(pairs: list[tuple[str, str]], record_format: str, compression: str) -> None:
    found = s3(*pairs)
    assert (found.format, found.compression) == (record_format, compression)


def test_an_endpoint_without_a_scheme_is_https() -> None:
    assert s3(("endpoint", "s3.example.com:9000")).endpoint == "https://s3.example.com:9000"
    assert s3(("endpoint", "http://localhost:1")).endpoint == "http://localhost:1"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("buckets", "x", "has no key 'buckets'"),
        ("bucket", "x", "set twice"),
        ("s3_key_format", "a/$TAG", "must start with a /"),
        ("total_file_size", "10MiB", "is not a size"),
        ("total_file_size", "999999", "must be 1000000 to 50000000000"),
        ("total_file_size", "51G", "must be 1000000 to 50000000000"),
        ("upload_chunk_size", "5M", "must be 5242880 to 50000000"),
        ("upload_chunk_size", "60M", "must be 5242880 to 50000000"),
        ("upload_chunk_size", "0", "must be 5242880 to 50000000"),
        ("upload_chunk_size", "101M", "must be 5242880 to 50000000"),
        ("compression", "GZIP", "'GZIP' is unknown"),
        ("compression", "lz4", "'lz4' is unknown"),
        ("format", "csv", "none of json_lines"),
        ("format", "otlp_json_pretty", "none of json_lines"),
        ("json_date_format", "rfc3339", "none of iso8601"),
        ("use_put_object", "1", "is not on or off"),
        ("static_file_path", "", "has no value"),
        ("region", "", "needs a value for region"),
        ("store_dir", "", "--env NAME=VALUE"),
        ("retry_exhausted_action", "drop", "none of delete, quarantine"),
        ("log_level", "loud", "none of off"),
        ("store_dir_limit_size", "x y", "is not a size"),
        ("net.dns", "x", "has no key"),
        ("oauth2", "x", "has no key"),
        ("match_regex", "(", "not closed"),
    ],
)
def test_what_an_s3_output_refuses_names_its_line(key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as e:
        s3((key, value))
    assert said in str(e.value)
    assert (e.value.path, e.value.line) == ("f.conf", 5)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("upload_chunk_size", "6M"), ("total_file_size", "11M")], "at least twice"),
        ([("use_put_object", "on"), ("upload_chunk_size", "60M")], "at least twice"),
        ([("use_put_object", "on"), ("total_file_size", "2G")], "must not be above 1000000000"),
        ([("format", "parquet"), ("log_key", "x")], "log_key does not go with"),
        ([("format", "otlp_json"), ("log_key", "x")], "log_key does not go with"),
        ([("format", "arrow"), ("compression", "gzip")], "cannot be compressed with gzip"),
    ],
)
def test_keys_of_an_s3_output_that_do_not_go_together(pairs: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        s3(*pairs)


def test_an_s3_output_needs_a_bucket() -> None:
    with pytest.raises(ConfigError, match=r"^f.conf:1: the s3 output needs a value for bucket$"):
        s3_output(section("output", ("Name", "s3")), 0)


def test_generic_keys_are_taken_and_the_last_counts() -> None:
    found = s3(
        ("Match", "x"), ("tls", "On"), ("tls.verify", "Off"), ("net.keepalive", "on"), ("Workers", "2"), ("Host", "h"),
        ("Port", "1"), ("Retry_Limit", "no_limits"), ("storage.total_limit_size", "1G"), ("_debug.http.x", "on"),
        ("oauth2.enable", "off"), ("condition", "x"),
    )  # fmt: skip
    assert found.route == Route("x")


# --- the tail input


def test_a_tail_input_has_fluent_bits_defaults() -> None:
    found = tail()
    assert found == TailInput(3, None, "tail.3", ("/a/*.log",), section=found.section)
    assert (found.key, found.buffer_max_size, found.rotate_wait_s, found.read_from_head) == ("log", 32768, 5, False)


def test_every_key_of_a_tail_input_that_matters() -> None:
    found = tail_input(
        section(
            "input",
            ("Name", "tail"),
            ("Tag", "kube.*"),
            ("Alias", "t"),
            ("Path", "/a/*.log, /b ,,"),
            ("Exclude_Path", "*.gz,*.zip"),
            ("DB", "/x.db"),
            ("db.compare_filename", "on"),
            ("Read_from_Head", "True"),
            ("Parser", "cri"),
            ("multiline.parser", "docker, cri"),
            ("multiline.parser", "go"),
            ("Key", "message"),
            ("Path_Key", "file"),
            ("Offset_Key", "at"),
            ("Tag_Regex", "(?<a>.)"),
            ("Skip_Long_Lines", "On"),
            ("Skip_Empty_Lines", "On"),
            ("Buffer_Chunk_Size", "64k"),
            ("Buffer_Max_Size", "1M"),
            ("Rotate_Wait", "1m"),
            ("Ignore_Older", "1d"),
            ("storage.type", "Filesystem"),
            ("Docker_Mode", "On"),
        ),
        0,
    )
    assert found == TailInput(
        number=0,
        alias="t",
        tag="kube.*",
        paths=("/a/*.log", "/b"),
        exclude_paths=("*.gz", "*.zip"),
        db="/x.db",
        compare_filename=True,
        read_from_head=True,
        parser="cri",
        multiline_parsers=("docker", "cri", "go"),
        docker_mode=True,
        key="message",
        path_key="file",
        offset_key="at",
        tag_regex="(?<a>.)",
        skip_long_lines=True,
        skip_empty_lines=True,
        buffer_max_size=1_000_000,
        rotate_wait_s=60,
        ignore_older_s=86400,
        storage_filesystem=True,
        section=found.section,
    )


def test_the_old_multiline_takes_no_parser() -> None:
    found = tail(("Multiline", "On"), ("Parser_Firstline", "first"), ("Parser_1", "second"), ("Parser", "x"))
    assert (found.multiline, found.parser_firstline, found.parser) == (True, "first", None)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("Pathx", "x", "has no key 'Pathx'"),
        ("Path", "/b", "set twice"),
        ("parser_", "x", "has no key"),
        ("Multiline", "On", "needs Parser_Firstline"),
        ("Buffer_Chunk_Size", "64k", "must not be below"),
        ("Rotate_Wait", "0", "must be above 0"),
        ("Refresh_Interval", "x", "not a number"),
        ("Refresh_Interval", "0", "must be above 0"),
        ("Refresh_Interval", "1.", "not a number"),
        ("storage.type", "disk", "none of filesystem"),
        ("db.journal_mode", "fast", "none of delete"),
        ("Read_from_Head", "1", "is not on or off"),
        ("Mem_Buf_Limit", "5MiB", "is not a size"),
        ("tls", "on", "no TLS"),
    ],
)
def test_what_a_tail_input_refuses_names_its_line(key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as e:
        tail((key, value))
    assert said in str(e.value)
    assert (e.value.path, e.value.line) == ("f.conf", 4)


def test_a_tail_input_needs_a_path() -> None:
    with pytest.raises(ConfigError, match=r"^f.conf:1: the tail input needs a Path$"):
        tail_input(section("input", ("Name", "tail")), 0)


def test_generic_keys_of_an_input_are_taken() -> None:
    tail(
        ("Mem_Buf_Limit", "50MB"), ("threaded", "on"), ("Routable", "true"), ("Refresh_Interval", "0.5"),
        ("thread.ring_buffer.capacity", "5"), ("DB.sync", "normal"), ("Inotify_Watcher", "false"), ("net.x", "y"),
        ("unicode.encoding", "auto"), ("Docker_Mode_Flush", "4"), ("rate_gate.max_bytes", "1M"), ("parser_7", "x"),
    )  # fmt: skip


# --- parsers


def test_a_parser_with_every_key() -> None:
    found = pipeline(
        "[PARSER]\n  Name p\n  Format REGEX\n  Regex ^(?<t>[^ ]*) (?<n>.*)$\n  Time_Key t\n  Time_Format %s.%L\n"
        "  Time_Offset +0200\n  Time_Keep On\n  Time_Strict Off\n  Skip_Empty_Values false\n"
        "  Types n:integer x:Float y:foo z\n  Decode_Field_As escaped log do_next\n  Decode_Field json log\n"
    ).parsers["p"]
    assert found == Parser(
        name="p",
        format="regex",
        regex="^(?<t>[^ ]*) (?<n>.*)$",
        time_key="t",
        time_format="%s.%L",
        time_offset="+0200",
        time_keep=True,
        time_strict=False,
        skip_empty_values=False,
        types={"n": "integer", "x": "float", "y": "string"},
        decoders=(("decode_field_as", "escaped log do_next"), ("decode_field", "json log")),
        origin=Origin("f.conf", 1),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  Format json\n", "needs a Name"),
        ("  Name p\n", "the parser p needs a Format"),
        ("  Name p\n  Format xml\n", "none of json"),
        ("  Name p\n  Format regex\n", "needs a Regex"),
        ("  Name p\n  Format json\n  Decode_Field_As base64 log\n", "needs one of json"),
        ("  Name p\n  Format json\n  Time_Zone Europe/Paris\n", "needs a Time_Format"),
        ("  Name p\n  Format json\n[PARSER]\n  Name p\n  Format json\n", "p is already defined in f.conf:1"),
    ],
)
def test_parsers_that_fluent_bit_refuses(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pipeline(f"[PARSER]\n{text}")


def test_configured_parsers_stand_over_the_shipped_ones() -> None:
    found = pipeline("[PARSER]\n  Name cri\n  Format json\n").parsers
    assert found["cri"].format == "json"
    assert found["cri"].origin == Origin("f.conf", 1)
    assert found["docker"] is SHIPPED["docker"]
    assert found["docker"].origin.path == "built in"
    assert (found["docker"].time_key, found["docker"].time_keep) == ("time", True)


def test_a_multiline_parser_of_both_syntaxes() -> None:
    found = pipeline(
        "[MULTILINE_PARSER]\n  name m\n  type Regex\n  flush_timeout 1000\n  key_content log\n  parser p\n"
        '  rule "start_state, other" "/^\\"a\\" (b)/" "cont"\n  rule cont /^\\s+/ cont\n  rule x y\n'
    ).multiline_parsers["m"]
    assert found.rules == (
        MultilineRule(("start_state", "other"), '/^"a" (b)/', "cont"),
        MultilineRule(("cont",), "/^\\s+/", "cont"),
        MultilineRule(("x",), "y", ""),
    )
    assert (found.key_content, found.parser) == ("log", "p")
    rule = (("state", "start_state"), ("regex", 'a "b" \\'), ("next_state", "c"))
    yaml = section("multiline_parser", ("name", "m"), ("type", "regex"), *rule)
    assert interpret([yaml]).multiline_parsers["m"].rules == (MultilineRule(("start_state",), 'a "b" \\', "c"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  type regex\n", "needs a Name"),
        ("  name m\n", "needs a Type"),
        ("  name m\n  type glob\n", "is none of regex"),
        ("  name m\n  type regex\n", "first rule"),
        ('  name m\n  type regex\n  rule "cont" "/a/" "cont"\n', "first rule"),
        ('  name m\n  type regex\n  rule "start_state"\n', "needs a state and a regular expression"),
    ],
)
def test_multiline_parsers_that_fluent_bit_refuses(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pipeline(f"[MULTILINE_PARSER]\n{text}")


# --- the whole


def test_numbers_are_places_among_all_inputs_and_outputs() -> None:
    found = pipeline(
        "[INPUT]\n  Name cpu\n[INPUT]\n  Name Tail\n  Path /a\n[OUTPUT]\n  Name stdout\n[OUTPUT]\n  Name s3\n"
        "  bucket b\n[OUTPUT]\n  Name s3\n  bucket c\n  Alias x\n"
    )
    assert [i.number for i in found.inputs] == [1]
    assert [(o.number, o.name) for o in found.outputs] == [(1, "s3.1"), (2, "x")]
    assert (found.other_inputs, found.other_outputs) == (("cpu",), ("stdout",))
    assert found.outputs[0].route == Route()


def test_other_plugins_keys_are_not_looked_at() -> None:
    found = pipeline("[INPUT]\n  Name x\n  what ever\n[OUTPUT]\n  Name y\n  a b\n[FILTER]\n  Name z\n  c d\n")
    assert (found.inputs, found.outputs) == ((), ())
    assert found.filters[0].name == "z"


def test_one_input_and_one_output_need_no_match() -> None:
    text = "[INPUT]\n  Name tail\n  Path /a\n[OUTPUT]\n  Name s3\n  bucket b\n"
    assert pipeline(text).outputs[0].route == Route("*")
    assert pipeline("[SERVICE]\n  storage.path /buf\n" + text).outputs[0].route == Route()
    assert pipeline(text + "[INPUT]\n  Name cpu\n").outputs[0].route == Route()


def test_the_service() -> None:
    found = pipeline(
        "[SERVICE]\n  Flush 0.5\n  storage.path /buf\n  Grace x\n[SERVICE]\n  json.escape_unicode off\n  Grace 30\n"
    ).service
    assert (found.flush_s, found.storage_path, found.escape_unicode, found.grace_s) == (0.5, "/buf", False, 30)
    default = pipeline("").service
    assert (default.flush_s, default.storage_path, default.escape_unicode, default.grace_s) == (1.0, None, True, 5)


def test_inputs_may_inherit_the_filesystem() -> None:
    text = "[SERVICE]\n  storage.inherit on\n  storage.type filesystem\n[INPUT]\n  Name tail\n  Path /a\n"
    assert pipeline(text).inputs[0].storage_filesystem
    assert not pipeline(text + "  storage.type memory\n").inputs[0].storage_filesystem


def test_filters_keep_their_order_and_their_routes() -> None:
    found = pipeline(
        "[FILTER]\n  Name grep\n  Match a.*\n  Regex log x\n"
        "[FILTER]\n  Name Modify\n  Match_Regex ^b\n  Add k v\n  Add l w\n"
    ).filters
    assert [(f.name, f.route) for f in found] == [("grep", Route("a.*")), ("modify", Route(None, "^b"))]
    assert found[1].section.all("add") == ["k v", "l w"]


def test_a_plugin_needs_a_name() -> None:
    with pytest.raises(ConfigError, match=r"^f.conf:1: this input has no Name$"):
        pipeline("[INPUT]\n  Tag x\n")


# --- sections through JSON


def test_sections_go_through_json_without_secrets_and_without_other_plugins() -> None:
    sections = [
        section("service", ("Flush", "1"), ("HTTP_Passwd", "hidden")),
        section("input", ("Name", "http"), ("password", "hidden")),
        section("input", ("Name", "tail"), ("Path", "/a")),
        section("filter", ("Name", "kubernetes"), ("Kube_Token_Command", "hidden"), ("HTTP_Passwd", "hidden"),
                ("Match", "*")),
        section("output", ("Name", "es"), ("HTTP_Passwd", "hidden")),
        section("filter", ("Name", "wasm"), ("authorization", "Bearer hidden"), ("private_key", "hidden"),
                ("Regex", "log https?://[^:]*:x@")),
        section("output", ("Name", "s3"), ("bucket", "b"), ("authorization_endpoint_bearer_token", "hidden"),
                ("tls.key_passwd", "hidden"), ("endpoint", "https://admin:hidden@minio:9000")),
        section("parser", ("Name", "p"), ("Format", "regex"), ("Regex", "(?<token>x)")),
    ]  # fmt: skip
    text = json.dumps(sections_to_json(sections))
    assert "hidden" not in text
    found = interpret(sections_from_json(json.loads(text)))
    assert found.inputs == interpret(sections).inputs
    assert [(o.number, o.bucket) for o in found.outputs] == [(1, "b")]
    assert (found.other_inputs, found.other_outputs) == (("http",), ("es",))
    assert found.parsers["p"].regex == "(?<token>x)"
    assert found.filters[0].section.get("match") == "*"
    assert found.filters[1].section.get("regex") == "log https?://[^:]*:x@"
    assert found.outputs[0].endpoint == f"https://admin:{MASK}@minio:9000"


TEXTS = st.text(max_size=10)
ORIGINS = st.builds(Origin, TEXTS, st.integers())
PROPERTIES = st.lists(st.builds(Property, st.sampled_from(["Name", "Regex", "é"]), TEXTS, ORIGINS)).map(tuple)
KINDS = st.sampled_from(["service", "filter", "parser", "multiline_parser"])
SECTIONS = st.builds(Section, KINDS, PROPERTIES, ORIGINS)


@settings(max_examples=60)
@given(st.lists(SECTIONS, max_size=5))
def test_what_is_kept_comes_back_unchanged(sections: list[Section]) -> None:
    assert sections_from_json(json.loads(json.dumps(sections_to_json(sections)))) == sections


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [1], [{}], [{"kind": "x"}], [{"kind": "input", "properties": [], "path": 1, "line": 1}],
        [{"kind": "input", "properties": [], "path": "a", "line": "1"}],
        [{"kind": "input", "properties": [["a", "b", "c"]], "path": "a", "line": 1}],
        [{"kind": "input", "properties": [["a", 1, "c", 1]], "path": "a", "line": 1}],
        [{"kind": ["input"], "properties": [], "path": "a", "line": 1}],
    ],
)  # fmt: skip
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="the plan's configuration"):
        sections_from_json(value)


# --- the captured configurations


@pytest.mark.parametrize("name", NAMES)
def test_reads_the_configuration_of_every_case(name: str, tmp_path: Path) -> None:
    text = (unpack(name, tmp_path) / config(name).lstrip("/")).read_text()
    found = pipeline(text)
    (output,) = found.outputs
    (input_,) = found.inputs
    assert output.bucket == "my-bucket"
    assert (output.region, output.endpoint) == ("us-west-2", "http://127.0.0.1:5556")
    assert output.store_dir == "/var/log/s3/temp/"
    assert input_.read_from_head
    if name == "sigkill-multipart":
        assert (output.use_put_object, output.upload_chunk_size, output.compression) == (False, 6_000_000, "none")
        assert output.key_format.endswith("/$UUID.log")
    else:
        assert (output.use_put_object, output.compression) == (True, "gzip")
    if name == "kubernetes-cri":
        assert (input_.tag, input_.multiline_parsers, output.route) == ("kube.*", ("cri",), Route("kube.*"))
        assert (output.total_file_size, output.upload_timeout_s, output.tag_delimiters) == (20_000_000, 5, ".")
        assert [f.name for f in found.filters] == ["kubernetes"]
    else:
        assert (input_.db, input_.tag, output.tag_delimiters) == ("/var/log/flb_test.db", "test.*", ".-")
        assert output.total_file_size == 250_000_000
    assert (found.service.storage_path is not None) == (name == "storage-filesystem")
    assert input_.storage_filesystem == (name == "storage-filesystem")
