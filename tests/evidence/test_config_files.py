from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cases import NAMES, config, footprint, unpack

from flbrecover.errors import ConfigError
from flbrecover.evidence.config_files import LoadedConfig, load
from flbrecover.evidence.node import Node

S3 = "[OUTPUT]\n    Name s3\n    Match *\n    bucket {bucket}\n"
TAIL = "[INPUT]\n    Name tail\n    Path /var/log/*.log\n    Parser mine\n"
PARSER = "[PARSER]\n    Name mine\n    Format json\n"
YAML = "pipeline:\n  inputs:\n    - {name: tail, path: /a}\n  outputs:\n    - {name: s3, bucket: y}\n"
CONFIG_MAPS = "/var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~configmap/{name}"


def write(root: Path, files: Mapping[str, str]) -> Node:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    return Node(root)


def mount(root: Path, folder: str, files: Mapping[str, str]) -> None:
    """A ConfigMap as the kubelet mounts it: a dated folder, ..data to it, and a link for each key."""
    place = root / folder.lstrip("/")
    write(place, {f"..2026_11_23/{name}": text for name, text in files.items()})
    (place / "..data").symlink_to("..2026_11_23")
    for name in files:
        (place / name).symlink_to(f"..data/{name}")


def manifest(**files: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fb", "namespace": "log"},
                       "data": {k.replace("__", ".").replace("_", "-"): v for k, v in files.items()}})  # fmt: skip


def buckets(loaded: LoadedConfig) -> list[str]:
    return [o.bucket for o in loaded.pipeline.outputs]


def notes(loaded: LoadedConfig) -> str:
    assert not any(n.unreadable for n in loaded.notes)
    return "\n".join(f"{n.path}: {n.what}" for n in loaded.notes)


# --- files


@pytest.mark.parametrize("name", NAMES)
def test_loads_every_case_and_changes_nothing(name: str, tmp_path: Path) -> None:
    root = unpack(name, tmp_path)
    before = footprint(root)
    loaded = load(Node(root), config(name), {})
    assert footprint(root) == before
    assert buckets(loaded) == ["my-bucket"]
    assert loaded.files[0].path == config(name)
    assert loaded.notes == ()
    if name == "kubernetes-cri":
        assert [f.path for f in loaded.files] == ["/etc/fluent-bit/fluent-bit.conf", "/etc/fluent-bit/parsers.conf"]
        assert loaded.pipeline.parsers["cri"].origin.path == "/etc/fluent-bit/parsers.conf"
        assert not loaded.pipeline.parsers["cri"].time_keep


@pytest.mark.parametrize("name", NAMES)
def test_finds_the_configuration_of_every_case(name: str, tmp_path: Path) -> None:
    loaded = load(Node(unpack(name, tmp_path)), None, {})
    assert buckets(loaded) == ["my-bucket"]
    assert "/etc/fluent-bit/fluent-bit.yaml" in loaded.searched


def test_includes_and_parsers_are_relative_to_the_main_file(tmp_path: Path) -> None:
    node = write(
        tmp_path,
        {
            "/etc/fb/main.conf": "[SERVICE]\n    Parsers_File parsers.conf\n@INCLUDE conf.d/*.conf\n",
            "/etc/fb/conf.d/in.conf": TAIL + "@INCLUDE other.conf\n",
            "/etc/fb/conf.d/out.conf": S3.format(bucket="b"),
            "/etc/fb/conf.d/.hidden.conf": "nonsense",
            "/etc/fb/other.conf": "[FILTER]\n    Name grep\n",
            "/etc/fb/parsers.conf": "@INCLUDE more.conf\n",
            "/etc/fb/more.conf": PARSER,
        },
    )
    loaded = load(node, "/etc/fb/main.conf", {})
    assert buckets(loaded) == ["b"]
    assert loaded.pipeline.parsers["mine"].origin.path == "/etc/fb/more.conf"
    assert loaded.files[0].path == "/etc/fb/main.conf"
    read = {"main", "conf.d/in", "other", "conf.d/out", "parsers", "more"}
    assert {f.path for f in loaded.files} == {f"/etc/fb/{n}.conf" for n in read}
    assert loaded.notes == ()


def test_yaml_includes_are_relative_to_the_including_file(tmp_path: Path) -> None:
    node = write(
        tmp_path,
        {
            "/fb/main.yaml": "includes: [sub/a.yaml]\nservice:\n  parsers_file: p.yaml\n",
            "/fb/sub/a.yaml": "includes: [b.yml]\n",
            "/fb/sub/b.yml": YAML,
            "/fb/p.yaml": "parsers:\n  - {name: mine, format: json}\n",
        },
    )
    loaded = load(node, "fb/main.yaml", {})
    assert buckets(loaded) == ["y"]
    assert "mine" in loaded.pipeline.parsers


def test_a_path_of_the_container_is_found_beside_the_main_file(tmp_path: Path) -> None:
    node = write(
        tmp_path,
        {
            "/data/fluent-bit.conf": "[SERVICE]\n    Parsers_File /fluent-bit/etc/parsers.conf\n"
            "@INCLUDE /fluent-bit/etc/in*.conf\n@INCLUDE /fluent-bit/etc/output.conf\n",
            "/data/input.conf": TAIL,
            "/data/output.conf": S3.format(bucket="b"),
            "/data/parsers.conf": PARSER,
        },
    )
    loaded = load(node, "/data/fluent-bit.conf", {})
    assert buckets(loaded) == ["b"]
    assert "mine" in loaded.pipeline.parsers
    assert notes(loaded).count("is not there; taken from /data") == 3


def test_a_missing_parsers_file_is_a_note_and_shipped_parsers_stand_in(tmp_path: Path) -> None:
    text = "[SERVICE]\n    Parsers_File /fluent-bit/etc/parsers.conf\n" + TAIL.replace("mine", "docker") + TAIL
    loaded = load(write(tmp_path, {"/f.conf": text}), "/f.conf", {})
    assert loaded.pipeline.parsers["docker"].origin.path == "built in"
    assert "line 2: the Parsers_File /fluent-bit/etc/parsers.conf cannot be read: no such file" in notes(loaded)
    assert "the parser docker is defined in no file that was read: Fluent Bit's own definition" in notes(loaded)
    assert "the parser mine is defined in no file that was read: its lines are not parsed" in notes(loaded)


def test_variables_of_the_main_file_hold_in_parsers_files(tmp_path: Path) -> None:
    text = "@SET NAME=mine\n[SERVICE]\n    Parsers_File ${DIR}/p.conf\n"
    node = write(tmp_path, {"/f.conf": text, "/x/p.conf": PARSER.replace("mine", "${NAME}")})
    assert "mine" in load(node, "/f.conf", {"DIR": "/x"}).pipeline.parsers


def test_an_undefined_variable_is_a_note_with_a_way_out(tmp_path: Path) -> None:
    node = write(tmp_path, {"/f.conf": S3.format(bucket="a-${STAGE}")})
    loaded = load(node, "/f.conf", {})
    assert buckets(loaded) == ["a-"]
    assert "${STAGE} is not set" in notes(loaded)
    assert "--env" in loaded.notes[0].way_out
    assert load(node, "/f.conf", {"STAGE": "x"}).notes == ()


def test_an_undefined_variable_of_a_field_is_left_open(tmp_path: Path) -> None:
    """Empty, it would be another value than the one that Fluent Bit wrote."""
    filters = "[FILTER]\n    Name record_modifier\n    Match *\n    Record host ${HOSTNAME}\n    Record a x-${STAGE}\n"
    loaded = load(write(tmp_path, {"/f.conf": filters + S3.format(bucket="b")}), "/f.conf", {"STAGE": ""})
    assert loaded.sections[0].all("record") == ["host ${HOSTNAME}", "a x-"]
    assert "${HOSTNAME} is not set: fields with it are taken from stored records" in notes(loaded)
    assert "STAGE" not in notes(loaded)


def test_processors_are_named_as_not_understood(tmp_path: Path) -> None:
    text = YAML.replace("path: /a}", "path: /a, processors: {logs: [{name: sql}]}}")
    loaded = load(write(tmp_path, {"/f.yaml": text}), "/f.yaml", {})
    assert "line 3: processors of this input (logs sql) are not understood" in notes(loaded)


def test_bytes_that_are_no_utf8_survive(tmp_path: Path) -> None:
    (tmp_path / "f.conf").write_bytes(b"[INPUT]\n    Name tail\n    Path /caf\xe9\n")
    (input_,) = load(Node(tmp_path), "/f.conf", {}).pipeline.inputs
    assert os.fsencode(input_.paths[0]) == b"/caf\xe9"


def test_a_symlink_stays_inside_the_root(tmp_path: Path) -> None:
    write(tmp_path, {"/node/real/f.conf": S3.format(bucket="inside") + "@INCLUDE more.conf\n",
                     "/node/real/more.conf": TAIL, "/real/f.conf": S3.format(bucket="outside")})  # fmt: skip
    (tmp_path / "node/etc").mkdir()
    (tmp_path / "node/etc/f.conf").symlink_to("/real/f.conf")
    loaded = load(Node(tmp_path / "node"), "/etc/f.conf", {})
    assert buckets(loaded) == ["inside"]
    assert loaded.files[0].real_path == "/real/f.conf"


# --- what is refused


@pytest.mark.parametrize(
    ("files", "path", "said"),
    [
        ({}, "/nope.conf", "/nope.conf: no such file or folder inside the root"),
        ({"/f.conf": "@INCLUDE nope.conf\n"}, "/f.conf", "/f.conf:1: @INCLUDE nope.conf: no such file"),
        ({"/f.conf": "@INCLUDE x/*.conf\n"}, "/f.conf", "matches no file"),
        ({"/f.conf": "@INCLUDE /x/*.conf\n", "/g.conf": "y"}, "/f.conf", "matches no file"),
        ({"/f.conf": "@INCLUDE f.conf\n"}, "/f.conf", "included twice, or includes itself"),
        ({"/f.conf": "@INCLUDE ./g.conf\n", "/g.conf": "@INCLUDE /g.conf\n"}, "/f.conf", "/g.conf:1: @INCLUDE /g.conf"),
        ({"/f.conf": "[PARSER]\n    Name x\n"}, "/f.conf", "/f.conf:1: a parser belongs in a Parsers_File"),
        ({"/f.conf": "#" * (4 * 1024 * 1024 + 1)}, "/f.conf", "more than 4194304 bytes"),
        ({"/f.conf": "x"}, "/f.conf#key", "is no ConfigMap manifest"),
        ({"/d/readme": "x"}, "/d", "/d: a folder without a Fluent Bit configuration"),
        ({"/d/x.conf": "[PARSER]\n"}, "/d", "no Fluent Bit configuration among its files: x.conf"),
        ({"/m.yaml": "kind: ConfigMap\ndata: {a: b}\n"}, "/m.yaml", "no Fluent Bit configuration among its keys: Con"),
        ({"/m.yaml": "kind: ConfigMap\n a: b\n"}, "/m.yaml", "not YAML"),
        ({"/f.yaml": "pipeline:\n  inputs: []\n# caf\udce9\n"}, "/f.yaml", "/f.yaml:3: not UTF-8"),
    ],
)
def test_one_clear_line_for_what_cannot_be_used(files: dict[str, str], path: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as e:
        load(write(tmp_path, files), path, {})
    assert said in str(e.value)
    assert "\n" not in str(e.value)
    assert e.value.exit_code == 2


def test_a_fifo_or_a_folder_as_an_include_does_not_hang(tmp_path: Path) -> None:
    node = write(tmp_path, {"/f.conf": "@INCLUDE pipe.conf\n", "/g.conf": "@INCLUDE dir.conf\n"})
    os.mkfifo(tmp_path / "pipe.conf")
    (tmp_path / "dir.conf").mkdir()
    for path in ("/f.conf", "/g.conf"):
        with pytest.raises(ConfigError, match="no such file"):
            load(node, path, {})
    with pytest.raises(ConfigError, match="not a regular file"):
        load(node, "/pipe.conf", {})


# --- ConfigMap manifests and mounts


def test_a_config_map_in_json_with_includes_and_parsers_by_name(tmp_path: Path) -> None:
    text = manifest(
        fluent_bit__conf="[SERVICE]\n    Parsers_File /fluent-bit/etc/parsers.conf\n@INCLUDE in*.conf\n"
        "@INCLUDE /fluent-bit/etc/out.conf\n",
        in__conf=TAIL,
        out__conf=S3.format(bucket="b"),
        parsers__conf=PARSER,
    )
    loaded = load(write(tmp_path, {"/cm.json": text}), "/cm.json", {})
    assert buckets(loaded) == ["b"]
    assert loaded.pipeline.parsers["mine"].origin.path == "/cm.json#parsers.conf"
    assert loaded.pipeline.outputs[0].origin.path == "/cm.json#out.conf"
    assert [f.path for f in loaded.files] == ["/cm.json"]
    assert loaded.notes == ()


def test_a_config_map_in_yaml_with_a_yaml_configuration(tmp_path: Path) -> None:
    inner = "".join(f"    {line}\n" for line in YAML.splitlines())
    text = f"---\nkind: Service\n---\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  a.yaml: |\n{inner}"
    assert buckets(load(write(tmp_path, {"/cm.yaml": text}), "/cm.yaml", {})) == ["y"]


def test_a_list_of_config_maps(tmp_path: Path) -> None:
    items = [json.loads(manifest(a__conf=TAIL)), json.loads(manifest(b__conf=S3.format(bucket="b")))]
    items[0]["metadata"]["name"] = "other"
    text = json.dumps({"kind": "List", "items": items})
    loaded = load(write(tmp_path, {"/list.json": text}), "/list.json", {})
    assert buckets(loaded) == ["b"]  # the only one with an s3 output
    chosen = load(Node(tmp_path), "/list.json#log/other/a.conf", {})
    assert [i.paths for i in chosen.pipeline.inputs] == [("/var/log/*.log",)]


def test_several_configurations_in_a_config_map_are_listed(tmp_path: Path) -> None:
    text = manifest(a__conf=S3.format(bucket="a"), b__conf=S3.format(bucket="b"), parsers__conf=PARSER)
    node = write(tmp_path, {"/cm.json": text})
    with pytest.raises(ConfigError, match="several configurations, choose one with --config FILE#key") as e:
        load(node, "/cm.json", {})
    assert "/cm.json#a.conf (outputs: s3); /cm.json#b.conf (outputs: s3)" in str(e.value)
    assert "parsers.conf" not in str(e.value)
    assert buckets(load(node, "/cm.json#b.conf", {})) == ["b"]
    with pytest.raises(ConfigError, match=r"no #c.conf among its keys: log/fb/a.conf, log/fb/b.conf"):
        load(node, "/cm.json#c.conf", {})


def test_an_error_in_a_config_map_names_its_key_and_line(tmp_path: Path) -> None:
    node = write(tmp_path, {"/cm.json": manifest(a__conf="[OUTPUT]\n    Name s3\n   bad x\n")})
    with pytest.raises(ConfigError, match=r"^/cm.json#a.conf:3: less indentation"):
        load(node, "/cm.json", {})


def test_a_folder_that_a_config_map_is_mounted_to(tmp_path: Path) -> None:
    files = {"fluent-bit.conf": "[SERVICE]\n    Parsers_File custom.conf\n@INCLUDE out.conf\n", "custom.conf": PARSER,
             "out.conf": S3.format(bucket="b") + TAIL}  # fmt: skip
    mount(tmp_path, "/etc/cm", files)
    loaded = load(Node(tmp_path), "/etc/cm/", {})
    assert buckets(loaded) == ["b"]
    assert loaded.files[0].path == "/etc/cm/fluent-bit.conf"
    assert loaded.files[0].real_path == "/etc/cm/..2026_11_23/fluent-bit.conf"
    assert "mine" in loaded.pipeline.parsers
    assert loaded.notes == ()
    assert buckets(load(Node(tmp_path), "/etc/cm#out.conf", {})) == ["b"]


def test_several_configurations_in_a_folder_are_listed(tmp_path: Path) -> None:
    mount(tmp_path, "/etc/cm", {"a.conf": S3.format(bucket="a"), "b.yaml": YAML})
    with pytest.raises(ConfigError, match=r"/etc/cm/a.conf \(outputs: s3\); /etc/cm/b.yaml \(outputs: s3\)"):
        load(Node(tmp_path), "/etc/cm", {})


# --- searching


def test_finds_a_config_map_of_the_kubelet(tmp_path: Path) -> None:
    mount(tmp_path, CONFIG_MAPS.format(pod="1", name="kube-root-ca.crt"), {"ca.crt": "x"})
    mount(tmp_path, CONFIG_MAPS.format(pod="2", name="coredns"), {"Corefile": "x", "x.conf": "[section]\n"})
    folder = CONFIG_MAPS.format(pod="3", name="config")
    mount(tmp_path, folder, {"fluent-bit.conf": S3.format(bucket="b") + TAIL, "broken.conf": "[INPUT\n"})
    loaded = load(Node(tmp_path), None, {})
    assert buckets(loaded) == ["b"]
    assert loaded.files[0].path == f"{folder}/fluent-bit.conf"


def test_the_same_configuration_in_two_pods_is_one(tmp_path: Path) -> None:
    for pod in ("1", "2"):
        mount(tmp_path, CONFIG_MAPS.format(pod=pod, name="c"), {"fluent-bit.conf": S3.format(bucket="b")})
    loaded = load(Node(tmp_path), None, {})
    assert buckets(loaded) == ["b"]
    assert f"{CONFIG_MAPS.format(pod='2', name='c')}/fluent-bit.conf says the same" in notes(loaded)


def test_two_different_configurations_have_to_be_chosen_from(tmp_path: Path) -> None:
    mount(tmp_path, CONFIG_MAPS.format(pod="1", name="c"), {"fluent-bit.conf": S3.format(bucket="b")})
    write(tmp_path, {"/etc/fluent-bit/fluent-bit.yaml": YAML, "/etc/fluent-bit/fluent-bit.conf": TAIL})
    with pytest.raises(ConfigError, match="several configurations have an s3 output, choose one with --config: ") as e:
        load(Node(tmp_path), None, {})
    assert "/etc/fluent-bit/fluent-bit.yaml (outputs: s3)" in str(e.value)
    assert "/etc/fluent-bit/fluent-bit.conf" not in str(e.value)


def test_says_where_it_looked_and_what_it_found(tmp_path: Path) -> None:
    write(tmp_path, {"/etc/fluent-bit/fluent-bit.conf": "[OUTPUT]\n    Name es\n"})
    write(tmp_path, {"/fluent-bit/etc/fluent-bit.yaml": "- x\n"})
    with pytest.raises(ConfigError, match="no configuration with an s3 output found") as e:
        load(Node(tmp_path), None, {})
    assert "/etc/fluent-bit/fluent-bit.conf (outputs: es)" in str(e.value)
    assert "/fluent-bit/etc/fluent-bit.yaml (cannot be read: " in str(e.value)
    assert "kubernetes.io~configmap" in str(e.value)
    assert "\n" not in str(e.value)


def test_the_only_one_that_is_broken_is_told_as_if_it_were_named(tmp_path: Path) -> None:
    write(tmp_path, {"/etc/fluent-bit/fluent-bit.conf": "[SERVICE]\n    Flush 1\n[OUTPUT\n"})
    with pytest.raises(ConfigError) as e:
        load(Node(tmp_path), None, {})
    assert str(e.value) == "/etc/fluent-bit/fluent-bit.conf:3: a section header without its ]"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0, 0o444])  # listing the names is not enough
@pytest.mark.parametrize("folder", ["/etc/fluent-bit", "/var/lib/kubelet/pods"])
def test_a_folder_that_may_not_be_looked_into(folder: str, mode: int) -> None:
    with TemporaryDirectory() as root:  # pytest's own folders are closed to others
        os.chmod(root, 0o755)
        place = folder if folder == "/etc/fluent-bit" else CONFIG_MAPS.format(pod="1", name="c")
        write(Path(root), {f"{place}/fluent-bit.conf": S3.format(bucket="b")})
        os.chmod(root + folder, mode)
        try:
            with as_nobody(), pytest.raises(ConfigError) as e:
                load(Node(root), None, {})
            if folder == place:
                with as_nobody(), pytest.raises(ConfigError, match="Permission denied"):
                    load(Node(root), folder, {})
        finally:
            os.chmod(root + folder, 0o755)
    assert str(e.value).startswith(folder)
    assert "Permission denied" in str(e.value) and str(e.value).endswith("; run as root, or give --config")


def test_other_config_maps_are_not_listed(tmp_path: Path) -> None:
    mount(tmp_path, CONFIG_MAPS.format(pod="1", name="kube-root-ca.crt"), {"ca.crt": "x", "x.conf": "key value\n"})
    with pytest.raises(ConfigError, match="Found: nothing"):
        load(Node(tmp_path), None, {})
