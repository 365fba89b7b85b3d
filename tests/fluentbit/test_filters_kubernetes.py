"""Expected values follow plugins/filter_kubernetes (kubernetes.c, kube_meta.c, kube_regex.h)."""

from __future__ import annotations

import pytest
from filters_support import adds_unknown, chain, fields, one

from flbrecover.fluentbit.pipeline import Parser

DOCKER_ID = "0123456789abcdef" * 4
TAG = f"kube.var.log.containers.web-0.a_shop_nginx-side-{DOCKER_ID}.log"
OWN = fields(time=b"T", stream=b"stdout", log=b'{"level":"info","msg":"hi\\n","log":"inner"}')
MERGED = fields(level=b"info", msg=b"hi", log=b"inner")
TIMED = Parser("timed", "regex", regex=r"^(?<at>[^ ]+) (?<m>.*)$", time_key="at", time_format="%Y-%m-%d")
UNTIMED = Parser("untimed", "regex", regex=r"^(?<level>[^ ]+) (?<m>.*)$")
BY_NAME = Parser("by-name", "regex", regex=r"^(?<namespace_name>[^.]+)\.(?<pod_name>[^.]+)$")


def kube(options: str = "", own=OWN, tag: str = TAG):
    return one(chain(f"Name kubernetes\n{options}", parsers=(TIMED, UNTIMED, BY_NAME)), own, tag)


def test_the_map_is_an_addition():
    outcome = kube()
    assert outcome.fields == OWN
    assert outcome.fate == "kept"
    assert adds_unknown(outcome)
    assert not outcome.unsure
    assert b"kubernetes" in outcome.additions
    assert b"kubernetes_namespace" not in outcome.additions


def test_which_maps_are_added():
    both = kube("Namespace_Labels On").additions
    assert b"kubernetes" in both
    assert b"kubernetes_namespace" in both
    one_of = kube("Namespace_Annotations On\nNamespace_Metadata_Only On").additions
    assert b"kubernetes" not in one_of
    assert b"kubernetes_namespace" in one_of


@pytest.mark.parametrize(
    "tag",
    [
        "app",
        "kube.var.log.containers.",
        f"kube.var.log.containers.web-0_shop-{DOCKER_ID}.log",
        "kube.var.log.containers.web-0_shop_nginx-short.log",
        f"kube.var.log.containers.web-0_shop_nginx-{DOCKER_ID}.txt",
    ],
)
def test_a_tag_that_it_does_not_take_changes_nothing(tag):
    outcome = kube("Merge_Log On\nK8S-Logging.Exclude On", tag=tag)
    assert outcome.fields == OWN
    assert outcome.fate == "kept"
    assert not adds_unknown(outcome)


def test_the_prefix_is_cut_off_by_its_length():
    assert adds_unknown(kube(tag="XXXX" + TAG[4:]))
    assert adds_unknown(kube("Kube_Tag_Prefix k.", tag=f"k.web-0_shop_nginx-{DOCKER_ID}.log"))


def test_all_of_the_map_from_the_tag():
    made = kube("Use_Tag_For_Meta On\nCache_Use_Docker_Id On")
    meta = fields(
        pod_name=b"web-0.a", namespace_name=b"shop", container_name=b"nginx-side", docker_id=DOCKER_ID.encode()
    )
    assert made.fields == (*OWN, (b"kubernetes", meta))
    assert not adds_unknown(made)
    assert adds_unknown(kube("Use_Tag_For_Meta On"))  # the docker id may be the one of an earlier container


def test_a_parser_for_the_tag():
    assert adds_unknown(kube("Regex_Parser by-name\nKube_Tag_Prefix k.", tag="k.shop.web"))
    assert not adds_unknown(kube("Regex_Parser by-name\nKube_Tag_Prefix k.", tag="k.shop.web.x"))
    only_pod = Parser("pod", "regex", regex="^(?<pod_name>.+)$")
    made = chain("Name kubernetes\nRegex_Parser pod\nKube_Tag_Prefix k.", parsers=(only_pod,))
    assert not adds_unknown(one(made, OWN, "k.web"))  # without a namespace nothing is looked up


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("", OWN),
        ("Merge_Log On", (*OWN, *MERGED)),
        ("Merge_Log On\nKeep_Log Off", (*OWN[:2], *MERGED)),
        ("Merge_Log On\nMerge_Log_Key app", (*OWN, (b"app", MERGED))),
        ("Merge_Log On\nMerge_Log_Key app\nKeep_Log Off", (*OWN[:2], (b"app", MERGED))),
        (
            "Merge_Log On\nMerge_Log_Trim Off\nKeep_Log Off",
            (*OWN[:2], *fields(level=b"info", msg=b"hi\n", log=b"inner")),
        ),
    ],
)
def test_merge_log(options, result):
    assert kube(options).fields == result


@pytest.mark.parametrize("log", [b"plain", b"", b"[1]", b'"text"', b'{"a":1} {"b":2}', b'{"a":', 5, None])
def test_what_cannot_be_merged_stays(log):
    own = fields(log=log, stream=b"out")
    assert kube("Merge_Log On", own).fields == own
    if isinstance(log, bytes):
        assert kube("Merge_Log On\nKeep_Log Off", own).fields == own
    else:  # neither text nor map is lost
        assert kube("Merge_Log On\nKeep_Log Off", own).fields == fields(stream=b"out")


def test_a_log_that_is_a_map():
    own = fields(log=fields(a=b"x\n"), stream=b"out")
    assert kube("Merge_Log On", own).fields == (*own, (b"a", b"x\n"))  # not trimmed
    assert kube("Merge_Log On\nKeep_Log Off", own).fields == fields(stream=b"out", a=b"x\n")
    assert kube("Merge_Log On\nKeep_Log Off\nMerge_Log_Key k", own).fields == fields(stream=b"out", k=fields(a=b"x\n"))
    empty = fields(log=(), stream=b"out")
    assert kube("Merge_Log On\nKeep_Log Off\nMerge_Log_Key k", empty).fields == fields(stream=b"out")


@pytest.mark.parametrize(
    ("value", "trimmed"),
    [
        (b"x\n", b"x"),
        (b"x\n\n", b"x"),
        (b"x\\n", b"x"),
        (b"x\\r\\n\n", b"x"),
        (b"\n", b"\n"),
        (b"\n\n", b"\n"),
        (b"x\r", b"x\r"),
        (b"x \n", b"x "),
        (b"\\n", b""),
        (b"", b""),
    ],
)
def test_trimming(value, trimmed):
    text = b'{"v":"' + value.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r") + b'"}'
    assert kube("Merge_Log On\nKeep_Log Off", fields(log=text)).fields == fields(v=trimmed)


def test_merge_parser():
    own = fields(log=b"2026-01-01 hello")
    outcome = kube("Merge_Log On\nKeep_Log Off\nMerge_Parser timed", own)
    assert outcome.fields == fields(m=b"hello")
    assert outcome.time_ns == 1767225600 * 10**9
    outcome = kube("Merge_Log On\nKeep_Log Off\nMerge_Parser untimed", own)
    assert outcome.fields == fields(level=b"2026-01-01", m=b"hello")
    assert outcome.time_ns is None  # such a record has the time at which it was merged
    assert kube("Merge_Log On\nMerge_Parser untimed", fields(log=b"one")).time_ns == 1_000
    far = kube("Merge_Log On\nMerge_Parser timed", fields(log=b"9999-01-01 hello"))  # no event can have that time
    assert (far.fields, far.time_ns) == (fields(log=b"9999-01-01 hello"), 1_000)


def test_a_merge_parser_that_is_not_defined():
    made = chain("Name kubernetes\nMerge_Log On\nKeep_Log Off\nMerge_Parser none")
    assert one(made, fields(log=b'{"a":1}'), TAG).fields == fields(a=1)
    assert "none" in made.notes[0].what


def test_pods_that_exclude_themselves():
    outcome = kube("K8S-Logging.Exclude On")
    assert (outcome.fate, outcome.by, outcome.whole_log) == ("maybe dropped", "kubernetes", True)
    made = chain("Name kubernetes\nK8S-Logging.Exclude On", "Name throttle")
    outcome = one(made, OWN, TAG)
    assert (outcome.fate, outcome.by, outcome.whole_log) == ("maybe dropped", "throttle", False)


def test_pods_that_ask_for_a_parser():
    made = chain("Name kubernetes\nMerge_Log On\nK8S-Logging.Parser On")
    assert "K8S-Logging.Parser" in made.notes[0].what
    assert not chain("Name kubernetes\nK8S-Logging.Parser On").notes  # without Merge_Log it does nothing


def test_merging_what_nobody_knows():
    outcome = one(chain("Name lua", "Name kubernetes\nMerge_Log On"), OWN, TAG)
    assert outcome.fields == OWN
    assert outcome.unsure == {b"time", b"stream", b"log"}


def test_journal_records_may_be_dropped():
    outcome = kube("Use_Journal On", tag="anything")
    assert outcome.fate == "maybe dropped"
    assert b"kubernetes" in outcome.additions


@pytest.mark.parametrize("options", ["Merge_Log perhaps", "Regex_Parser none"])
def test_what_fluent_bit_refuses(options):
    assert kube(options).fate == "maybe dropped"
