"""`adaptive` on the simulation: how close it comes to the best that is told the limits, and how it comes back."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

import pytest

from bench.clock import Clock
from bench.clock import run as run_loop
from bench.engine.budget import BudgetGuard
from bench.engine.dispatch import Pass
from bench.engine.exchange import Terms
from bench.engine.line import Line
from bench.engine.observe import Observers
from bench.engine.run import run_passes
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.request import RequestSpec
from bench.results.record import Attempt, Record, Usage, to_line
from bench.scenario.model import (
    Adaptive,
    Fixed,
    Lognormal,
    Mock,
    Retry,
    Scenario,
    Size,
    Strategy,
    TokenBucket,
    Workload,
)
from bench.scenario.traces import Arrival
from bench.strategies.admission import admissions_of
from bench.targets.client import Watch
from bench.targets.sim import SimClient
from bench.targets.target import mock_settings, open_targets
from bench.workload.requests import Placed, Source, sources_of
from mock_server.engine import Engine
from mock_server.tiers import limits_for

MODEL = "claude-sonnet-5"
FOR_EVER = Retry(attempts=10_000)
ADAPTIVE = Strategy(name="adaptive", kind="adaptive", adaptive=Adaptive(), retry=FOR_EVER)
PACED = Strategy(name="token-bucket", kind="token_bucket", pacer=TokenBucket(), retry=FOR_EVER)
REFERENCE_SPEED = 75.0
"""Tokens a second of one answer, median: the preset of the family."""


@dataclass(frozen=True)
class Shape:
    """A workload: mean input and output tokens, and which of the limits it meets first."""

    input_tokens: int
    output_tokens: int
    spread: bool
    minutes: int

    def scenario(self, tier: str, *strategies: Strategy) -> Scenario:
        return Scenario(
            version=1, name="cell", question="How close?", model=MODEL, tier=tier, seed=5, strategies=strategies,
            workload=Workload(
                requests=int(self.per_minute(tier) * self.minutes),
                input_tokens=_size(self.input_tokens, spread=self.spread),
                output_tokens=_size(self.output_tokens, spread=self.spread),
                max_tokens=100_000,
            ),
        )  # fmt: skip

    def per_minute(self, tier: str) -> float:
        """Requests per minute that the limits allow."""
        requests, input_tokens, output_tokens = limits_for(tier, MODEL)
        return min(
            requests or 1e9, (input_tokens or 1e9) / self.input_tokens, (output_tokens or 1e9) / self.output_tokens
        )

    def in_flight(self, tier: str) -> float:
        """Requests in flight that the limits can feed for ever, by Little's law."""
        return self.per_minute(tier) / 60 * (1.0 + self.output_tokens / REFERENCE_SPEED)


def _size(mean: int, *, spread: bool) -> Size:
    # A lognormal with this median and 95th percentile has about that mean.
    return Lognormal(median=mean * 0.8, p95=mean * 2.4) if spread else Fixed(value=mean)


REQUEST_BOUND = Shape(100, 20, spread=False, minutes=6)
INPUT_BOUND = Shape(20_000, 200, spread=True, minutes=6)
OUTPUT_BOUND = Shape(1_000, 1_500, spread=True, minutes=6)


@dataclass
class Outcome:
    records: list[Record] = field(default_factory=list)

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for record in self.records for attempt in record.attempts]

    @property
    def throughput(self) -> float:
        """Requests a minute, all of which succeeded."""
        assert all(record.ok for record in self.records)
        return 60 * len(self.records) / max(attempt.ended for attempt in self.attempts)

    def refused(self, after: float = 0.0) -> float:
        """Share of the attempts sent from then on that a limit refused."""
        sent = [attempt for attempt in self.attempts if attempt.sent >= after]
        return sum(attempt.status == 429 for attempt in sent) / max(1, len(sent))


def surroundings(journal: list[Record]) -> Surroundings:
    return Surroundings(
        journal.append, Observers(), BudgetGuard(), Stop(), cost=lambda _model, _: 0.0, worst_case=lambda _: 0.0
    )


def play(scenario: Scenario) -> dict[str, Outcome]:
    """Every strategy of a scenario, by name."""
    journal: list[Record] = []
    with open_targets(scenario) as targets:
        for _ in run_passes(scenario, targets, surroundings(journal)):
            pass
    outcomes = {strategy.name: Outcome() for strategy in scenario.strategies}
    for record in journal:
        outcomes[record.strategy].records.append(record)
    return outcomes


def semaphores(around: float) -> list[Strategy]:
    sizes = sorted({max(1, round(around * factor)) for factor in (0.8, 1.0, 1.3, 1.7)})
    return [Strategy(name=f"semaphore-{size}", kind="semaphore", limit=size, retry=FOR_EVER) for size in sizes]


@pytest.mark.parametrize("shape", [INPUT_BOUND, OUTPUT_BOUND], ids=["input", "output"])
@pytest.mark.parametrize("tier", ["start", "build", "scale"])
def test_it_reaches_nine_tenths_of_the_best_that_is_told_its_limit(tier: str, shape: Shape) -> None:
    fixed = [PACED, *semaphores(shape.in_flight(tier))]
    outcomes = play(shape.scenario(tier, ADAPTIVE, *fixed))
    own = outcomes.pop("adaptive")
    best = max(outcome.throughput for outcome in outcomes.values())
    print(f"\n{tier} {shape}: {own.throughput / best:.3f} of the best, {own.refused(60):.3%} refused")
    assert own.throughput >= 0.9 * best
    assert own.refused(after=60) < 0.01


@pytest.mark.parametrize("tier", ["start", "build", "scale"])
def test_it_reaches_nine_tenths_of_what_any_strategy_could_where_requests_are_the_limit(tier: str) -> None:
    """The bound stands in for the best of the fixed: it is at least as good, and need not be searched for."""
    (own,) = play(REQUEST_BOUND.scenario(tier, ADAPTIVE)).values()
    # A full bucket holds one minute's worth.
    bound = REQUEST_BOUND.per_minute(tier) * REQUEST_BOUND.minutes / (REQUEST_BOUND.minutes - 1)
    print(f"\n{tier}: {own.throughput / bound:.3f} of the bound, {own.refused(60):.3%} refused")
    assert own.throughput >= 0.9 * bound
    assert own.refused(after=60) < 0.01


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shape", [REQUEST_BOUND, INPUT_BOUND, OUTPUT_BOUND], ids=["requests", "input", "output"])
@pytest.mark.parametrize("tier", ["start", "build", "scale"])
def test_a_token_bucket_uses_the_limit_that_binds_and_is_never_refused(tier: str, shape: Shape, factor: float) -> None:
    """Also where answers are half or twice as long as expected.

    Of the limit that binds, what was sent up to the last request; less the burst at the start, which comes on top.
    """
    scenario = replace(shape, minutes=2).scenario(tier, PACED)
    scenario = scenario.model_copy(update={"mock": Mock(output_factor=factor)})
    (own,) = play(scenario).values()
    usages = [attempt.usage or Usage() for attempt in own.attempts]
    sent = (len(own.attempts), sum(one.total_input for one in usages), sum(one.output_tokens for one in usages))
    last = max(attempt.sent for attempt in own.attempts)
    used = [
        (amount - TokenBucket().burst * limit / 60) / (limit / 60 * last)
        for amount, limit in zip(sent, limits_for(tier, MODEL), strict=True)
        if limit
    ]
    print(f"\n{tier} {shape} x {factor:g}: {max(used):.3f} of the limit, {own.refused():.3%} refused")
    assert max(used) >= 0.97
    assert own.refused() == 0


@pytest.mark.parametrize("burst", [1.0, 10.0])
@pytest.mark.parametrize("shape", [INPUT_BOUND, OUTPUT_BOUND], ids=["input", "output"])
def test_smaller_buckets_than_it_hopes_for_cost_no_refusals(shape: Shape, burst: float) -> None:
    scenario = shape.scenario("start", ADAPTIVE).model_copy(update={"mock": Mock(burst=burst)})
    (own,) = play(scenario).values()
    # Without a burst to live on, the slow start and the last answer cost a sixth of a job this short.
    assert own.throughput >= 0.7 * shape.per_minute("start")
    assert own.refused(after=60) < 0.01


def workload_of(scenario: Scenario) -> Workload:
    assert scenario.workload is not None
    return scenario.workload


def test_it_keeps_out_of_the_way_of_others_on_the_same_limits() -> None:
    """Half of the requests per minute are used by someone else, evenly, of whom nobody told it."""
    scenario = REQUEST_BOUND.scenario("start", ADAPTIVE)
    engine = Engine(mock_settings(scenario))
    others = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}

    async def main() -> list[Record]:
        clock, journal = Clock(), list[Record]()
        client = SimClient(engine, clock, seed=5, timeout=600)

        def other(seq: int) -> None:
            engine.handle(others, clock.now(), key=(9, seq), output_tokens=10)
            if len(journal) < (workload_of(scenario).requests or 0):
                clock.call_at((seq + 1) * 60 / 500, other, seq + 1)

        other(0)
        admission = admissions_of(ADAPTIVE, {"": limits_for("start", MODEL)}, clock)[""]
        line = Line(sources_of(scenario), clock)
        await Pass(line, Terms(ADAPTIVE, 0, 5, admission, client, clock, surroundings(journal))).run()
        return journal

    own = Outcome(run_loop(main(), virtual=True))
    assert own.refused(after=60) < 0.01
    assert own.throughput >= 0.9 * 500


def test_a_herd_of_five_hundred_comes_back_from_a_retry_after_without_a_second_wave() -> None:
    """Somebody else has just used up the minute's requests; all the first ones meet a 429."""
    scenario = REQUEST_BOUND.scenario("start", ADAPTIVE)
    scenario = scenario.model_copy(update={"workload": workload_of(scenario).model_copy(update={"requests": 500})})
    engine = Engine(mock_settings(scenario))
    others = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    for seq in range(1000):
        engine.handle(others, 0.0, key=(9, seq), output_tokens=10)

    async def main() -> list[Record]:
        clock, journal = Clock(), list[Record]()
        client = SimClient(engine, clock, seed=5, timeout=600)
        admission = admissions_of(ADAPTIVE, {"": limits_for("start", MODEL)}, clock)[""]
        line = Line(sources_of(scenario), clock)
        await Pass(line, Terms(ADAPTIVE, 0, 5, admission, client, clock, surroundings(journal))).run()
        assert admission.in_flight == 0
        return journal

    own = Outcome(run_loop(main(), virtual=True))
    refusals = [attempt for attempt in own.attempts if attempt.status == 429]
    assert 0 < len(refusals) <= 10
    assert {attempt.sent for attempt in refusals} == {0.0}
    # 1,000 requests a minute refill: five hundred need half a minute.
    assert own.throughput >= 0.9 * 1000


def test_it_repeats_byte_for_byte() -> None:
    scenario = OUTPUT_BOUND.scenario("start", ADAPTIVE)
    first, second = (b"".join(map(to_line, play(scenario)["adaptive"].records)) for _ in range(2))
    assert first == second


class Crowded:
    """A `Client` of a server that never refuses: with more than forty at a time, first tokens come later and later."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._in_flight = 0
        self.seen: list[int] = []
        """How many were in flight at each send."""

    async def send(self, spec: RequestSpec, attempt: int, watch: Watch | None = None) -> Attempt:  # noqa: ARG002
        """See `Client`."""
        sent = self._clock.now()
        self._in_flight += 1
        self.seen.append(self._in_flight)
        first = sent + 0.5 * max(1.0, self._in_flight / 40)
        await self._clock.sleep_until(first + 1.0)
        self._in_flight -= 1
        usage = Usage(spec.input_tokens, 101)
        return Attempt(sent, first + 1.0, status=200, first_token=first, last_token=first + 1.0, usage=usage)


@pytest.mark.parametrize(("by", "least", "most"), [("refusals", 300, 300), ("ttft", 40, 200), ("tpot", 300, 300)])
def test_by_time_to_first_token_it_notices_a_server_that_slows_down_instead_of_refusing(
    by: Literal["refusals", "ttft", "tpot"], least: int, most: int
) -> None:
    own = Adaptive(by=by, max_in_flight=300)
    strategy = Strategy(name="adaptive", kind="adaptive", adaptive=own, retry=FOR_EVER)

    async def main() -> float:
        clock = Clock()
        client = Crowded(clock)
        admission = admissions_of(strategy, {"": limits_for("unlimited", MODEL)}, clock)[""]
        around = surroundings([])

        def arrivals() -> Generator[Placed, float, None]:
            yield from ((seq, Arrival(0.0)) for seq in range(20_000))

        source = Source(arrivals(), lambda seq, _: RequestSpec(seq, 0.0, {"model": MODEL}, 100, 101))
        line = Line([source], clock)
        await Pass(line, Terms(strategy, 0, 5, admission, client, clock, around)).run()
        return median(client.seen[5000:])

    assert least <= run_loop(main(), virtual=True) <= most
