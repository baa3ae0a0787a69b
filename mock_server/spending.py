"""What organisations and workspaces have spent, and what they are told when that is enough.

The three kinds of refusal are those of the rate-limit page of 2026-10-08.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mock_server.plan import Error
from mock_server.request import RequestError

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)

Month = tuple[int, int]
"""Year and month in UTC."""


class Purse:
    """What one organisation, or one workspace of it, may spend and has spent.  All amounts are US dollars.

    Requests are paid when they are let in, so the last one may pass the limit, as it does on the API.
    """

    def __init__(
        self, *, cap: float | None = None, limit: float | None = None, credit: float | None = None, of: str = ""
    ) -> None:
        """`cap` and `limit` are for each month, `credit` is for ever.  `of` is said in the words of the limit."""
        self._cap, self._limit, self._credit, self._of = cap, limit, credit, of
        self.spent: dict[Month, float] = {}

    @property
    def is_limited(self) -> bool:
        """Whether anybody need count at all."""
        return (self._cap, self._limit, self._credit) != (None, None, None)

    def pay(self, dollars: float, unix: float) -> None:
        """Spend so much at this Unix time; a negative amount is paid back."""
        month = _month(unix)
        self.spent[month] = self.spent.get(month, 0.0) + dollars

    def check(self, unix: float) -> RequestError | None:
        """The error for whoever asks at this Unix time; None while there is money left."""
        spent = self.spent.get(_month(unix), 0.0)
        if self._credit is not None and sum(self.spent.values()) >= self._credit:
            return RequestError(402, Error("billing_error", _NO_CREDIT), cause="credit")
        if self._limit is not None and spent >= self._limit:
            words = _LIMIT.format(of=self._of, date=_next_month(unix))
            return RequestError(400, Error("invalid_request_error", words), cause="spend_limit")
        if self._cap is not None and spent >= self._cap:
            return RequestError(429, spend_cap_error(unix), cause="spend_cap")
        return None


def spend_cap_error(unix: float) -> Error:
    """What an organisation is told that has reached its tier's cap."""
    return Error("rate_limit_error", _CAP.format(date=_next_month(unix)), "enforced_spend_limit_reached")


_NO_CREDIT = "Your credit balance is too low to access the API. Buy credits or change your plan to go on."
_LIMIT = "You have reached your specified {of}API usage limits. You will regain access on {date} at 00:00 UTC."
_CAP = "You have reached your API usage limits. You will regain access on {date} at 00:00 UTC."


def _date(unix: float) -> datetime:
    return _UNIX + timedelta(seconds=unix)


def _month(unix: float) -> Month:
    date = _date(unix)
    return date.year, date.month


def _next_month(unix: float) -> str:
    """Its first day, as an ISO date."""
    first = _date(unix).replace(day=1)
    return (first + timedelta(days=31)).replace(day=1).date().isoformat()
