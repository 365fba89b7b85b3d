"""Filters that add fields whose names the configuration states (mostly) and whose values come from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flbrecover.fluentbit.filters.event import Event, Step, either
from flbrecover.fluentbit.filters.options import Options, name_of, tokens, words
from flbrecover.fluentbit.record_accessor import Missing, parse_path
from flbrecover.fluentbit.values import Value

_AWS = (  # property, its default, the name of the field
    ("az", True, b"az"),
    ("ec2_instance_id", True, b"ec2_instance_id"),
    ("ec2_instance_type", False, b"ec2_instance_type"),
    ("private_ip", False, b"private_ip"),
    ("vpc_id", False, b"vpc_id"),
    ("ami_id", False, b"ami_id"),
    ("account_id", False, b"account_id"),
    ("hostname", False, b"hostname"),
    ("enable_entity", False, b"aws_entity_ec2_instance_id"),
    ("enable_entity", False, b"aws_entity_account_id"),
)
_SYSINFO = ("fluentbit_version_key", "os_name_key", "hostname_key", "os_version_key", "kernel_version_key")
_FROM_TYPES = ("str_key", "int_key", "uint_key", "float_key")


def aws(options: Options) -> Step:
    """EC2 metadata, the same for every record of a node. EC2 tags become fields of any name
    (plugins/filter_aws/aws.c)."""
    names = [name for key, default, name in _AWS if options.flag(key, default)]
    tags = options.flag("tags_enabled", False)
    included = [t.strip() for t in (options.text("tags_include") or "").split(",") if t.strip()]
    if tags and included:
        names += [name_of(t) for t in included]
    return _any_of(names) if tags and not included else _opening(names)


def ecs(options: Options) -> Step:
    """``Add name template`` from the ECS agent, constant for a container (plugins/filter_ecs/ecs.c)."""
    return _opening([name_of(words(value, 2)[0]) for value in options.all("add") if value.strip()])


def geoip2(options: Options) -> Step:
    """``Record name lookup value``, looked up for each record (plugins/filter_geoip2/geoip2.c)."""
    return _opening([name_of(words(value, 2)[0]) for value in options.all("record") if value.strip()], varying=True)


def sysinfo(options: Options) -> Step:
    """The same for every record of a node (plugins/filter_sysinfo/sysinfo.c)."""
    return _opening([name_of(value) for key in _SYSINFO if (value := options.text(key))])


def checklist(options: Options) -> Step:
    """Where a list on the node has the field's value, ``Record name value`` is set (plugins/filter_checklist)."""
    path = parse_path(options.text("lookup_key") or "log")
    records = [(name_of(parts[0]), _typed(parts[-1])) for v in options.all("record") if len(parts := tokens(v, 2)) > 1]
    names = {name for name, _ in records}

    def step(event: Event) -> tuple[Event, ...]:
        if isinstance(event.find(path), Missing):
            return (event,)
        found = event.with_fields((*(f for f in event.fields if f[0] not in names), *records))
        unsure = either(event, found)
        return (unsure._replace(varying=unsure.varying | names),)

    return step


def _typed(text: str) -> Value:
    constants: dict[str, Value] = {"true": True, "false": False, "null": None}
    return constants[text.lower()] if text.lower() in constants else name_of(text)


def expect(options: Options) -> Step:
    """Checks records. With ``action result_key`` it writes the result into a field (plugins/filter_expect/expect.c)."""
    if (options.text("action") or "warn").lower() != "result_key":
        return lambda event: (event,)
    return _opening([name_of(options.text("result_key") or "matched")], varying=True)


def type_converter(options: Options) -> Step:
    """``str_key from to type`` and its like append ``to`` where ``from`` is there; what there is stays
    (plugins/filter_type_converter). The converted value is not worked out."""
    rules = []
    for value in options.all(*_FROM_TYPES):
        parts = tokens(value, 3)
        if len(parts) != 3:
            raise ValueError(f"a rule needs two names and a type: {value}")
        rules.append((parse_path(parts[0]), name_of(parts[1])))

    def step(event: Event) -> tuple[Event, ...]:
        names = [to for path, to in rules if not isinstance(event.find_pair(path), Missing)]
        return (_opened(event, names, varying=True),)

    return step


def _opening(names: Iterable[bytes], *, varying: bool = False) -> Step:
    known = tuple(names)
    return lambda event: (_opened(event, known, varying=varying),)


def _opened(event: Event, names: Iterable[bytes], *, varying: bool) -> Event:
    event = event.opened(*names)
    return event._replace(varying=event.varying.union(names)) if varying else event


def _any_of(names: Iterable[bytes]) -> Step:
    """These, and others of any name; one is taken not to have the name of a field that the record has for certain."""

    def step(event: Event) -> tuple[Event, ...]:
        sure = [name for name, _ in event.fields if name not in event.open]
        return (event._replace(open=event.open.plus_prefix(b"").minus(*sure).plus(*names)),)

    return step


BUILDERS: dict[str, Callable[[Options], Step]] = {
    "aws": aws,
    "checklist": checklist,
    "ecs": ecs,
    "expect": expect,
    "geoip2": geoip2,
    "sysinfo": sysinfo,
    "type_converter": type_converter,
}
