"""An observer that turns what happens in a run into measurements, for whichever system takes them.

In virtual time the measurements are virtual seconds and a run is over before a scraper has come by: what a system then
sees is the final state, which `claude-bench export` gives too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from bench.results import semconv
from bench.results.measurements import Attributes, measurements
from bench.results.record import Record
from bench.results.semconv import Instrument


class Meter(Protocol):
    """A metrics system."""

    def tell(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Add to a counter, set a gauge, or take into a histogram."""


class Telemetry:
    """Tells a meter what happens, as `bench.engine.observe.Observer` hears it."""

    def __init__(self, meter: Meter, *, facts: Iterable[tuple[str, str]]) -> None:
        self._meter = meter
        self._in_flight = 0
        self._strategy: Attributes = ()
        meter.tell(semconv.RUN_INFO, 1, tuple(facts))

    def pass_started(self, strategy: str, pass_: int, total: int | None, speed: float, case: str | None = None) -> None:
        """A strategy begins."""
        del pass_, total, speed, case  # repeats are told together
        self._strategy, self._in_flight = ((semconv.STRATEGY, strategy),), 0
        self._meter.tell(semconv.IN_FLIGHT, 0, self._strategy)

    def sent(self, strategy: str) -> None:  # noqa: ARG002  (passes run one after another)
        """A request left for the first time."""
        self._in_flight += 1
        self._meter.tell(semconv.IN_FLIGHT, self._in_flight, self._strategy)

    def done(self, record: Record, cost: float | None) -> None:
        """A request ended; `cost` is in US dollars, None where the price is not known."""
        self._in_flight -= 1
        self._meter.tell(semconv.IN_FLIGHT, self._in_flight, self._strategy)
        model = ((semconv.MODEL, record.model), *self._strategy)
        if cost is None:
            self._meter.tell(semconv.UNPRICED, 1, model)
        else:
            self._meter.tell(semconv.COST, cost, model)
        for instrument, value, attributes in measurements(record):
            self._meter.tell(instrument, value, attributes)

    def pass_ended(self) -> None:
        """The strategy that was running is through."""
