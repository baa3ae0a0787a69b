"""Errors a request deserves before any limit is looked at, in the API's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from mock_server.plan import Error

Where = tuple[str | int, ...]
"""The path to a part of the body."""


class RequestError(Exception):
    """The request gets an error before any limit is looked at."""

    def __init__(self, status: int, error: Error, retry_after: int | None = None, cause: str | None = None) -> None:
        """`cause` is which limit it was, for whoever counts."""
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.retry_after = retry_after
        self.cause = cause


def invalid(message: str, status: int = 400) -> RequestError:
    """A 400 `invalid_request_error`."""
    return RequestError(status, Error("invalid_request_error", message))


def wrong(where: Where, message: str) -> RequestError:
    """A 400 that names the part of the body."""
    return invalid(f"{'.'.join(map(str, where))}: {message}")


def one_of(value: object, where: Where, *allowed: str) -> str:
    """`value`, if it is one of those allowed.  Raises RequestError."""
    if isinstance(value, str) and value in allowed:
        return value
    names = [f"'{name}'" for name in allowed]
    raise wrong(where, f"Input should be {', '.join(names[:-1])}{' or ' * (len(names) > 1)}{names[-1]}")


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether it is a list, as JSON has it."""
    return isinstance(value, (list, Sequence)) and not isinstance(value, str | bytes)


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object, as JSON has it."""
    return isinstance(value, (dict, Mapping))


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
