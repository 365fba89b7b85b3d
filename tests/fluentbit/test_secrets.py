"""Secrets go, everything that a recovery depends on stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.errors import ConfigError, FlbrecoverError
from flbrecover.fluentbit import config_classic, config_yaml
from flbrecover.fluentbit.interpret import interpret
from flbrecover.fluentbit.pipeline import Pipeline, Section
from flbrecover.fluentbit.secrets import MASK, is_secret, mask, mask_argument

SECRET = "hunter2-Zq9x"
RECORDED = Path(__file__).parent.parent.parent / "fixtures" / "config" / "recorded.json"

CLASSIC = f"""\
[SERVICE]
    Flush 1
    # http_passwd {SECRET}
@SET api_token={SECRET}
[INPUT]
    Name tail
    Path /var/log/token-*.log
    Parser secret_parser
    Tag token.*
[FILTER]
    Name grep
    Match *
    Regex log ^password: Basic abcdefghijkl (?<token>.*)$
    Exclude secret AKIAABCDEFGHIJKLMNOP
[FILTER]
    Name kubernetes
    Match *
    Kube_Token_File /var/run/secrets/token
    Kube_Token_TTL 60
[OUTPUT]
    Name es
    Match *
    HTTP_User elastic
    HTTP_Passwd {SECRET}
    Cloud_Auth elastic:{SECRET}
    Header Authorization Bearer {SECRET}
    Header X-Api-Key {SECRET}
    Header X-Tenant blue
    tls.key_passwd {SECRET}
    Host https://user:{SECRET}@example.test/x
    API_Key ${{API_KEY}}
[OUTPUT]
    Name s3
    Match token.*
    bucket secret-bucket
    s3_key_format /secret/$TAG/password=%Y
    role_arn arn:aws:iam::123456789012:role/token
    external_id token-7
    static_file_path Off
"""
YAML = f"""\
env: {{db_password: {SECRET}, plain: x}}
service: {{flush: 1, http_passwd: "{SECRET}"}}
pipeline:
  inputs:
    - {{name: tail, path: /var/log/*.log, tag: token.*}}
  outputs:
    - name: http
      match: '*'
      http_passwd: '{SECRET}'   # why not
      headers:
        - Authorization Basic {SECRET}
        - X-Tenant blue
      private_key: |
        -----BEGIN
        {SECRET}
      api_keys: [{SECRET}, "{SECRET}"]
      splunk_token: &anchor {SECRET}
    - {{name: s3, match: "*", bucket: b, s3_key_format: /secret/$TAG/%Y}}
"""


def nothing(pattern: str, including: str) -> list[tuple[str, str]]:
    raise ConfigError(f"{including}: there is no {pattern}")


def meaning(sections: Sequence[Section]) -> Pipeline:
    """What a recovery makes of it; the sections as they were written are carried along in a pipeline, too."""
    return replace(interpret(sections), sections=())


def lines_of(text: str) -> set[int]:
    return {number for number, line in enumerate(text.split("\n"), 1) if SECRET in line}


def test_classic() -> None:
    masked, taken = mask(CLASSIC)
    assert SECRET not in masked and masked.count("\n") == CLASSIC.count("\n")
    assert {m.line for m in taken} == lines_of(CLASSIC)
    unchanged = [line for line in CLASSIC.split("\n") if SECRET not in line]
    assert [line for line in masked.split("\n") if line in unchanged] == unchanged
    for line in ("HTTP_User elastic", "API_Key ${API_KEY}", f"Header X-Api-Key {MASK}"):
        assert line in masked
    texts = (CLASSIC, masked)
    before, after = (config_classic.parse(text, "/x", env={"API_KEY": "1"}, include=nothing) for text in texts)
    assert meaning(after.sections) == meaning(before.sections)


def test_yaml() -> None:
    masked, taken = mask(YAML)
    assert SECRET not in masked and "blue" in masked and "plain: x" in masked
    assert masked.count("\n") == YAML.count("\n")
    assert {m.key for m in taken} >= {"http_passwd", "headers Authorization", "private_key", "api_keys", "db_password"}
    before, after = (config_yaml.parse(text, "/x.yaml", env={}, include=nothing) for text in (YAML, masked))
    assert meaning(after.sections) == meaning(before.sections)


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump, lambda m: yaml.safe_dump(m, default_style="|")])
def test_inside_a_manifest(dump) -> None:
    manifest = {"kind": "ConfigMap", "metadata": {"name": "fb"}, "data": {"fluent-bit.conf": CLASSIC, "x.yaml": YAML}}
    masked, taken = mask(dump(manifest))
    assert SECRET not in masked and taken
    again = yaml.safe_load(masked)["data"]
    texts = (CLASSIC, again["fluent-bit.conf"])
    before, after = (config_classic.parse(text, "/x", env={"API_KEY": "1"}, include=nothing) for text in texts)
    assert meaning(after.sections) == meaning(before.sections)


@pytest.mark.parametrize("name", ["HTTP_Passwd", "apiKey", "api_key", "tls.key_passwd", "aws_secret_access_key"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


NO_SECRETS = """Kube_Token_File Kube_Token_TTL Regex s3_key_format log_key json_date_key auto_retry_requests role_arn
external_id bucket Tag Name author HTTP_User Use_Kubelet store_dir"""


@pytest.mark.parametrize("name", NO_SECRETS.split())
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret(name)


def test_arguments() -> None:
    assert mask_argument(f"--token={SECRET}") == f"--token={MASK}"
    assert mask_argument(f"http_passwd={SECRET}") == f"http_passwd={MASK}"
    assert mask_argument(f"http://u:{SECRET}@h/") == f"http://u:{MASK}@h/"
    for argument in ("-c", "/fluent-bit/etc/token.conf", "path=/var/log/x", "--parser=secret"):
        assert mask_argument(argument) == argument


def test_twice_is_as_once() -> None:
    for text in (CLASSIC, YAML):
        masked, _ = mask(text)
        assert mask(masked) == (masked, [])


def _recorded() -> list[tuple[str, str]]:
    found = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for v in value.values():
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)
        elif isinstance(value, str) and "\n" in value:
            found.append(("yaml" if "pipeline:" in value else "classic", value))

    walk(json.loads(RECORDED.read_text()))
    return found


def test_recorded_configurations_mean_the_same() -> None:
    """What a real Fluent Bit was started with: masking never changes what a recovery sees."""
    texts = _recorded()
    compared = 0
    for kind, text in texts:
        masked, _ = mask(text)
        parse = config_yaml.parse if kind == "yaml" else config_classic.parse
        try:
            before = meaning(parse(text, "/x", env={}, include=nothing).sections)
        except FlbrecoverError:
            continue  # one that Fluent Bit refuses, too
        compared += 1
        assert meaning(parse(masked, "/x", env={}, include=nothing).sections) == before, text
    assert compared > 50


@given(st.text(st.sampled_from(" :-\"'{}[]|>&*!#\n\r\tabpasswd=$"), max_size=200))
def test_any_text_is_taken(text: str) -> None:
    masked, taken = mask(text)
    assert bool(taken) == (masked != text)


OF_TWO_LINES = f"""\
pipeline:
  outputs:
    - name: http
      http_passwd: "{SECRET}
        more"
      headers: 'Authorization Bearer
        {SECRET}'
      match: "*"
"""


@pytest.mark.parametrize(
    "text",
    [
        OF_TWO_LINES,
        "kind: ConfigMap\ndata:\n  fluent-bit.yaml: |\n" + "".join(f"    {li}\n" for li in OF_TWO_LINES.splitlines()),
        f"kind: ConfigMap\ndata:\n  a.conf: 'x\n\n\n    token={SECRET}\n\n    y'\nother: 1\n",
    ],
)
def test_lines_stay_lines(text: str) -> None:
    masked, taken = mask(text)
    assert taken and SECRET not in masked
    assert masked.count("\n") == text.count("\n")
    assert masked.splitlines()[-1] == text.splitlines()[-1]
    assert list(yaml.safe_load(masked)) == list(yaml.safe_load(text))


def test_an_alias_keeps_its_anchor() -> None:
    masked, _ = mask(f"a: {{token: &x {SECRET}}}\nb: {{secret: *x}}\n")
    assert yaml.safe_load(masked) == {"a": {"token": MASK}, "b": {"secret": MASK}}
