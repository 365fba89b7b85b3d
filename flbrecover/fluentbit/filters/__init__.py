"""What the configured filters do to a record, as far as the configuration tells: see docs/filters.md.

One module a family. A module turns a section into a :data:`~event.Step`, a function from an :class:`~event.Event` to
events; :mod:`chain` runs the steps whose ``Match`` takes the tag.
"""

from flbrecover.fluentbit.filters.chain import FilterChain, Outcome
from flbrecover.fluentbit.filters.names import Names

__all__ = ["FilterChain", "Names", "Outcome"]
