"""What goes wrong on purpose: to which requests, when, and how.  Pure: a request's key and the time decide.

Every fault has draws of its own for every request, so turning one on changes nothing about the others, and a request
that is hit at a rate of 1 % is also hit at 5 %.  Shapes: the API's error page (2026-10-10), its rate-limit page
(2026-10-08), and the wordings of 429 that users have published (2024 to 2026).
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from functools import lru_cache
from itertools import count
from typing import Literal, NamedTuple, get_args

import msgspec
from msgspec.structs import replace

from mock_server.plan import Error, Flaw, Plan
from mock_server.rng import Draws

Endpoint = Literal["messages", "count_tokens", "batches", "models", "rate_limits"]
"""What a client may ask for: see `endpoints.ROUTES`."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often, when and how strongly one fault strikes.  Times are engine seconds.  Raises ValueError."""

    rate: float = 1.0
    """Share of the requests it could strike, while it is on."""
    start: float = 0.0
    """When it begins."""
    end: float | None = None
    """When it ends; None is never."""
    on: float | None = None
    """Mean length of an episode.  With `off` the fault comes in episodes instead of all the time, both exponential."""
    off: float | None = None
    """Mean time between episodes."""
    delay: float | None = None
    """How long it holds things up; None is the default of the kind."""
    retry_after: int | None = None
    """Whole seconds that a 429, 500, 504 or 529 asks to wait; None is the default of the kind."""
    endpoints: tuple[Endpoint, ...] = ("messages",)
    """Where it strikes.  Elsewhere than at messages nothing is streamed, so that some faults cannot."""

    def __post_init__(self) -> None:
        _check("rate", 0 <= self.rate <= 1, "must be a share from 0 to 1")
        _check("start", 0 <= self.start < math.inf, "must not be negative")
        _check("end", self.end is None or self.start < self.end < math.inf, "must be after start")
        _check("on, off", (self.on is None) == (self.off is None), "belong together: mean times of an episode")
        for name in ("on", "off"):
            value = getattr(self, name)
            _check(name, value is None or 0.001 <= value <= 1e9, "must be at least a millisecond")
        _check("delay", self.delay is None or 0 <= self.delay <= 1e9, "must not be negative")
        _check("retry_after", self.retry_after is None or 0 <= self.retry_after <= 1e9, "must not be negative")
        _check("endpoints", bool(self.endpoints), f"must name some of {', '.join(get_args(Endpoint))}")


def _check(name: str, fine: bool, demand: str) -> None:
    if not fine:
        raise ValueError(f"{name}: {demand}")


class Refusal(NamedTuple):
    """An error that a fault gives in place of an answer."""

    status: int
    meaning: str
    retry_after: int | None = None
    """Seconds, where the fault does not say it."""
    error: Error | None = None
    """What it says; None where it says what the real one would say."""


REFUSALS = {
    "requests": Refusal(429, "429: as if the requests per minute were used up", 5),
    "input_tokens": Refusal(429, "429: as if the input tokens per minute were used up", 5),
    "output_tokens": Refusal(429, "429: as if the output tokens per minute were used up", 5),
    "acceleration": Refusal(429, "429: as if use had risen too fast", 10),
    "concurrency": Refusal(429, "429: as if too many connections were open", 1),
    "spend_cap": Refusal(429, "429 without retry-after: as if the monthly spend cap were reached"),
    "server_error": Refusal(500, "500 api_error", error=Error("api_error", "Internal server error")),
    "gateway_timeout": Refusal(504, "504 timeout_error", error=Error("timeout_error", "Request timed out")),
    "overloaded": Refusal(529, "529 overloaded_error", error=Error("overloaded_error", "Overloaded")),
}
"""Faults that refuse a request.  They take nothing from any limit."""

FAILURES = frozenset(name for name, refusal in REFUSALS.items() if refusal.error)
"""Those in which the service itself fails: the only ones that befall a request of a message batch."""

FLAWS = {
    "freeze": "the server stands still from `start` to `end`, or for `delay` (10 s): all that comes is that late",
    "reset": "the connection is reset before any byte of an answer, after `delay` (0 s)",
    "slow_headers": "everything comes `delay` (10 s) late",
    "stall": "a stream stops somewhere in its middle for `delay` (an hour), then goes on",
    "stream_error": "a stream ends with an error event (overloaded_error) somewhere in its middle",
    "cut": "the connection is closed somewhere in the middle of the answer",
    "malformed_json": "the body of an answer that is not streamed is half of a JSON object",
    "malformed_sse": "one event somewhere in the middle of a stream has half of a JSON object as its data",
}
"""Faults that spoil an answer.  The request came in and used up its share of the limits.  A freeze holds up refusals
too, and what is under way when it begins."""

DISGUISES = {
    "retry_after_zero": "a refusal's retry-after is 0, which the SDK takes for none",
    "retry_after_missing": "a refusal has no retry-after",
    "retry_after_date": "a refusal's retry-after is an HTTP date",
    "should_retry_true": "a refusal says x-should-retry: true",
    "should_retry_false": "a refusal says x-should-retry: false",
}
"""Faults that change what a refusal of any origin says about trying again."""

KINDS = {name: refusal.meaning for name, refusal in REFUSALS.items()} | FLAWS | DISGUISES
"""All faults, in the order in which they get their chance: the first that strikes refuses or spoils a request."""

_DELAYS = {"freeze": 10.0, "slow_headers": 10.0, "stall": 3_600.0}
_WHOLE_ONLY = ("malformed_json",)
_STREAMS_ONLY = ("stall", "stream_error", "malformed_sse")

_BLOCK = 256
"""Mean episodes that are drawn together: an episode is cut short or begun anew where two blocks meet."""


class Struck(NamedTuple):
    """A refusal that strikes a request."""

    name: str
    refusal: Refusal
    retry_after: int | None
    when: float
    """Engine seconds."""


class Faults:
    """The faults that are set, for one engine.  Raises ValueError for an unknown one."""

    def __init__(self, faults: Mapping[str, Fault], seed: int) -> None:
        for name in faults:
            _check(name, name in KINDS, f"no such fault; there are {', '.join(KINDS)}")
        self._seed = seed
        self._at: dict[Endpoint, dict[str, Fault]] = {
            endpoint: {name: faults[name] for name in KINDS if name in faults and endpoint in faults[name].endpoints}
            for endpoint in get_args(Endpoint)
        }

    def refusal(
        self, key: tuple[int, ...], now: float, endpoint: Endpoint = "messages", among: Container[str] = REFUSALS
    ) -> Struck | None:
        """The refusal that strikes the request, if any of these does."""
        for name, fault in self._at[endpoint].items():
            if name in REFUSALS and name in among and self._strikes(name, fault, key, now):
                refusal = REFUSALS[name]
                retry_after = refusal.retry_after if fault.retry_after is None else fault.retry_after
                return Struck(name, refusal, retry_after, now + (fault.delay or 0.0))
        return None

    def spoil(self, plan: Plan, endpoint: Endpoint = "messages") -> Plan:
        """The plan of an answer with what befalls it."""
        unfit = _WHOLE_ONLY if plan.stream else _STREAMS_ONLY
        for name, fault in self._at[endpoint].items():
            if name == "freeze":
                if (frozen := self._frozen(fault, plan)) is not None:
                    return frozen
            elif name in FLAWS and name not in unfit and self._strikes(name, fault, plan.key, plan.arrived):
                return _spoiled(plan, name, fault)
        return plan

    def hold_up(self, plan: Plan, endpoint: Endpoint = "messages") -> Plan:
        """The plan of a refusal with when it comes: not while the server stands still."""
        fault = self._at[endpoint].get("freeze")
        frozen = self._frozen(fault, plan) if fault else None
        if frozen is None:
            return plan
        return replace(plan, first_token=frozen.ended, last_token=frozen.ended, ended=frozen.ended)

    def _frozen(self, fault: Fault, plan: Plan) -> Plan | None:
        """The plan with what comes after the first freeze of its time; None where there is none."""
        if plan.ended < fault.start or Draws(*plan.key, "fault", "freeze").uniform() >= fault.rate:
            return None
        for begin, end in _freezes(fault, self._seed, plan.arrived):
            if begin > plan.ended:
                break
            if end > plan.arrived:
                at = max(begin, plan.arrived)
                return replace(plan, cause="freeze", flaw=Flaw("stall", at, end - at), ended=plan.ended + end - at)
        return None

    def disguise(self, plan: Plan, endpoint: Endpoint = "messages") -> Plan:
        """The plan of a refusal with what it says of trying again."""
        if not self._at[endpoint]:
            return plan
        struck = {
            name
            for name, fault in self._at[endpoint].items()
            if name in DISGUISES and self._strikes(name, fault, plan.key, plan.arrived)
        }
        if plan.retry_after is not None:
            if "retry_after_zero" in struck:
                plan = replace(plan, retry_after=0)
            elif "retry_after_missing" in struck:
                plan = replace(plan, retry_after=None)
            elif "retry_after_date" in struck:
                plan = replace(plan, retry_after_as_date=True)
        if struck & {"should_retry_true", "should_retry_false"}:
            plan = replace(plan, should_retry="should_retry_true" in struck)
        return plan

    def _strikes(self, name: str, fault: Fault, key: tuple[int, ...], now: float) -> bool:
        if now < fault.start or (fault.end is not None and now >= fault.end):
            return False
        if fault.on and fault.off and not in_episode(self._seed, name, fault.on, fault.off, now):
            return False
        return Draws(*key, "fault", name).uniform() < fault.rate


def in_episode(seed: int, name: str, on: float, off: float, now: float) -> bool:
    """Whether an alternating process with exponential on and off times (means in seconds) is on at `now`.

    Time is divided into blocks that are drawn independently, each begun in the state that chance gives in the long
    run, so any moment can be asked for at once; being memoryless, the process hardly shows the seams.
    """
    length = _BLOCK * (on + off)
    block = int(now // length)
    since = now - block * length
    return next(active for until, active in _switches(seed, name, on, off, block) if since < until)


def _freezes(fault: Fault, seed: int, since: float) -> Iterator[tuple[float, float]]:
    """When the server stands still, and until when; those that are over at `since` may be left out."""
    if not (fault.on and fault.off):
        length = _DELAYS["freeze"] if fault.delay is None else fault.delay
        yield fault.start, fault.start + length if fault.end is None else fault.end
        return
    length, last = _BLOCK * (fault.on + fault.off), math.inf if fault.end is None else fault.end
    for block in count(int(since // length)):
        begin = block * length
        for until, active in _switches(seed, "freeze", fault.on, fault.off, block):
            end = block * length + min(until, length)
            if active and end > fault.start:
                yield max(begin, fault.start), min(end, last)
            if end >= last:
                return
            begin = end


@lru_cache(maxsize=256)
def _switches(seed: int, name: str, on: float, off: float, block: int) -> tuple[tuple[float, bool], ...]:
    """Until when within the block the process is in which state."""
    draws = Draws(seed, "episodes", name, block)
    active, at, found = draws.uniform() * (on + off) < on, 0.0, []
    while at <= _BLOCK * (on + off):
        at += draws.exponential(on if active else off)
        found.append((at, active))
        active = not active
    return tuple(found)


def _spoiled(plan: Plan, name: str, fault: Fault) -> Plan:
    delay = _DELAYS.get(name, 0.0) if fault.delay is None else fault.delay
    middle = plan.ended
    if plan.stream:
        middle = Draws(*plan.key, name, "moment").uniform(plan.first_token, plan.last_token)
    match name:
        case "reset":
            flaw, ended = Flaw("reset", plan.arrived + delay), plan.arrived + delay
        case "slow_headers":
            flaw, ended = Flaw("stall", plan.arrived, delay), plan.ended + delay
        case "stall":
            flaw, ended = Flaw("stall", middle, delay), plan.ended + delay
        case "stream_error":
            flaw, ended = Flaw("stream_error", middle), middle
        case "cut":
            flaw, ended = Flaw("cut", middle), middle
        case _:
            flaw, ended = Flaw("malformed", middle), plan.ended
    return replace(plan, cause=name, flaw=flaw, ended=ended)


_ERROR_EVENT = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
"""As the streaming page shows it (2026-08-22)."""


def spoiled_pieces(pieces: Iterator[tuple[float, bytes]], flaw: Flaw, stream: bool) -> Iterator[tuple[float, bytes]]:
    """The pieces of an answer (when due, bytes) as its flaw leaves them; one piece of nothing stands for a reset."""
    if flaw.kind == "reset":
        yield flaw.at, b""
        return
    damaged = False
    for due, data in pieces:
        if due < flaw.at:
            yield due, data
            continue
        match flaw.kind:
            case "stall":
                yield due + flaw.delay, data
            case "stream_error":
                yield flaw.at, _ERROR_EVENT
                return
            case "cut":
                yield flaw.at, b"" if stream else data[: len(data) // 2]
                return
            case "malformed":
                yield due, data if damaged else _damage(data, stream)
                damaged = True


def _damage(data: bytes, stream: bool) -> bytes:
    """Half of the JSON object; in a stream, that of the first event."""
    if not stream:
        return data[: len(data) // 2]
    event, end, rest = data.partition(b"\n\n")
    name, field, payload = event.partition(b"\ndata: ")
    return name + field + payload[: len(payload) // 2] + end + rest
