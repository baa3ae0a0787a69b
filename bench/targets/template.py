"""A request as the SDK writes it, of a message or of a count of its tokens, without asking the SDK each time.

Its headers are those of a request that the SDK makes up once and that goes nowhere; its body has the same parameters in
the same order, in the same JSON.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anthropic
import httpx2
from anthropic.resources.messages import AsyncMessages

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""As the SDK 2.11 does (`anthropic._utils._json`).  Other encoders write some numbers differently."""

_NOT_IN_THE_BODY = {"user_profile_id", "workspace_id", "extra_headers", "extra_query", "extra_body", "timeout"}

_EXAMPLE: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "any"}]}


class Template:
    """What all requests to one endpoint have in common."""

    def __init__(self, request: httpx2.Request, parameters: tuple[str, ...]) -> None:
        """`request` is any of them, `parameters` are those that a body may have, in their order."""
        self.url = request.url
        """Where they go."""
        own = [name + b": " + value for name, value in request.headers.raw if name.lower() != b"content-length"]
        self._head = b"\r\n".join((b"POST " + request.url.raw_path + b" HTTP/1.1", *own, b"content-length: "))
        self._parameters, self._known = parameters, {*parameters}

    def write(self, params: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        """The request with these parameters, and these headers besides, to the last byte.

        Raises TypeError for a parameter that the SDK does not know either.
        """
        if unknown := params.keys() - self._known:
            raise TypeError(f"no parameters of a message: {', '.join(sorted(unknown))}")
        body = _encode({name: params[name] for name in self._parameters if name in params}).encode()
        more = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        return b"%b%d%b\r\n\r\n%b" % (self._head, len(body), more.encode(), body)


async def messages_template(sdk: anthropic.AsyncAnthropic) -> Template:
    """The template of what this SDK client sends with `messages.create`, where it streams raw responses."""

    async def ask(nowhere: AsyncMessages) -> None:
        async with nowhere.with_streaming_response.create(**_EXAMPLE, max_tokens=1):
            pass

    return Template(await _made_up(sdk, ask), _parameters(sdk.messages.create))


async def counting_template(sdk: anthropic.AsyncAnthropic) -> Template:
    """The template of what it sends with `messages.count_tokens`."""

    async def ask(nowhere: AsyncMessages) -> None:
        await nowhere.count_tokens(**_EXAMPLE)

    return Template(await _made_up(sdk, ask), _parameters(sdk.messages.count_tokens))


async def _made_up(sdk: anthropic.AsyncAnthropic, ask: Callable[[AsyncMessages], Awaitable[None]]) -> httpx2.Request:
    """What is sent when somebody asks; it goes nowhere."""
    made: list[httpx2.Request] = []

    def keep(request: httpx2.Request) -> httpx2.Response:
        made.append(request)
        return httpx2.Response(200, json={})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(keep)) as nowhere:
        await ask(sdk.with_options(http_client=nowhere).messages)
    return made[0]


def _parameters(call: Callable[..., object]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(call).parameters if name not in _NOT_IN_THE_BODY)
