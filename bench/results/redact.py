"""Keys never reach a file: not from a command line, not from a URL, not from an error message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

REDACTED = "REDACTED"

_KEY = re.compile(r"sk-ant-[\w-]+")
_NAMED = re.compile(
    r"""((?:api[-_]?key|authorization|password|secret|auth[-_]token)["']?\s*[=:]\s*["']?(?:Bearer\s+)?|\bBearer\s+)[^\s"',}]+""",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)


def redact(value: object, secrets: Iterable[str] = ()) -> object:
    """JSON values with everything that is or looks like a key replaced, and URLs cut to what can hold none.

    `secrets` are exact strings to remove, such as the value of ANTHROPIC_API_KEY.
    """
    known = [secret for secret in secrets if secret]
    return _walk(value, known)


def bare_url(url: str) -> str:
    """A URL without user, password, query and fragment, any of which may carry a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _walk(value: object, secrets: list[str]) -> object:
    if isinstance(value, str):
        return _clean(value, secrets)
    if isinstance(value, dict):
        return {key: _walk(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, secrets) for item in value]
    return value


def _clean(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    text = _URL.sub(lambda match: bare_url(match[0]), text)
    return _NAMED.sub(rf"\g<1>{REDACTED}", _KEY.sub(REDACTED, text))
