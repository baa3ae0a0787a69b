"""Which number to use, and in one sentence why.

A number qualifies when its goodput is within 5 % of the best, under 1 % of its attempts met a 429, and the p95 of
everything that the SLO demands lies below the demand with its whole interval.  The smallest that qualifies is
recommended: more in flight would give little and risk more.  A number at which more than 1 % of the requests fail for
good neither qualifies nor counts as best: a job of which half fails is soon done.

Where none qualifies, but of some nothing worse is known than that an interval holds the demand, it cannot be told; else
there is no answer, and every number says which condition it fails.  schema_version 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from bench.errors import PRECEDENCE, Exit
from bench.results.answer import BINDING, MAX_FAILED
from bench.results.format import count, dollars, seconds, share, three
from bench.results.health import GRAVE
from bench.results.metrics import METRICS
from bench.results.statistics import samples_needed
from bench.results.summary import Warning
from bench.results.sweep import Estimate, Point, Series

SCHEMA_VERSION = 1

NEAR = 0.05
"""By how much goodput may be below the best that was seen."""

MOST_REFUSED = 0.01
"""Share of attempts that meet a 429 from which on a number does not qualify."""

RUNNER_UP = 1.5
"""How many times as large the next number must be at least to be worth naming beside the recommended one."""

BEYOND = 1.1
"""How many times what a tier lets through for long a goodput must be before it is said to come from the burst."""

EDGE = 1.2
"""Trouble at a number that is at most this many times the recommended one is worth a warning."""

ROUNDS = 5
"""How many times as many requests as there are in flight a backlog should have."""

Verdict = Literal["ok", "failed", "unsure"]


class Check(msgspec.Struct, frozen=True):
    """One condition held against one number."""

    condition: str
    """`goodput`, `429s`, `failures`, or a metric of the SLO."""
    verdict: Verdict
    short: float
    """By how much it misses, as a share; 0 where it does not."""
    words: str
    """What was measured, such as `6 % of attempts are refused`."""


class Judged(msgspec.Struct, frozen=True):
    """One number and how it does."""

    at: float
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its checks."""
        every = {check.verdict for check in self.checks}
        return "failed" if "failed" in every else "unsure" if "unsure" in every else "ok"

    @property
    def short(self) -> float:
        """By how much it misses in all."""
        return sum(check.short for check in self.checks)

    @property
    def gives_enough(self) -> bool:
        """Whether its goodput is near the best, whatever else is wrong with it."""
        return all(check.verdict == "ok" for check in self.checks if check.condition == "goodput")

    @property
    def harmless(self) -> bool:
        """Whether nothing is wrong with it but that it may give too little."""
        return all(check.verdict == "ok" for check in self.checks if check.condition != "goodput")

    @property
    def faults(self) -> tuple[Check, ...]:
        """What it fails, or may fail."""
        return tuple(check for check in self.checks if check.verdict != "ok")


class Answer(msgspec.Struct, frozen=True):
    """What is recommended for one tier and case, or one class of their requests."""

    tier: str
    kind: str
    found: Literal["yes", "no", "unsure"]
    sentence: str
    """To be pasted."""
    judged: tuple[Judged, ...]
    """Every number, rising."""
    case: str | None = None
    of: str | None = None
    """A class of requests; None for all."""
    at: float | None = None
    """The recommended number; where there is none, None."""
    closest: float | None = None
    """Where none is recommended: the one that misses by least."""
    runner_up: float | None = None
    """What the sentence holds beside it."""
    binds: str | None = None
    """What keeps goodput from growing, in words; None where nothing did yet."""
    advice: tuple[str, ...] = ()


class Recommendation(msgspec.Struct, frozen=True):
    """The answers for a run or a sweep."""

    schema_version: int
    label: str
    """The folder."""
    answers: tuple[Answer, ...]
    exit_code: int
    """0; 99 when a tier or case has no number that qualifies, of whatever strategy, 4 when that cannot be told.
    Classes have no say.  5 when what it rests on was not valid."""
    beside: tuple[str, ...] = ()
    """Strategies that have a number on the same tier and in the same case, held beside each other in words."""
    warnings: tuple[Warning, ...] = ()
    """What speaks against believing it."""


EXITS = {"yes": Exit.OK, "no": Exit.THRESHOLDS, "unsure": Exit.INCONCLUSIVE}


def recommend(label: str, series: Sequence[Series], doubts: Sequence[Warning] = ()) -> Recommendation:
    """The answer to each series, in their order.  `doubts` are the warnings of what was measured."""
    answers = tuple(answer(one) for one in series)
    places: dict[tuple[str, str | None], list[int]] = {}
    for place, one in enumerate(answers):
        if one.of is None:
            places.setdefault((one.tier, one.case), []).append(place)
    codes = [_code([answers[place] for place in each]) for each in places.values()]
    if any(one.code in GRAVE for one in doubts):
        codes.append(Exit.NOT_VALID)
    beside = [_strategies([(series[place], answers[place]) for place in each]) for each in places.values()]
    return Recommendation(
        SCHEMA_VERSION, label, answers, int(min(codes, key=PRECEDENCE.index, default=Exit.OK)),
        tuple(filter(None, beside)), tuple(doubts),
    )  # fmt: skip


def _code(answers: Sequence[Answer]) -> Exit:
    """Of one tier and case: it is enough that one of the strategies has a number."""
    return max((EXITS[one.found] for one in answers), key=PRECEDENCE.index)


def _strategies(found: Sequence[tuple[Series, Answer]]) -> str:
    """The recommended numbers of several strategies beside each other; empty unless two have one."""
    chosen = [(series, _point(series, answer.at)) for series, answer in found if answer.at is not None]
    if len(chosen) < 2:
        return ""
    chosen.sort(key=lambda pair: -pair[1].goodput.value)
    most, least = chosen[0][1].goodput.value, chosen[-1][1].goodput.value
    case = f" (case {chosen[0][0].case})" if chosen[0][0].case else ""
    verb = "gives the most" if least < most * (1 - NEAR) else "gives hardly more than the others"
    names = [f"{one.strategy or one.kind} at {_short(one, point.at)}" for one, point in chosen]
    each = [", ".join([f"{three(point.goodput.value)} a minute", *_p95s(one, point)]) for one, point in chosen]
    others = "; ".join(f"{name} gives {facts}" for name, facts in zip(names[1:], each[1:], strict=True))
    return f"Of the strategies on {tier_name(chosen[0][0].tier)}{case}, {names[0]} {verb}: {each[0]}; {others}."


def _point(series: Series, at: float) -> Point:
    return next(point for point in series.points if point.at == at)


# The rule


def best_of(series: Series) -> Point | None:
    """The point with the highest goodput, of those at which next to nothing fails for good, if there are any."""
    sound = [point for point in series.points if point.failed <= MAX_FAILED] or series.points
    return max(sound, key=lambda point: point.goodput.value, default=None)


def judge(series: Series) -> tuple[Judged, ...]:
    """Every number held against every condition."""
    best = best_of(series)
    return tuple(
        Judged(point.at, (_goodput(series, point, best), _refused(point), _failed(point), *_times(point, series)))
        for point in series.points
    )


def chosen(judged: Sequence[Judged]) -> int | None:
    """The place of the smallest number that qualifies."""
    return next((place for place, one in enumerate(judged) if one.verdict == "ok"), None)


def _goodput(series: Series, point: Point, best: Point | None) -> Check:
    if best is None or not best.goodput.value:
        return Check("goodput", "failed", 1.0, "there is no goodput at any number")
    below = 1 - point.goodput.value / best.goodput.value
    words = "no other number gives more"
    if below > 0:
        most = f"{three(best.goodput.value)} a minute at {_short(series, best.at)}"
        words = f"goodput is {share(below)} below the best ({most})"
    return Check("goodput", "ok" if below <= NEAR else "failed", max(0.0, below - NEAR), words)


def _refused(point: Point) -> Check:
    refused = point.refused_share
    words = refused_words(point)
    return Check("429s", "ok" if refused < MOST_REFUSED else "failed", max(0.0, refused - MOST_REFUSED), words)


def _failed(point: Point) -> Check:
    words = f"{share(point.failed)} of the requests fail for good"
    verdict: Verdict = "ok" if point.failed <= MAX_FAILED else "failed"
    return Check("failures", verdict, max(0.0, point.failed - MAX_FAILED), words)


def _times(point: Point, series: Series) -> Iterator[Check]:
    for metric, demand in series.demands.items():
        p95 = point.p95.get(metric)
        name = METRICS[metric].title
        if p95 is None:
            yield Check(metric, "unsure", 1.0, f"there are too few answers for a p95 of {name}")
            continue
        lo, hi = (p95.value if bound is None else bound for bound in (p95.lo, p95.hi))
        verdict: Verdict = "ok" if hi <= demand else "failed" if lo > demand else "unsure"
        words = f"p95 {name} is {seconds(p95.value)}{_around(p95)}, of {seconds(demand)} at most"
        yield Check(metric, verdict, max(0.0, hi / demand - 1), words)


# The sentence


def answer(series: Series) -> Answer:
    """The recommendation for one series, with what speaks for it; or why there is none."""
    judged = judge(series)
    place = chosen(judged)
    if place is None:
        return _no_answer(series, judged)
    point, runner_up = series.points[place], _runner_up(series.points, place)
    said = f"Use {number_name(series, point.at)} on {_where(series)}: {_facts(series, point)}"
    if runner_up is not None:
        said += f"; {_beside(series, point, runner_up)}"
    return Answer(
        tier=series.tier,
        kind=series.kind,
        found="yes",
        sentence=f"{said}.",
        judged=judged,
        case=series.case,
        of=series.of,
        at=point.at,
        runner_up=None if runner_up is None else runner_up.at,
        binds=_binds(series),
        advice=tuple(_further(series, judged, place)),
    )


def _no_answer(series: Series, judged: tuple[Judged, ...]) -> Answer:
    unsure = [one for one in judged if one.verdict == "unsure"]
    harmless = [one for one in judged if one.harmless]
    closest = min(unsure or harmless or judged, key=lambda one: one.short)
    faults = " and ".join(check.words for check in closest.faults)
    first, last = series.points[0].at, series.points[-1].at
    if unsure:
        may = number_name(series, closest.at)
        said = f"It cannot be told which number to use on {_where(series)}: {may} may do, but {faults}"
    else:
        tried = f"from {_short(series, first)} to {number_name(series, last)}"
        gives = next(point.goodput.value for point in series.points if point.at == closest.at)
        said = (
            f"No number {tried} qualifies on {_where(series)}: {_short(series, closest.at)} comes closest with "
            f"{three(gives)} a minute, but {faults}"
        )
    return Answer(
        tier=series.tier,
        kind=series.kind,
        found="unsure" if unsure else "no",
        sentence=f"{said}.",
        judged=judged,
        case=series.case,
        of=series.of,
        closest=closest.at,
        binds=_binds(series),
        advice=tuple(_more_runs(series, closest) if unsure else _what_to_change(series, judged, closest)),
    )


def number_name(series: Series, at: float) -> str:
    """`64 in flight`, `32 workers`, `90 % of the rates`."""
    match series.kind:
        case "pool":
            return f"{at:g} workers" if at != 1 else "1 worker"
        case "token_bucket":
            return f"{share(at / 100)} of the rates"
    return f"{at:g} in flight"


def _short(series: Series, at: float) -> str:
    """A number whose unit was named before."""
    return share(at / 100) if series.kind == "token_bucket" else f"{at:g}"


def tier_name(tier: str) -> str:
    """`Start`, `Tier-2`, `limits.json`."""
    return tier if tier.endswith(".json") else tier.capitalize()


def _where(series: Series) -> str:
    """`Start`, `Start (case long)`, `Start for short answers`."""
    of = [*([f"case {series.case}"] if series.case else []), *([series.strategy] if series.strategy else [])]
    which = f" ({', '.join(of)})" if of else ""
    return f"{tier_name(series.tier)}{which}{f' for {class_name(series.of)}' if series.of else ''}"


def class_name(of: str) -> str:
    """`short answers`, or of a stream `chat requests`."""
    return f"{of} answers" if of in ("short", "medium", "long") else f"`{of}` requests"


def _facts(series: Series, point: Point) -> str:
    within = " within the SLO" if series.demands else ""
    facts = [f"{three(point.goodput.value)} a minute{within}", *_p95s(series, point)]
    if point.cost_per_success is not None:
        facts.append(f"{_price(point.cost_per_success)} each")
    return ", ".join(facts)


def _p95s(series: Series, point: Point) -> Iterator[str]:
    """The p95 of the demand that is met most narrowly, or of the time that is shown where there is no SLO."""
    known = {metric: p95 for metric in series.demands if (p95 := point.p95.get(metric)) is not None}
    metric = max(known, key=lambda name: known[name].value / series.demands[name], default=series.time)
    p95 = point.p95.get(metric)
    if p95 is not None:
        answers = count(point.succeeded, "request")
        yield f"p95 {METRICS[metric].title} {seconds(p95.value)}{_around(p95, answers)}"


def _around(p95: Estimate, *more: str) -> str:
    """Its interval in brackets, with what else is to stand there: ` (1.31-1.46, 1,997 requests)`."""
    inside = [interval(p95), *more]
    return f" ({', '.join(filter(None, inside))})" if any(inside) else ""


def interval(estimate: Estimate) -> str:
    """`1.31-1.46`, in the unit of the value beside it; with units where they differ; nothing where there is none."""
    if estimate.lo is None or estimate.hi is None or estimate.lo == estimate.hi:
        return ""
    value, lo, hi = (seconds(one) for one in (estimate.value, estimate.lo, estimate.hi))
    unit = value.rpartition(" ")[2]
    ends = [one.removesuffix(f" {unit}") for one in (lo, hi)]
    same = all(one.endswith(f" {unit}") and " " not in end for one, end in zip((lo, hi), ends, strict=True))
    return f"{ends[0]}-{ends[1]}" if same else f"{lo} to {hi}"


def _price(value: float) -> str:
    """Dollars of one request: four decimals where cents are too coarse."""
    return f"${value:.4f}" if 0.001 <= value < 0.1 else dollars(value)


def _runner_up(points: Sequence[Point], place: int) -> Point | None:
    """The next larger number that is worth naming; the largest, or where there is none the next smaller."""
    larger = points[place + 1 :]
    if larger:
        return next((point for point in larger if point.at >= RUNNER_UP * points[place].at), larger[-1])
    return points[place - 1] if place else None


def _beside(series: Series, recommended: Point, other: Point) -> str:
    """What another number would give."""
    changed = other.goodput.value / recommended.goodput.value - 1 if recommended.goodput.value else 0.0
    verb = "rises" if changed > 0 else "falls"
    goodput = f"goodput {verb} {share(abs(changed))}" if abs(changed) >= 0.005 else "goodput is the same"
    trouble = f" and {refused_words(other)}" if other.refused_share or recommended.refused_share else ""
    binding = _binds(series)
    because = f" ({binding})" if binding and other.at > recommended.at else ""
    return f"at {_short(series, other.at)} {goodput}{trouble}{because}"


def refused_words(point: Point) -> str:
    """`6 % of attempts are refused`, or `no attempt is refused`."""
    return f"{share(point.refused_share)} of attempts are refused" if point.refused else "no attempt is refused"


LIMITS = {
    "requests": "requests per minute",
    "input_tokens": "input tokens per minute",
    "output_tokens": "output tokens per minute",
    "acceleration": "the limit on how fast use may rise",
    "concurrency": "the limit on connections",
    "rate_limited": "a limit that was not named",
}
"""Limits in words, by the cause of the 429 that they lead to."""


def _binds(series: Series) -> str | None:
    """What holds goodput back at the largest numbers: the limit that refused most, or was used most, or what comes."""
    last = series.points[-1]
    if last.refused:
        limit = max(last.refused, key=last.refused.__getitem__)
        return f"{LIMITS[limit]} bind"
    used = max(last.uses, key=last.uses.__getitem__, default=None)
    if used is not None and last.uses[used] >= BINDING:
        return f"{LIMITS[used]} bind"
    if series.own_times and len(series.points) > 1 and series.points[-2].goodput.value >= last.goodput.value * 0.99:
        return "no more requests come"
    return None


def _further(series: Series, judged: Sequence[Judged], place: int) -> Iterator[str]:
    """What a reader should know beside the sentence."""
    point = series.points[place]
    if series.of is None:
        yield from _of_a_short_job(series, point)
    before = [one for one in judged[:place] if one.verdict == "unsure"]
    if before:
        yield (
            f"{before[0].at:g} may do as well, but {before[0].faults[0].words}: more seeds or more requests would tell."
        )
    beyond = series.points[place + 1] if place + 1 < len(series.points) else point
    if beyond.refused_share >= MOST_REFUSED and beyond.at <= EDGE * point.at:
        yield (
            f"That is close to the edge: at {_short(series, beyond.at)}, {refused_words(beyond)}. In life take a "
            "little less, or keep under the rates (token_bucket)."
        )
    if place == len(series.points) - 1 and not (series.kind == "token_bucket" and point.at == 100):
        yield (
            f"{number_name(series, point.at)} is the largest that was tried, and goodput may rise further: "
            "try larger ones."
        )


def _of_a_short_job(series: Series, point: Point) -> Iterator[str]:
    """Where what was measured holds for so small a job alone."""
    requests = count(point.requests // point.passes, "request")
    if series.bound is not None and point.goodput.value > BEYOND * series.bound[0]:
        rate, limiter = series.bound
        yield (
            f"For long, {tier_name(series.tier)} lets {three(rate)} a minute through ({LIMITS[limiter]}): these "
            f"{requests} end while the first burst lasts. More requests would tell of steady use."
        )
    elif not series.own_times and series.kind != "token_bucket" and point.requests < ROUNDS * point.at * point.passes:
        yield (
            f"{requests} are fewer than {ROUNDS} rounds of {point.at:g}: how they begin and end weighs as much as how "
            "they go on. More requests would tell of steady use."
        )


def _more_runs(series: Series, closest: Judged) -> Iterator[str]:
    """What it takes to tell."""
    point = next(one for one in series.points if one.at == closest.at)
    if any(point.p95.get(metric) is None for metric in series.demands):
        yield f"A p95 needs {samples_needed(0.95)} answers a pass: send more requests."
    else:
        yield "More seeds, or more requests a pass, make the interval narrower; or ask for a little less."


def _what_to_change(series: Series, judged: Sequence[Judged], closest: Judged) -> Iterator[str]:
    """What would have to be different for a number to qualify."""
    missed = {check.condition for check in closest.faults}
    for metric, demand in series.demands.items():
        reached = [p95 for point in series.points if (p95 := point.p95.get(metric)) is not None]
        least = min((one.value if one.hi is None else one.hi for one in reached), default=None)
        if least is not None and least > demand:
            yield (
                f"No number keeps p95 {METRICS[metric].title} below {seconds(demand)}: allow {seconds(least)}, or take "
                "a faster model or shorter answers."
            )
    if not any(point.goodput.value for point in series.points):
        yield "Nothing succeeds within the SLO at any number: look at the failures, or at the SLO."
    if series.of is None:
        yield from _of_a_short_job(series, next(point for point in series.points if point.at == closest.at))
    harmless = [one.at for one in judged if one.harmless]
    if not harmless and missed & {"429s", "failures"}:
        yield f"Even {number_name(series, series.points[0].at)} is too much: try less, or a higher tier."
    elif harmless and max(harmless) < series.points[-1].at:
        paced = "" if series.kind == "token_bucket" else " by keeping under the rates (token_bucket), or"
        yield (
            f"Up to {_short(series, max(harmless))} nothing else is wrong. More comes through cleanly{paced} on a "
            "higher tier."
        )
