"""How a run goes, as the live page shows it: an observer that counts, and a snapshot of what it counted.

Kept is what does not grow with the run: slots of scenario time that merge in pairs when they get too many, latencies in
bins, and the window of the last minute.  The time is that of the last answer: observers are told no other.  What a
request met on its way, 429s and all, is counted when it has ended.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bench.clock import monotonic
from bench.results.causes import CAUSES
from bench.results.format import DASH, count, number, pass_name, text
from bench.results.record import Attempt, Record
from reports.live import wall_time

WINDOW = 60.0
"""Scenario seconds that rate and percentiles of "now" are over."""

WINDOW_REQUESTS = 5000
"""At most so many of the last requests are in the window: where more end in a minute, it is shorter."""

SLOTS = 120
"""Points of a curve at most."""

_BIN = math.log(1.05)
"""Latencies of a curve are kept in bins 5 % wide, so a percentile is within 2.5 %."""

_LIMITERS = ("requests", "input_tokens", "output_tokens")


class Line(msgspec.Struct, frozen=True):
    """A curve, with a value for each slot; None where nothing ended."""

    name: str
    colour: str
    """A colour of style.css, without its `--c-`."""
    values: Sequence[float | None]


class Chart(msgspec.Struct, frozen=True):
    """Curves over the same seconds and with the same unit."""

    title: str
    said: str
    """What it shows, in words."""
    top: float
    top_text: str
    lines: Sequence[Line]


class Bar(msgspec.Struct, frozen=True):
    """A share of something, in words and as a length."""

    name: str
    said: str
    share: float


class Snapshot(msgspec.Struct, frozen=True):
    """All that the page shows at a moment, as text and as lengths."""

    heading: str
    facts: Sequence[tuple[str, str]]
    seconds: str
    """Scenario time that the charts end at."""
    charts: Sequence[Chart]
    limits: Sequence[Bar]
    """What is left, as the last answer said."""
    causes: Sequence[Bar]
    """Failed attempts; shares are of the most frequent."""
    budget: Bar | None
    """Spent; None without a budget in dollars."""
    over: Sequence[Sequence[str]]
    """The passes that have ended, a row each under `PASSES_HEADINGS`."""


PASSES_HEADINGS = ("strategy", "requests", "failed for good", "429s", "latency p50", "spent", "wall clock")


@dataclass(slots=True)
class _Slot:
    """What ended in a stretch of scenario time."""

    most_in_flight: int | None = None
    latencies: Counter[int] = field(default_factory=Counter)
    """Of what succeeded, by bin."""

    def merged(self, later: _Slot) -> _Slot:
        most = max((one for one in (self.most_in_flight, later.most_in_flight) if one is not None), default=None)
        return _Slot(most, self.latencies + later.latencies)

    def percentile(self, share: float) -> float | None:
        wanted = share * self.latencies.total()
        for place in sorted(self.latencies):
            wanted -= self.latencies[place]
            if wanted <= 0:
                return math.exp(place * _BIN)
        return None


class _Curve:
    """Slots from second 0 on, `width` scenario seconds each."""

    def __init__(self) -> None:
        self.width = 1.0
        self.slots: list[_Slot] = [_Slot()]

    def at(self, moment: float) -> _Slot:
        """The slot of a moment; slots become twice as wide until it is one of `SLOTS`."""
        while moment >= self.width * SLOTS:
            self.width *= 2
            if len(self.slots) % 2:
                self.slots.append(_Slot())
            self.slots = [early.merged(late) for early, late in zip(self.slots[::2], self.slots[1::2], strict=True)]
        place = int(moment / self.width)
        self.slots.extend(_Slot() for _ in range(place + 1 - len(self.slots)))
        return self.slots[place]


class _Pass:
    """One strategy, run once."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total = name, total
        self.started = monotonic()
        self.ended: float | None = None
        self.sent = self.done = self.failed = 0
        self.now = 0.0
        self.cost = 0.0
        self.unpriced = 0
        self.causes: Counter[str] = Counter()
        self.window: deque[tuple[float, float | None]] = deque(maxlen=WINDOW_REQUESTS)
        """When each request ended, and its latency where it succeeded."""
        self.all = _Slot()
        self.curve = _Curve()
        self.limits: dict[str, tuple[float, Attempt]] = {}
        """The last attempt of each model whose headers told of limits."""

    def count(self, record: Record, cost: float | None) -> None:
        last = record.attempts[-1]
        slot = self.curve.at(last.ended)
        slot.most_in_flight = max(slot.most_in_flight or 0, self.in_flight)
        self.now = max(self.now, last.ended)
        self.done += 1
        self.failed += not last.ok
        self.window.append((last.ended, record.latency if last.ok else None))
        if last.ok:
            place = round(math.log(max(record.latency, 1e-6)) / _BIN)
            slot.latencies[place] += 1
            self.all.latencies[place] += 1
        if cost is None:
            self.unpriced += 1
        else:
            self.cost += cost
        for attempt in record.attempts:
            if attempt.cause is not None:
                self.causes[attempt.cause] += 1
            told = attempt.ended if attempt.headers is None else attempt.headers
            if attempt.limits is not None and told >= self.limits.get(record.model, (0.0, None))[0]:
                self.limits[record.model] = told, attempt

    @property
    def in_flight(self) -> int:
        return max(0, self.sent - self.done)

    @property
    def refused(self) -> int:
        return sum(many for name, many in self.causes.items() if CAUSES[name].rate_limit)

    def spent(self) -> str:
        return _spent(self.cost, self.unpriced)

    def left(self, now: float) -> str:
        """Wall-clock time to go, from the pace so far; or how long the pass took."""
        if self.ended is not None:
            return wall_time(self.ended - self.started)
        if not self.done or self.total is None:
            return "unknown"
        return f"about {wall_time((now - self.started) / self.done * (self.total - self.done))}"


class LiveState:
    """Counts what happens in a run, told as `bench.engine.observe.Observer` is, and says how it stands.

    Called from the thread of the run; `snapshot` from any other.
    """

    def __init__(self, *, passes: int, budget: float | None = None) -> None:
        self._expected, self._budget = passes, budget
        self._passes: list[_Pass] = []
        self._counting = threading.Lock()

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """A strategy begins; `total` is None where the number of requests is not known before."""
        del speed  # all times are scenario time but for what is left
        with self._counting:
            self._passes.append(_Pass(pass_name(strategy, pass_, case), total))

    def sent(self, strategy: str) -> None:  # noqa: ARG002  (passes run one after another)
        """A request left for the first time."""
        with self._counting:
            self._passes[-1].sent += 1

    def done(self, record: Record, cost: float | None) -> None:
        """A request ended; `cost` is in US dollars, None where the price is not known."""
        with self._counting:
            self._passes[-1].count(record, cost)

    def pass_ended(self) -> None:
        """The strategy that was running is through."""
        with self._counting:
            self._passes[-1].ended = monotonic()

    def snapshot(self) -> Snapshot:
        """How the run stands now."""
        with self._counting:
            if not self._passes:
                return Snapshot("Starting", (), "0 s", (), (), (), None, ())
            run = self._passes[-1]
            return Snapshot(
                heading=f"{run.name}, {len(self._passes)} of {self._expected}",
                facts=self._facts(run),
                seconds=text(run.now, "s"),
                charts=_charts(run),
                limits=_limits(run),
                causes=_causes(run.causes),
                budget=self._spending(),
                over=[_row(one) for one in self._passes if one.ended is not None],
            )

    def _facts(self, run: _Pass) -> list[tuple[str, str]]:
        p50, p95 = (_percentile(_in_window(run), share) for share in (0.5, 0.95))
        cost, unpriced = sum(one.cost for one in self._passes), sum(one.unpriced for one in self._passes)
        return [
            ("done", f"{run.done:,}" if run.total is None else f"{run.done:,} of {run.total:,}"),
            ("in flight", number(run.in_flight)),
            ("throughput", text(_rate(run), "1/min")),
            ("latency p50", text(p50, "s")),
            ("latency p95", text(p95, "s")),
            ("429s", number(run.refused)),
            ("failed for good", number(run.failed)),
            ("spent in all", _spent(cost, unpriced)),
            ("wall clock" if run.ended is not None else "time left", run.left(monotonic())),
        ]

    def _spending(self) -> Bar | None:
        if self._budget is None:
            return None
        cost, unpriced = sum(one.cost for one in self._passes), sum(one.unpriced for one in self._passes)
        said = f"{_spent(cost, unpriced)} of {text(self._budget, 'USD')}"
        return Bar("spent", said, min(1.0, cost / self._budget) if self._budget else 1.0)


def _spent(cost: float, unpriced: int) -> str:
    """Dollars; what is not known is never taken for nothing."""
    return f"{text(cost, 'USD')} + {count(unpriced, 'request')} of unknown cost" if unpriced else text(cost, "USD")


def _since(run: _Pass) -> float:
    """Where the window of the last minute begins."""
    full = len(run.window) == run.window.maxlen
    return max(run.now - WINDOW, run.window[0][0] if full else 0.0)


def _in_window(run: _Pass) -> list[float]:
    since = _since(run)
    return sorted(latency for ended, latency in run.window if ended >= since and latency is not None)


def _rate(run: _Pass) -> float | None:
    """Requests a minute that succeeded, over the window."""
    span = run.now - _since(run)
    return len(_in_window(run)) / span * 60 if span > 0 else None


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _charts(run: _Pass) -> list[Chart]:
    slots, per_minute = run.curve.slots, 60 / run.curve.width
    ended: list[float | None] = [slot.latencies.total() * per_minute for slot in slots]
    rates = [*ended[:-1], None] if len(ended) > 1 else ended  # the last slot is not over
    flights = [slot.most_in_flight for slot in slots]
    medians, highs = ([slot.percentile(share) for slot in slots] for share in (0.5, 0.95))
    return [
        _chart("Throughput, requests a minute", "1/min", Line("that succeeded", "requests", rates)),
        _chart("Requests in flight", "count", Line("the most", "service", flights)),
        _chart("Latency", "s", Line("p50", "service", medians), Line("p95", "throttle", highs)),
    ]


def _chart(title: str, unit: str, *lines: Line) -> Chart:
    top = max((value for line in lines for value in line.values if value is not None), default=0.0)
    latest = [
        f"{line.name} {text(next((one for one in reversed(line.values) if one is not None), None), unit)}"
        for line in lines
    ]
    said = f"{title}: last {', '.join(latest)}; at most {text(top, unit)}"
    return Chart(title, said, top, text(top, unit), lines)


def _limits(run: _Pass) -> list[Bar]:
    bars = []
    for model, (_, attempt) in run.limits.items():
        for limiter in _LIMITERS:
            limit = getattr(attempt.limits, f"{limiter}_limit")
            left = getattr(attempt.limits, f"{limiter}_remaining")
            if limit and left is not None:
                name = f"{limiter.replace('_', ' ')}, {model}" if len(run.limits) > 1 else limiter.replace("_", " ")
                bars.append(Bar(name, f"{left:,} of {limit:,} a minute", min(1.0, max(0.0, left / limit))))
    return bars


def _causes(causes: Mapping[str, int]) -> list[Bar]:
    """429s first, each kind by how often."""
    kept = {name: many for name, many in causes.items() if not CAUSES[name].unneeded}
    most = max(kept.values(), default=0)
    ordered = sorted(kept.items(), key=lambda one: (not CAUSES[one[0]].rate_limit, -one[1], one[0]))
    return [Bar(CAUSES[name].meaning, number(many), many / most) for name, many in ordered]


def _row(run: _Pass) -> list[str]:
    return [
        run.name, number(run.done), number(run.failed), number(run.refused),
        DASH if (p50 := run.all.percentile(0.5)) is None else f"about {text(p50, 's')}",
        run.spent(), run.left(0.0),
    ]  # fmt: skip
