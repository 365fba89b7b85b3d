"""One self-contained HTML page: nothing is loaded from anywhere, and no script can run but the page's own.

Everything that a template puts out is escaped twice over: Jinja2 escapes for HTML, and :func:`shown` makes control
characters, bidirectional overrides and stray bytes visible. The page's policy names the hashes of its one style sheet
and its one script; anything else that would get in is not run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from flbrecover.report import text
from flbrecover.report.escape import shown

LONGEST = 1200  # characters of a name that came from outside; a key of S3 has at most 1,024 bytes


def page(template: str, context: Mapping[str, Any]) -> Iterator[str]:
    """The page in pieces, as it is made. It is text without surrogates: any file can hold it as UTF-8."""
    css, script = _part("page.css"), _part("page.js")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(css)}'; script-src '{_hash(script)}'; require-trusted-types-for 'script'"
    )
    parts = {"css": Markup(css), "script": Markup(script), "policy": policy}
    stream = _environment().get_template(template).stream({**context, **parts})
    stream.enable_buffering(64)
    yield from stream


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("flbrecover.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        size=text.size, time=text.time, name=name, number=lambda n: f"{n:,}", count=text.count, short=text.shorten,
        bin_width=bin_width, left_alone=text.left_alone,
    )  # fmt: skip
    return environment


def _visible(value: Any) -> Any:
    """The page's own markup stays as it is; all other text is made visible, then escaped by Jinja2."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def name(said: str) -> str:
    """A name that came from outside, whole unless it is absurdly long."""
    if len(said) <= LONGEST:
        return said
    return f"{text.shorten(said, LONGEST)} ({len(said):,} characters)"


def _part(file: str) -> str:
    return resources.files("flbrecover.report").joinpath("templates").joinpath(file).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii")


def bin_width(width_ns: int) -> str:
    """``100 ms``, ``5 s``, ``2h``: one of the widths that bins have."""
    return f"{width_ns // 1_000_000} ms" if width_ns < 1_000_000_000 else text.duration(width_ns)
