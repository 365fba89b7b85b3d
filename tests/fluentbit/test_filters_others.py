"""Filters whose doings the configuration tells in part or not at all, and what all filters have in common."""

from __future__ import annotations

from itertools import product

import pytest
from filters_support import PATH, adds_unknown, chain, fields, one, pipeline, record, section, through
from hypothesis import given
from hypothesis import strategies as st

from flbrecover.fluentbit.filters import FilterChain, Names
from flbrecover.fluentbit.pipeline import MultilineParser

OWN = fields(log=b"x", ip=b"10.0.0.1")


def additions(filter_text: str, *candidates: str) -> list[str]:
    outcome = one(chain(filter_text), OWN)
    assert outcome.fate == "kept"
    assert outcome.fields == OWN
    return [name for name in candidates if name.encode() in outcome.additions]


def test_what_lookups_add():
    assert additions("Name aws", "az", "ec2_instance_id", "hostname", "x") == ["az", "ec2_instance_id"]
    assert additions("Name aws\naz off\nhostname on", "az", "hostname") == ["hostname"]
    assert additions("Name aws\ntags_enabled on\ntags_include Name,Env", "Name", "Env", "x") == ["Name", "Env"]
    assert additions("Name aws\ntags_enabled on", "anything", "log") == ["anything"]
    assert additions("Name aws\nenable_entity on", "aws_entity_account_id") == ["aws_entity_account_id"]
    assert additions("Name ecs\nAdd cluster $ClusterName\nAdd task $TaskID", "x", "task") == ["task"]
    assert additions("Name geoip2\nRecord country ip %{country.names.en}", "country", "ip") == ["country"]
    assert additions("Name sysinfo\nhostname_key host\nos_name_key os", "host", "os", "x") == ["host", "os"]


def test_what_differs_by_record_is_unsure():
    geoip2 = "Name geoip2\nRecord country ip %{x}"
    assert one(chain(geoip2), OWN).unsure == {b"country"}
    assert not one(chain("Name aws"), OWN).unsure
    assert one(chain(geoip2, "Name modify\nRename country land"), OWN).unsure == {b"land"}
    assert not one(chain(geoip2, "Name modify\nRemove country"), OWN).unsure


def test_a_checklist():
    text = "Name checklist\nlookup_key ip\nrecord bad true\nrecord log hidden"
    outcome = one(chain(text), OWN)
    assert outcome.fields == OWN
    assert outcome.unsure == {b"log", b"bad"}
    assert through(text, fields(log=b"x")) == fields(log=b"x")  # nothing to look up


def test_expect():
    assert through("Name expect\nkey_exists log\naction warn", OWN) == OWN
    outcome = one(chain("Name expect\nkey_exists log\naction result_key"), OWN)
    assert outcome.unsure == {b"matched"}


def test_a_type_converter_adds_a_field():
    outcome = one(chain("Name type_converter\nstr_key log number int\nint_key none other float"), OWN)
    assert outcome.unsure == {b"number"}
    assert outcome.fields == OWN
    assert b"other" not in outcome.additions


@pytest.mark.parametrize("name", ["throttle", "throttle_size", "sampling"])
def test_filters_that_drop_by_number(name):
    outcome = one(chain(f"Name {name}"), OWN)
    assert (outcome.fate, outcome.by, outcome.fields, outcome.unsure) == ("maybe dropped", name, OWN, frozenset())


def test_log_to_metrics():
    assert through("Name log_to_metrics\ntag m", OWN) == OWN
    assert one(chain("Name log_to_metrics\ndiscard_logs true"), OWN).fate == "dropped"


def test_alter_size():
    assert through("Name alter_size\nadd 5", OWN) == OWN
    assert one(chain("Name alter_size\nremove 5"), OWN).fate == "maybe dropped"
    assert one(chain("Name alter_size"), OWN).fate == "dropped"


def test_stdout():
    assert through("Name stdout", OWN) == OWN


@pytest.mark.parametrize("name", ["lua", "wasm", "nightfall", "tensorflow", "calyptia", "my_own"])
def test_filters_that_may_do_anything(name):
    made = chain(f"Name {name}")
    outcome = one(made, OWN)
    assert (outcome.fate, outcome.by) == ("maybe dropped", name)
    assert outcome.fields == OWN
    assert outcome.unsure == {b"log", b"ip"}
    assert adds_unknown(outcome)
    (note,) = made.notes
    assert (note.path, note.unreadable) == (f"{PATH}:10", False)
    assert note.what.startswith(f"filter {name}: ") and note.what.count(name) == 1


def test_names_of_filters_have_no_case():
    assert through("Name Modify\nAdd a b", ()) == fields(a=b"b")


@pytest.mark.parametrize(("value", "off"), [("false", True), ("False", True), ("0", True), ("on", False)])
def test_a_filter_that_is_switched_off(value, off):
    assert through(f"Name record_modifier\nactive {value}\nRecord a b", ()) == (() if off else fields(a=b"b"))


def test_match():
    made = chain("Name modify\nMatch app.*\nAdd a 1", "Name modify\nMatch_Regex ^app\\.[xy]$\nAdd b 1")
    assert one(made, (), "app.x").fields == fields(a=b"1", b=b"1")
    assert one(made, (), "app.z").fields == fields(a=b"1")
    assert one(made, (), "other").fields == ()


def test_a_match_regex_that_is_not_understood():
    made = chain("Name modify\nMatch_Regex (\nAdd a 1")
    assert one(made, OWN).fate == "maybe dropped"
    assert "Match_Regex" in made.notes[0].what


def test_no_filter_at_all():
    outcome = one(chain(), OWN, "any")
    assert (outcome.tag, outcome.fields, outcome.time_ns, outcome.fate) == ("any", OWN, 1_000, "kept")
    assert not adds_unknown(outcome)


@pytest.mark.parametrize(("kind", "plugin"), [("input", "tail"), ("output", "s3")])
def test_processors_may_do_anything(kind, plugin):
    with_processors = section(f"name {plugin}\nprocessors metrics labels, logs sql", kind)
    made = FilterChain(pipeline("Name modify\nAdd a b", sections=(with_processors,)))
    outcome = one(made, OWN)
    assert (outcome.fate, outcome.by) == ("maybe dropped", "processors")
    assert b"log" in outcome.unsure
    assert "processors" in made.notes[0].what
    for text in ("name cpu\nprocessors logs content_modifier", f"name {plugin}\nprocessors metrics labels"):
        assert one(FilterChain(pipeline(sections=(section(text, kind),))), OWN).fate == "kept"


@pytest.mark.parametrize(("kind", "plugin"), [("input", "tail"), ("output", "s3")])
def test_processors_that_drop_nothing(kind, plugin):
    """Any field may be another then, but the record is there."""
    keeping = section(f"name {plugin}\nprocessors metrics labels, logs content_modifier, logs Modify", kind)
    made = FilterChain(pipeline("Name modify\nAdd a b", sections=(keeping,)))
    outcome = one(made, OWN)
    assert (outcome.fate, adds_unknown(outcome)) == ("kept", True)
    assert b"log" in outcome.unsure
    assert "processors" in made.notes[0].what
    dropping = section(f"name {plugin}\nprocessors logs content_modifier, logs grep", kind)
    assert one(FilterChain(pipeline(sections=(keeping, dropping))), OWN).fate == "maybe dropped"
    assert one(FilterChain(pipeline(sections=(dropping, keeping))), OWN).fate == "maybe dropped"


def test_content_modifier_as_a_filter():
    made = chain("Name content_modifier\naction insert\nkey a\nvalue b")
    outcome = one(made, OWN)
    assert (outcome.fate, outcome.fields, outcome.unsure) == ("kept", OWN, {b"log", b"ip"})
    assert "content_modifier" in made.notes[0].what


# -- multiline as a filter: plugins/filter_multiline/ml.c


def test_multiline_may_join_a_record_with_others():
    made = chain("Name multiline\nmultiline.key_content log\nmultiline.parser go, java")
    outcome = one(made, OWN)
    assert (outcome.fate, outcome.by, outcome.fields) == ("maybe dropped", "multiline", OWN)
    assert outcome.unsure == {b"log"}
    assert one(made, fields(other=b"x")).fate == "kept"
    assert made.notes


def test_multiline_runs_the_filters_before_it_twice():
    text = "Name multiline\nmultiline.key_content log\nmultiline.parser go"
    before = "Name record_modifier\nRecord n 1"
    assert len([n for n, _ in one(chain(before, text), OWN).fields if n == b"n"]) == 2
    assert len([n for n, _ in one(chain(text, before), OWN).fields if n == b"n"]) == 1
    assert len([n for n, _ in one(chain(before, text + "\nbuffer off"), OWN).fields if n == b"n"]) == 1


def test_what_multiline_has_joined_at_the_source_is_kept():
    """It is the first filter: a record comes joined, and once more when ``rewrite_tag`` puts it in again."""
    text = "Name multiline\nmultiline.key_content log\nmultiline.parser go"
    rewrite = "Name rewrite_tag\nMatch app\nRule $log . other true\nEmitter_Name again"
    joined = record(OWN)._replace(joined=True)
    outcomes = chain(text, rewrite).apply(joined)
    assert [(o.tag, o.fate, o.unsure) for o in outcomes] == [("app", "kept", set()), ("other", "kept", set())]
    outcomes = chain(text, rewrite, text.replace("go", "java")).apply(joined)  # a second one is not followed
    assert {o.fate for o in outcomes} == {"maybe dropped"}


def test_multiline_parsers_that_parse():
    assert one(chain("Name multiline\nmultiline.parser cri"), OWN).unsure == {b"log", b"ip"}
    own = MultilineParser("mine", "regex", key_content="ip")
    made = FilterChain(pipeline("Name multiline\nmultiline.parser mine", multiline={"mine": own}))
    assert one(made, OWN).unsure == {b"ip"}


def test_multiline_partial_messages():
    made = chain("Name multiline\nmode partial_message\nmultiline.key_content log")
    assert one(made, OWN).fate == "kept"
    outcome = one(made, fields(log=b"x", partial_message=b"true"))
    assert (outcome.fate, outcome.unsure) == ("maybe dropped", {b"log"})


@pytest.mark.parametrize("options", ["", "mode other", "mode partial_message"])
def test_multiline_that_fluent_bit_refuses(options):
    assert len(chain(f"Name multiline\n{options}").notes) == 1


# -- sets of names


NAMES = st.text("ab", max_size=3).map(str.encode)
ALL = ["".join(chars).encode() for n in range(4) for chars in product("ab", repeat=n)]
CHANGES = st.lists(st.tuples(st.sampled_from(["plus", "plus_prefix", "minus", "minus_prefix"]), NAMES), max_size=8)


def changed(changes):
    names, members = Names(), set()
    for change, name in changes:
        names = getattr(names, change)(name)
        touched = {n for n in ALL if (n.startswith(name) if "prefix" in change else n == name)}
        members = members | touched if change.startswith("plus") else members - touched
    return names, members


@given(CHANGES)
def test_names_hold_at_least_what_was_put_in(changes):
    names, members = changed(changes)
    assert members <= {n for n in ALL if n in names}


@given(CHANGES, NAMES)
def test_names_that_were_taken_out_are_out(changes, name):
    names, _ = changed(changes)
    assert name not in names.minus(name)
    assert not any(n in names.minus_prefix(name) for n in ALL if n.startswith(name))


@given(CHANGES, CHANGES, NAMES)
def test_unions_and_questions_err_on_the_safe_side(some, others, name):
    (names, members), (more, more_members) = changed(some), changed(others)
    assert members | more_members <= {n for n in ALL if n in names.union(more)}
    if any(n.startswith(name) for n in members):
        assert names.may_start_with(name)
    wanted = {n for n in ALL if n.startswith(name)}
    assert members & wanted <= {n for n in ALL if n in names.only([], [name])}
    assert members & {name} <= {n for n in ALL if n in names.only([name], [])}


# -- any filters on any record


FILTERS = st.sampled_from(
    [
        "Name lua",
        "Name kubernetes\nMerge_Log On\nKube_Tag_Prefix x",
        "Name modify\nRename a b\nCondition Key_exists c",
        "Name modify\nSet a 1\nRemove_wildcard b",
        "Name record_modifier\nRemove_key a*\nUuid_key u",
        "Name nest\nOperation nest\nWildcard a*\nNest_under b",
        "Name nest\nOperation lift\nNested_under b",
        "Name grep\nExclude a x",
        "Name rewrite_tag\nMatch t*\nRule $a . t.$TAG true",
        "Name multiline\nmultiline.parser go\nmultiline.key_content a",
        "Name geoip2\nRecord a b c",
        "Name unheard_of",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.binary(max_size=4))
MAPS = st.lists(st.tuples(st.sampled_from([b"a", b"b"]), SCALARS), max_size=2).map(tuple)
RECORDS = st.lists(st.tuples(st.sampled_from([b"a", b"ab", b"b", b"c"]), st.one_of(SCALARS, MAPS)), max_size=4)


@given(st.lists(FILTERS, max_size=5), RECORDS)
def test_every_record_has_an_outcome(some, own):
    outcomes = chain(*some).apply(record(tuple(own), "t"))
    assert outcomes
    for outcome in outcomes:
        assert (outcome.by == "") == (outcome.fate == "kept")
        assert all(name in outcome.additions for name in outcome.unsure)
