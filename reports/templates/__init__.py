"""The templates of what is shown as HTML."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

import jinja2

FOLDER = Path(__file__).parent


def template(name: str) -> jinja2.Template:
    """A template of this folder.  All that is put into it is escaped."""
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    """One for all: what it has compiled it keeps."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    return environment


def unbroken(words: str) -> str:
    """The same words, with no line break between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|ms|s|min|h|[kM] tok|tok)(?!\w))", "\u00a0", words)


def page_script() -> dict[str, str]:
    """A page's script and what its Content-Security-Policy calls it."""
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    return {"script": script, "script_hash": f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"}
