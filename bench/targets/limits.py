"""The limits of an organisation as the API tells them: in its Rate Limits API, or in the headers of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import httpx2
import msgspec

from bench.errors import TargetError
from bench.results.record import RateLimits
from bench.targets import classify
from bench.targets.bounded import bounded
from bench.targets.foreign import shorten
from bench.targets.sdk import http_client
from mock_server.tiers import RateLimit

_WITHIN = httpx2.Timeout(60.0, connect=10.0)
"""Wall-clock seconds."""

_MOST = 10_000
"""Entries; an organisation has some for each class of models."""


async def rate_limits(url: str, admin_key: str) -> list[dict[str, Any]]:
    """Every entry of `GET /v1/organizations/rate_limits`, page after page, as it came.

    TargetError when nobody answers, the key is refused, or there is no such endpoint.
    """
    async with _client(url, admin_key) as client:
        entries: list[dict[str, Any]] = []
        async for entry in client.organization.rate_limits.list():
            entries.append(entry.to_dict())
            msgspec.convert(entries[-1], RateLimit)
            if len(entries) > _MOST:
                raise ValueError("the list has no end")
        return entries


async def limits_told(url: str, key: str, model: str) -> tuple[RateLimits | None, int | None]:
    """What the headers of one tiny answer name, and the limit on all tokens; None for what they do not.

    A refusal for too many requests tells as much as an answer.  TargetError as above.
    """
    async with _client(url, key) as client:
        try:
            answer = await client.messages.with_raw_response.create(
                model=model, max_tokens=1, messages=[{"role": "user", "content": "Hi"}]
            )
            headers = answer.headers
        except anthropic.RateLimitError as refused:
            headers = refused.response.headers
            if classify.rate_limits(headers) is None:
                raise
    return classify.rate_limits(headers), classify.whole(headers.get("anthropic-ratelimit-tokens-limit"))


@asynccontextmanager
async def _client(url: str, key: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The SDK; whatever goes wrong is a TargetError without the key in it."""
    sdk = anthropic.AsyncAnthropic(
        api_key=key,
        base_url=url,
        http_client=bounded(http_client("httpx")),
        timeout=_WITHIN,
        max_retries=0,
        open_telemetry=False,
    )
    try:
        async with sdk:
            yield sdk
    except (anthropic.AuthenticationError, anthropic.PermissionDeniedError) as error:
        raise TargetError(
            f"{url} refuses the key: {_words(error, key)}", "Check which key is set, and its rights."
        ) from None
    except anthropic.APIStatusError as error:
        raise TargetError(f"{url} answers {error.status_code}: {_words(error, key)}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:  # the SDK's, of JSON of another shape
        raise TargetError(f"{url} gives no answer of the API: {shorten(str(error).replace(key, '***'))}") from None
    except (anthropic.APIError, httpx2.HTTPError, aiohttp.ClientError) as error:
        reason = str(error.__cause__ or error).replace(key, "***")
        raise TargetError(f"cannot reach {url}: {reason}", "check the address, the network and the proxy") from None


def _words(error: anthropic.APIStatusError, key: str) -> str:
    said = classify.read_error(error.response.content).message or error.response.reason_phrase
    return shorten(said.replace(key, "***"))
