"""One number tried at several values, everything else the same: what a sweep holds, and a run whose strategies differ
in nothing but that number.

The number is that of requests in flight (`semaphore`), of workers (`pool`), or per cent of the tier's rates
(`token_bucket`).  A sweep has a folder of its own, with `sweep.json`, `sweep.html` and, unless it was simulated, the
folders of its runs.  schema_version 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import takewhile
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import numpy as np

from bench.errors import UsageError, check_exit_code
from bench.results.bottleneck import BOTTLENECK, STRAINED
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES, Bools, Columns
from bench.results.cost import cost_of
from bench.results.folder import RunInfo, read_json, write_json
from bench.results.format import pass_name
from bench.results.intervals import mean
from bench.results.limits import rate_limited
from bench.results.metrics import METRICS, PassFacts, samples
from bench.results.slo import Slo
from bench.results.statistics import quantile
from bench.results.summary import LimitUse, PassSummary, Quantile, Warning
from bench.results.waste import waste_of

SCHEMA_VERSION = 1

SWEEP, PAGE = "sweep.json", "sweep.html"
"""The files of a sweep's folder."""

LEVEL = 0.95
"""Of the intervals."""

KINDS = {"semaphore": "in flight", "pool": "workers", "token_bucket": "% of rates"}
"""The strategies that have a number to sweep, and what it counts."""

CLASSES = ("short", "medium", "long")
"""The thirds of the requests by how long their answers are."""

SPREAD = 1.5
"""How many times as long as the short ones the long answers must be at least, for a class each to mean anything."""


class Estimate(msgspec.Struct, frozen=True):
    """A mean over passes with its 95 % interval (Student's t); of one pass, what can be said within it."""

    value: float
    lo: float | None
    hi: float | None
    """Both None where one pass says nothing of how passes differ."""
    each: tuple[float, ...]
    """Of each pass, in the order of their seeds."""


class Point(msgspec.Struct, frozen=True):
    """One value of the number, and what the passes with it came to."""

    at: float
    """Requests in flight, workers, or per cent of the rates."""
    strategy: str
    passes: int
    requests: int
    """Of all passes."""
    succeeded: int
    goodput: Estimate
    """Succeeded requests a minute, and within the SLO where there is one."""
    p95: dict[str, Estimate | None]
    """Seconds by metric: of every demand of the SLO, and of the time that is shown where there is none.  None where a
    pass has too few answers."""
    refused: dict[str, float]
    """Attempts that met a 429, as shares of all attempts, by the limit that said no."""
    failed: float
    """Share of the requests that failed for good."""
    cost_per_success: float | None
    """US dollars; None when the price is not known or nothing succeeded."""
    uses: dict[str, float]
    """Share of each per-minute limit that was used, where there is a limit."""
    bounds: dict[str, float]
    """Successes a minute that each limit lets through, at what they used on average."""

    @property
    def refused_share(self) -> float:
        """Share of the attempts that met a 429."""
        return sum(self.refused.values())


class Series(msgspec.Struct, frozen=True):
    """The points of one tier and case, by rising number; of all requests or of one class of them."""

    tier: str
    kind: str
    """`semaphore`, `pool` or `token_bucket`."""
    demands: dict[str, float]
    """The SLO in seconds, by metric; empty where there is none."""
    time: str
    """The metric whose p95 is shown where there is no SLO: `response_time`, or of a backlog `latency`."""
    own_times: bool
    """Whether requests come at times of their own, so that no number does more than what comes."""
    points: tuple[Point, ...]
    case: str | None = None
    of: str | None = None
    """A class of requests: a stream, or the third with `short`, `medium` or `long` answers; None for all."""
    strategy: str = ""
    """What the strategies are called in common, where they have a name of their own."""

    @property
    def bound(self) -> tuple[float, str] | None:
        """Successes a minute that the tier lets through once the burst is used up, and by which limit; None for none.

        What a success uses is averaged over the points, each of which has the same requests.
        """
        limiters = dict.fromkeys(limiter for point in self.points for limiter in point.bounds)
        each = {
            limiter: fmean(point.bounds[limiter] for point in self.points if limiter in point.bounds)
            for limiter in limiters
        }
        return min(((rate, limiter) for limiter, rate in each.items()), default=None)


class Sweep(msgspec.Struct, frozen=True):
    """What a sweep was asked and what it measured."""

    schema_version: int
    name: str
    question: str
    model: str
    target: str
    kind: str
    """The strategies, separated by commas."""
    started_at: str
    """UTC, RFC 3339."""
    seeds: tuple[int, ...]
    series: tuple[Series, ...]
    command: tuple[str, ...] = ()
    cost: float | None = None
    """US dollars, of all that was measured; on sim and mock, what it would have cost."""
    stopped: str | None = None
    """Why it ended early, in words."""
    exit_code: int = 0
    warnings: tuple[Warning, ...] = ()
    """What its runs say against believing them."""

    def __post_init__(self) -> None:
        check_exit_code(self.exit_code)


class Outcome(msgspec.Struct, frozen=True):
    """What one pass, or one class of its requests, came to, as far as points need it."""

    requests: int
    succeeded: int
    failed: int
    attempts: int
    refused: dict[str, int]
    """429s by cause."""
    goodput: float | None
    """A minute; None when what the SLO demands was never measured."""
    p95: dict[str, Quantile]
    cost: float | None
    limits: tuple[LimitUse, ...] = ()


Outcomes = dict[str | None, Outcome]
"""Of all requests of a pass under None, and of each class by its name."""


# From passes to points


def outcomes(
    columns: Columns, slo: Slo, time: str, limits: tuple[LimitUse, ...], day: date, *, classes: bool = True
) -> Outcomes:
    """A pass as points need it, whole and class by class, unless without `classes`.  `day` decides the prices."""
    whole = _outcome(columns, slo, time, limits, day)
    found: Outcomes = {None: whole}
    for name, chosen in _classes(columns) if classes else ():
        part = _outcome(columns.only(chosen), slo, time, (), day)
        if not _in_streams(columns):  # how long the answers would have been that never came, nobody knows
            part = msgspec.structs.replace(part, requests=whole.requests, failed=whole.failed)
        found[name] = part
    return found


def _in_streams(columns: Columns) -> bool:
    return len(columns.streams) > 1


def _outcome(columns: Columns, slo: Slo, time: str, limits: tuple[LimitUse, ...], day: date) -> Outcome:
    facts = PassFacts(columns, slo, cost_of(columns, day), limits, waste_of(columns, day))
    causes = columns.attempts.cause[rate_limited(columns.attempts)]
    return Outcome(
        requests=_count("requests", facts),
        succeeded=_count("succeeded", facts),
        failed=_count("failed", facts),
        attempts=_count("attempts", facts),
        refused={CAUSE_NAMES[code]: int((causes == code).sum()) for code in np.unique(causes)},
        goodput=_number("goodput" if slo.demands() else "throughput", facts),
        p95={name: quantile(samples(columns, name), 0.95) for name in {**slo.demands(), time: None}},
        cost=facts.cost.total,
        limits=limits,
    )


def _number(name: str, facts: PassFacts) -> float | None:
    value = METRICS[name].compute(facts)
    assert value is None or isinstance(value, int | float)
    return value


def _count(name: str, facts: PassFacts) -> int:
    return int(_number(name, facts) or 0)


def _classes(columns: Columns) -> Iterator[tuple[str, Bools]]:
    """The streams; or where there is one kind of traffic whose answers differ in length, its thirds by that."""
    requests = columns.requests
    if _in_streams(columns):
        yield from ((name, requests.stream == place) for place, name in enumerate(columns.streams))
        return
    lengths = requests.output_tokens
    if not requests.ok.any():
        return
    lower, upper = np.quantile(lengths[requests.ok], (1 / 3, 2 / 3), method="nearest")
    if upper < SPREAD * lower:
        return
    chosen = (lengths <= lower, (lengths > lower) & (lengths <= upper), lengths > upper)
    yield from ((name, requests.ok & one) for name, one in zip(CLASSES, chosen, strict=True))


def series_of(
    *,
    tier: str,
    kind: str,
    demands: dict[str, float],
    own_times: bool,
    passes: Mapping[tuple[float, str], Sequence[Outcomes]],
    case: str | None = None,
    strategy: str = "",
) -> tuple[Series, ...]:
    """The series of a tier and case, of all requests first, then class by class.  `passes` by number and strategy."""
    every = [one for each in passes.values() for one in each]
    names = [name for name in dict.fromkeys(name for one in every for name in one) if all(name in one for one in every)]
    time = shown_time(own_times=own_times)
    found = [
        (
            name,
            [
                point
                for (at, strategy), each in sorted(passes.items())
                if (point := _point(at, strategy, [one[name] for one in each])) is not None
            ],
        )
        for name in names
    ]
    return tuple(
        Series(tier, kind, demands, time, own_times, tuple(points), case, name, strategy) for name, points in found
    )


def shown_time(*, own_times: bool) -> str:
    """The time by which a number is judged where there is no SLO: of a backlog, all of which waits from the start,
    that of the answer itself."""
    return "response_time" if own_times else "latency"


def _point(at: float, strategy: str, passes: Sequence[Outcome]) -> Point | None:
    """None where nothing was measured of what is demanded."""
    goodput = [one.goodput for one in passes if one.goodput is not None]
    if not goodput or len(goodput) < len(passes):
        return None
    attempts = sum(one.attempts for one in passes) or 1
    requests, succeeded = (sum(getattr(one, key) for one in passes) for key in ("requests", "succeeded"))
    costs = [one.cost for one in passes if one.cost is not None]
    causes = [cause for cause in CAUSES if any(cause in one.refused for one in passes)]
    used = [use for one in passes for use in one.limits]
    return Point(
        at=at,
        strategy=strategy,
        passes=len(passes),
        requests=requests,
        succeeded=succeeded,
        goodput=_estimate(goodput),
        p95={name: _p95([one.p95[name] for one in passes]) for name in passes[0].p95},
        refused={cause: sum(one.refused.get(cause, 0) for one in passes) / attempts for cause in causes},
        failed=sum(one.failed for one in passes) / requests if requests else 0.0,
        cost_per_success=sum(costs) / succeeded if len(costs) == len(passes) and succeeded else None,
        uses={limiter: fmean(shares) for limiter, shares in _by_limiter(used, _share)},
        bounds={
            limiter: succeeded / sum(parts) for limiter, parts in _by_limiter(used, _minutes_of_limit) if sum(parts)
        },
    )


def _by_limiter(uses: Iterable[LimitUse], number: Any) -> Iterator[tuple[str, list[float]]]:  # noqa: ANN401
    every = [use for use in uses if use.per_minute]
    for limiter in dict.fromkeys(use.limiter for use in every):
        yield limiter, [number(use) for use in every if use.limiter == limiter]


def _share(use: LimitUse) -> float:
    return use.share or 0.0


def _minutes_of_limit(use: LimitUse) -> float:
    """How many minutes' worth of a limit was used."""
    return use.used / (use.per_minute or 1.0)


def _estimate(values: Sequence[float]) -> Estimate:
    around = mean(values, LEVEL)
    if around is None:
        return Estimate(values[0], None, None, tuple(values))
    return Estimate(around.estimate, max(0.0, around.lo), around.hi, tuple(values))


def _p95(found: Sequence[Quantile]) -> Estimate | None:
    """Over passes, each of which is one value; of one pass, the interval within it."""
    values = [one.value for one in found if one.value is not None]
    if not values or len(values) < len(found):
        return None
    return Estimate(values[0], found[0].lo, found[0].hi, (values[0],)) if len(values) == 1 else _estimate(values)


DOUBTS = (BOTTLENECK, STRAINED, "beyond_ceiling", "client_overhead", "late_sends", "other_limit")
"""Warnings of a pass after which its numbers may not be those of what was asked for."""


def doubts_of(passes: Iterable[PassSummary]) -> Iterator[Warning]:
    """What passes say against believing them, with their names."""
    for one in passes:
        for doubt in one.warnings:
            if doubt.code in DOUBTS:
                name = pass_name(one.strategy, one.pass_, one.case)
                yield msgspec.structs.replace(doubt, observed=f"{name}: {doubt.observed}")


# The strategies of a run that differ in one number


def number_of(strategy: Mapping[str, Any]) -> float | None:
    """The number of a strategy as a run's scenario has it; None where its kind has none to sweep."""
    match strategy:
        case {"kind": "semaphore", "limit": int(limit)}:
            return limit
        case {"kind": "pool", "pool": {"workers": int(workers)}}:
            return workers
        case {"kind": "token_bucket", "pacer": {"share": int() | float() as share}}:
            return round(share * 100, 6)
    return None


def swept(strategies: Iterable[Mapping[str, Any]]) -> list[tuple[str, dict[str, float]]]:
    """The kinds whose number was varied and nothing else: of each, the number by strategy, two at least."""
    groups: dict[tuple[str, bytes], dict[str, float]] = {}
    for strategy in strategies:
        if (number := number_of(strategy)) is not None:
            groups.setdefault((strategy["kind"], _all_else(strategy)), {})[strategy["name"]] = number
    return [(kind, numbers) for (kind, _), numbers in groups.items() if len(set(numbers.values())) > 1]


def _all_else(strategy: Mapping[str, Any]) -> bytes:
    """A strategy without its name and its number."""
    plain = {key: value for key, value in strategy.items() if key != "name"}
    match plain:
        case {"kind": "semaphore"}:
            plain.pop("limit", None)
        case {"kind": "pool", "pool": dict(pool)}:
            plain["pool"] = {key: value for key, value in pool.items() if key != "workers"}
        case {"kind": "token_bucket", "pacer": dict(pacer)}:
            plain["pacer"] = {key: value for key, value in pacer.items() if key != "share"}
    return msgspec.json.encode(plain, order="sorted")


def of_run(info: RunInfo, passes: Sequence[tuple[PassSummary, Columns]], *, classes: bool = True) -> tuple[Series, ...]:
    """Every series of a run: of each case, the strategies that differ in nothing but their number.

    Passes that were cut short are left out, and with them numbers of which no pass is left.
    """
    day = date.fromisoformat(info.started_at[:10])
    found: list[Series] = []
    for case, scenario in _variants(info.scenario):
        slo = msgspec.convert(scenario.get("slo") or {}, Slo, strict=False)
        times = own_times(scenario)
        several = swept(scenario["strategies"])
        for kind, numbers in several:
            by_number: dict[tuple[float, str], list[Outcomes]] = {}
            for summary, columns in passes:
                if summary.case == case and summary.stopped is None and summary.strategy in numbers:
                    one = outcomes(columns, slo, shown_time(own_times=times), summary.limits, day, classes=classes)
                    by_number.setdefault((numbers[summary.strategy], summary.strategy), []).append(one)
            found += series_of(
                tier=scenario["tier"], kind=kind, demands=slo.demands(), own_times=times, passes=by_number,
                case=case, strategy=_shared_name(kind, numbers) or (kind if len(several) > 1 else ""),
            )  # fmt: skip
    return tuple(one for one in found if len(one.points) > 1)


def _shared_name(kind: str, names: Collection[str]) -> str:
    """What strategies that differ in their number are called in common, where that says more than their kind."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False))
    shared = "".join(letter for letter, _ in alike).rstrip("-0123456789")
    return "" if shared in (kind, kind.replace("_", "-"), "token-bucket-share") else shared


def _variants(scenario: Mapping[str, Any]) -> list[tuple[str | None, dict[str, Any]]]:
    """The scenario of each case by its name, or, without cases, the scenario itself."""
    cases = scenario.get("cases", {}).items()
    return [(case, {**scenario, **changes}) for case, changes in cases] or [(None, dict(scenario))]


def own_times(scenario: Mapping[str, Any]) -> bool:
    """Whether requests come at times of their own rather than all at second 0."""
    arrivals = [scenario.get("arrivals"), *(stream.get("arrivals") for stream in scenario.get("streams") or ())]
    return any(one["kind"] != "backlog" for one in arrivals if one)


# Its file


def write(folder: Path, sweep: Sweep) -> None:
    """Write `sweep.json`."""
    write_json(folder / SWEEP, sweep)


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (folder / SWEEP).is_file()


def read(folder: Path) -> Sweep:
    """Read a sweep from its folder.  UsageError when it is none, or of another version."""
    if not is_sweep(folder):
        raise UsageError(f"{folder} is not a sweep: it has no {SWEEP}")
    return read_json(folder / SWEEP, Sweep, SCHEMA_VERSION)
