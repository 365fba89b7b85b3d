"""One section's keys, checked and read as Fluent Bit's config maps do (src/flb_config_map.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from flbrecover.errors import ConfigError
from flbrecover.fluentbit import onigmo, units
from flbrecover.fluentbit.pipeline import Property, Route, Section

T = TypeVar("T")

_HINT = " (from a variable that is not set? give it with --env NAME=VALUE)"
_LOG_LEVELS = ("off", "error", "warn", "warning", "info", "debug", "trace")


class Settings:
    """``keys`` are the plugin's own, each allowed once; ``shared`` those of every plugin, the last of which counts;
    ``prefixes`` begin a family of keys; ``repeated`` of ``keys`` may stand there several times. Raises ConfigError
    with file and line for any other key, as Fluent Bit refuses to start with it."""

    def __init__(
        self,
        section: Section,
        what: str,
        *,
        keys: Iterable[str],
        shared: Iterable[str],
        prefixes: tuple[str, ...] = (),
        repeated: Iterable[str] = (),
    ) -> None:
        self.section = section
        self.what = what
        self._found: dict[str, Property] = {}
        own, common, often = frozenset(keys), frozenset(shared), frozenset(repeated)
        for p in section.properties:
            key = p.key.lower()
            known = key in own or key in common or (key.startswith(prefixes) and key not in prefixes)
            if not known:
                self.refuse(p, f"{what} has no key {p.key!r}")
            if key in self._found and key not in common and key not in often:
                first = self._found[key].origin
                self.refuse(p, f"{p.key} of {what} is set twice, first at {first.path}:{first.line}")
            self._found[key] = p

    def refuse(self, p: Property | None, message: str) -> NoReturn:
        origin = p.origin if p is not None else self.section.origin
        if p is not None and p.unset:
            message += f" (the variable ${{{p.unset[0]}}} is not set; give it with --env {p.unset[0]}=VALUE)"
        raise ConfigError(message, path=origin.path, line=origin.line or None)

    def property(self, key: str) -> Property | None:
        return self._found.get(key)

    def text(self, key: str) -> str | None:
        """The value; None where there is none or an empty one (a variable that is not set)."""
        p = self._found.get(key)
        return p.value if p is not None and p.value else None

    def needed(self, key: str, default: str | None = None) -> str:
        """The value or, where the key does not stand there, the default. An empty value is refused: Fluent Bit would
        go on with nothing in place of its default, or not start. One of a variable that nobody set is as good as not
        there: a call that needs the key says so, and others do without."""
        p = self._found.get(key)
        if p is not None and p.unset and not p.value:
            return default or ""
        if p is None and default is not None:
            return default
        if p is None or not p.value:
            self.refuse(p, f"{self.what} needs a value for {key}{_hint(p)}")
        return p.value

    def size(self, key: str, default: int) -> int:
        return self._read(key, units.size, default)

    def seconds(self, key: str, default: int) -> int:
        return self._read(key, units.seconds, default)

    def flag(self, key: str, default: bool) -> bool:
        return self._read(key, units.boolean, default)

    def choice(self, key: str, choices: dict[str, T], default: T) -> T:
        """One of some words, in any case."""
        return self._read(key, lambda t: _chosen(t, choices), default)

    def words(self, key: str) -> tuple[str, ...]:
        """:meth:`Section.words`."""
        return self.section.words(key)

    def route(self) -> Route:
        expression = self.text("match_regex")
        if expression is not None:
            self._read("match_regex", onigmo.compile, None)
        return Route(self.text("match"), expression)

    def check_common(self) -> None:
        """The values of shared keys that Fluent Bit refuses and nothing else here reads."""
        self.choice("log_level", dict.fromkeys(_LOG_LEVELS, None), None)
        self.seconds("log_suppress_interval", 0)

    def _read(self, key: str, read: Callable[[str], T], default: T) -> T:
        p = self._found.get(key)
        if p is None:
            return default
        if not p.value:
            self.refuse(p, f"{p.key} of {self.what} has no value{_hint(p)}")
        try:
            return read(p.value)
        except ValueError as e:
            self.refuse(p, f"{p.key} of {self.what}: {e}")


def _hint(p: Property | None) -> str:
    """Of a value that is empty: what may be the matter, where it is not known to be a variable that is not set."""
    return "" if p is None or p.unset else _HINT


def _chosen(text: str, choices: dict[str, T]) -> T:
    word = text.lower()
    if word not in choices:
        raise ValueError(f"{text[:60]!r} is none of {', '.join(choices)}")
    return choices[word]
