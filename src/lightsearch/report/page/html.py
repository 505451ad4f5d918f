"""An HTML file with everything in it: its text from a template, its scripts, its data, and Plotly."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from lightsearch.display.wording import describe_param, duration


def render(template: str, scripts: Sequence[str], data: dict[str, Any], **fields: Any) -> str:
    """The file's content.

    Args:
        template: Its name; it extends ``base.html.jinja``.
        scripts: The names of its scripts, in an order in which a later one uses what an earlier one defines.
        data: What ``study.js`` reads.
        fields: What the template shows.
    """
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"code": _code, "param": describe_param, "duration": duration}
    script = _as_one(scripts)
    return environment.get_template(template).render(
        css=Markup(_asset("page.css")),
        script=Markup(script),
        plotly=_plotly(),
        policy=_content_security_policy(script),
        data=_json(data),
        **fields,
    )


def _as_one(scripts: Sequence[str]) -> str:
    """The scripts as one, which leaves nothing global."""
    parts = "\n".join(_asset(name) for name in scripts)
    return f'"use strict";\n(() => {{\n{parts}\nperformance.mark("interactive");  // the plots follow\n}})();\n'


def _content_security_policy(script: str) -> str:
    """A policy by which no script runs but this one, and nothing is loaded from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Plotly is unpacked by the script, and compiles code of its own for WebGL: hence unsafe-eval.
    evaluated = f"script-src 'unsafe-eval' 'sha256-{digest}'"
    return f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; {evaluated}"


def _json(content: Any) -> Markup:
    """JSON for a script element: without any ``<`` that would end it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text))


def _code(words: str) -> Markup:
    """A hint with the words between backticks as code."""
    parts = words.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


@functools.cache
def _plotly() -> str:
    """Plotly's own script, compressed: base64 of gzip."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def _asset(name: str) -> str:
    return (resources.files("lightsearch.report.page") / name).read_text(encoding="utf-8")
