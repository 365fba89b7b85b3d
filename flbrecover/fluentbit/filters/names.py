"""Sets of field names that need not be finite: single names, and everything that starts with a prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Names:
    """``exact`` names, and all names that start with one of ``prefixes`` (the empty one: any name) unless they are in
    ``without`` or start with one of ``without_prefixes``."""

    exact: frozenset[bytes] = frozenset()
    prefixes: frozenset[bytes] = frozenset()
    without: frozenset[bytes] = frozenset()
    without_prefixes: frozenset[bytes] = frozenset()

    def __contains__(self, name: bytes) -> bool:
        if name in self.exact:
            return True
        if not any(name.startswith(p) for p in self.prefixes) or name in self.without:
            return False
        return not any(name.startswith(p) for p in self.without_prefixes)

    def __bool__(self) -> bool:
        return bool(self.exact or self.prefixes)

    def plus(self, *names: bytes) -> Names:
        if self.exact.issuperset(names):
            return self
        return replace(self, exact=self.exact.union(names))

    def plus_prefix(self, prefix: bytes) -> Names:
        return replace(
            self,
            prefixes=self.prefixes | {prefix},
            without=frozenset(n for n in self.without if not n.startswith(prefix)),
            without_prefixes=frozenset(
                p for p in self.without_prefixes if not (p.startswith(prefix) or prefix.startswith(p))
            ),
        )

    def minus(self, *names: bytes) -> Names:
        """These names are in it no more."""
        if not self.prefixes and self.exact.isdisjoint(names):
            return self
        without = self.without.union(names) if self.prefixes else self.without
        return replace(self, exact=self.exact.difference(names), without=without)

    def minus_prefix(self, prefix: bytes) -> Names:
        """No name that starts with ``prefix`` is in it any more."""
        prefixes = frozenset(p for p in self.prefixes if not p.startswith(prefix))
        if not prefixes:
            return Names(frozenset(n for n in self.exact if not n.startswith(prefix)))
        return replace(
            self,
            exact=frozenset(n for n in self.exact if not n.startswith(prefix)),
            prefixes=prefixes,
            without_prefixes=self.without_prefixes | {prefix},
        )

    def minus_where(self, unwanted: Callable[[bytes], bool]) -> Names:
        """Without the single names that are ``unwanted``; what prefixes stand for stays (it may be too much)."""
        return replace(self, exact=frozenset(n for n in self.exact if not unwanted(n)))

    def union(self, other: Names) -> Names:
        """At least the names of both."""
        if not self.prefixes or not other.prefixes:
            wide = self if self.prefixes else other
            return replace(wide, exact=self.exact | other.exact)
        return Names(
            self.exact | other.exact,
            self.prefixes | other.prefixes,
            self.without & other.without,
            self.without_prefixes & other.without_prefixes,
        )

    def may_start_with(self, prefix: bytes) -> bool:
        """Could a name in it start with ``prefix``? True where it is not certain that none does."""
        if any(n.startswith(prefix) for n in self.exact):
            return True
        return any(p.startswith(prefix) or prefix.startswith(p) for p in self.prefixes) and not any(
            prefix.startswith(p) for p in self.without_prefixes
        )

    def only(self, exact: Iterable[bytes], prefixes: Iterable[bytes]) -> Names:
        """Its names that are also in ``exact`` or start with one of ``prefixes``."""
        wanted = tuple(prefixes)
        kept = Names(
            frozenset(n for n in self.exact if n.startswith(wanted)) | {n for n in exact if n in self},
            without=self.without,
            without_prefixes=self.without_prefixes,
        )
        narrowed = {max(p, w, key=len) for p in self.prefixes for w in wanted if p.startswith(w) or w.startswith(p)}
        kept = replace(kept, prefixes=frozenset(narrowed))
        return kept if narrowed else Names(kept.exact)


NO_NAMES = Names()
ANY_NAME = Names(prefixes=frozenset({b""}))
