"""How long to wait after a failed attempt, or whether to give up.  Pure: the random part is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.results.causes import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.results.record import Attempt
    from bench.scenario.model import Retry
    from mock_server.rng import Draws

_SDK_FIRST, _SDK_CAP, _SDK_JITTER = 0.5, 8.0, 0.25
"""The SDK's waits: 0.5 s doubled up to 8 s, less up to a quarter (anthropic 2.10.0, `_base_client.py`)."""


def retry_delay(policy: Retry, made: int, failed: Attempt, draws: Callable[[], Draws]) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    `made` attempts have been made, the last of which is `failed`.  `draws` makes those of this wait, if it needs any.
    """
    if made >= policy.attempts or policy.policy == "none":
        return None
    if policy.policy == "sdk":
        return _sdk_delay(made, failed, draws) if _sdk_retries(failed) else None
    if failed.cause is None or not CAUSES[failed.cause].retryable:
        return None
    if policy.policy == "retry_after" and failed.retry_after:
        return failed.retry_after * (1 + _share(policy.jitter, draws))
    longest = min(policy.cap, policy.base * policy.factor ** min(made - 1, 64))
    return longest * (1 - _share(policy.jitter, draws))


def _share(jitter: float, draws: Callable[[], Draws]) -> float:
    return jitter * draws().uniform() if jitter else 0.0


def _sdk_retries(failed: Attempt) -> bool:
    """The SDK's own rule: the server's word first, then the status; nothing once a stream has begun."""
    if failed.should_retry is not None:
        return failed.should_retry
    if failed.status is None:
        return failed.cause in ("connection", "timeout")
    return failed.status in (408, 409, 429) or failed.status >= 500


def _sdk_delay(made: int, failed: Attempt, draws: Callable[[], Draws]) -> float:
    if failed.retry_after:
        return failed.retry_after
    return min(_SDK_FIRST * 2.0 ** (made - 1), _SDK_CAP) * (1 - _share(_SDK_JITTER, draws))
