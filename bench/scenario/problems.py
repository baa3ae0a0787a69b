"""What pydantic finds wrong, in words for whoever wrote the file: what was expected, what is there, a nearest name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from bench.errors import Problem
from bench.scenario.document import Document, Loc, dotted
from bench.scenario.notation import TAG
from bench.scenario.schema import json_schema, keys_at
from bench.scenario.units import show

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "nothing after the colon (options stand beside this key)",
    "string_too_short": "some text",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a name of letters, digits, `.`, `_` and `-`",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "notation": "{expected}",
}
"""What was expected, by pydantic's type of error."""


def explain(error: ErrorDetails, document: Document) -> list[Problem]:
    """The problems that one error of pydantic stands for."""
    if error["type"] == "rows":
        found: list[Problem] = error["ctx"]["problems"]
        return found
    loc = tuple(part for part in error["loc"] if not re.fullmatch(TAG, str(part)))
    written, place = document.place(loc)
    path = loc if error["type"] == "missing" else written
    return [Problem(*place, dotted(path), _words(error, path))]


def _words(error: ErrorDetails, path: Loc) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "missing"
        case "extra_forbidden":
            return f"unknown key.{nearest(str(error['loc'][-1]), keys_at(json_schema(), path[:-1]))}"
        case kind if kind in _EXPECTED:
            message = f"expected {_EXPECTED[kind].format(**context)}, got {show(error['input'])}"
            return message + (f".{hint}" if (hint := _hint(error["input"], context)) else "")
    return error["msg"]


def _hint(value: object, context: Mapping[str, Any]) -> str:
    known = context["known"].split("|") if "known" in context else re.findall(r"'(.*?)'", context.get("expected", ""))
    for word in value if isinstance(value, dict) else [value]:
        if isinstance(word, str) and (hint := nearest(word, known)):
            return hint
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known word that is most like `word`, or nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {matches[0]}?" if matches and matches[0] != word else ""
