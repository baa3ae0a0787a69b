"""Keys never reach a file: not from a command line, not from a URL, not from an error message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

REDACTED = "REDACTED"

SECRET_NAMES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_ADMIN_KEY")
"""Variables of the environment that hold keys."""

_SHORTEST = 8
"""Characters.  What is shorter, such as the `any` that a gateway without keys is given, hides nothing but words."""

_KEY = re.compile(r"sk-ant-[\w-]+")
_NAMED = re.compile(
    r"""((?:api[-_]?key|authorization|password|secret|auth[-_]token)["']?\s*[=:]\s*["']?(?:Bearer\s+)?|\bBearer\s+)[^\s"',}]+""",
    re.IGNORECASE,
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)


def redact(value: object, secrets: Iterable[str] = ()) -> object:
    """JSON values with everything that is or looks like a key replaced, and URLs cut to what can hold none.

    `secrets` are exact strings to remove, such as the value of ANTHROPIC_API_KEY.
    """
    return _walk(value, worth_hiding(secrets))


def worth_hiding(secrets: Iterable[str | None]) -> list[str]:
    """Those that are long enough to be one."""
    return [secret for secret in secrets if secret and len(secret) >= _SHORTEST]


def secrets() -> list[str]:
    """The keys that this process was given, as exact strings to remove."""
    return [value for name in SECRET_NAMES if (value := os.environ.get(name))]


def in_words(text: str) -> str:
    """A text for people without what is or looks like a key."""
    return str(redact(text, secrets()))


def bare_url(url: str) -> str:
    """A URL without user, password, query and fragment, any of which may carry a key."""
    try:
        parts = urlsplit(url)
    except ValueError:  # none, such as http://[
        return REDACTED
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _walk(value: object, secrets: list[str]) -> object:
    if isinstance(value, str):
        return _clean(value, secrets)
    if isinstance(value, dict):
        return {_walk(key, secrets): _walk(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, secrets) for item in value]
    return value


def _clean(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    text = _URL.sub(lambda match: bare_url(match[0]), text)
    return _NAMED.sub(rf"\g<1>{REDACTED}", _KEY.sub(REDACTED, text))
