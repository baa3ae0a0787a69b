"""The answer sentence: which strategy to use, with the numbers that say so.

A strategy is clean when at most 1 % of its requests failed, under 1 % of its attempts were rate-limited and no pass of
it was cut short.  Of the clean ones the one that finishes first wins.  Where requests come at times of their own the
end is given by the last arrival; there the one wins that answers fastest among those that keep most requests within
the SLO.  Of several streams of traffic, the response times of the most urgent decide.  Where several models are asked
each prompt, the time to the answer decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.results.fan_out_answer import fan_out_sentences
from bench.results.format import count, dollars, seconds, share
from bench.results.intervals import typical
from bench.results.observation import observed_sentences
from bench.results.question import Question
from bench.results.summary import Distribution, PassSummary

MAX_FAILED = 0.01
MAX_RATE_LIMITED = 0.01
TIE = 0.01
"""Times within this fraction of each other, and shares within this much, are called equal."""
BINDING = 0.8
"""Share of a limit from which on it is named as what holds a strategy back."""


@dataclass(frozen=True, slots=True)
class _Strategy:
    """All passes of one strategy.  `time` is what it is judged by, in seconds, and `words` says it."""

    name: str
    passes: tuple[PassSummary, ...]
    time: float
    words: str

    def typical(self, metric: str) -> float | None:
        """What one of its passes comes to: their geometric mean."""
        return _typical(one.values[metric] for one in self.passes)

    def total(self, metric: str) -> int:
        """Sum over the passes."""
        return int(sum(one.values[metric] or 0 for one in self.passes))

    @property
    def asked(self) -> str:
        """How much it had to do."""
        if (fan_out := self.passes[0].fan_out) is not None:
            return count(fan_out.prompts, "prompt")
        return count(round(self.typical("requests") or 0), "request")

    @property
    def batched(self) -> bool:
        """Whether it uses message batches."""
        return any(one.kind in ("batch", "hybrid") for one in self.passes)

    @property
    def clean(self) -> bool:
        return all(
            (one.values["error_rate"] or 0) <= MAX_FAILED and (one.values["rate_limited_rate"] or 0) < MAX_RATE_LIMITED
            for one in self.passes
        )


def answer(question: Question, passes: Sequence[PassSummary]) -> str:
    """One to three plain sentences."""
    return " ".join(_sentences(question, passes))


def verdict(question: Question, passes: Sequence[PassSummary]) -> str:
    """The first of them, which says what to use."""
    return next(_sentences(question, passes))


def _sentences(question: Question, passes: Sequence[PassSummary]) -> Iterator[str]:
    if len(passes) == 1 and (seen := passes[0].observation) is not None:
        yield from observed_sentences(passes[0], seen)
        return
    names = dict.fromkeys(one.strategy for one in passes)
    by_name = {name: tuple(one for one in passes if one.strategy == name) for name in names}
    strategies = [
        _strategy(question, name, own)
        for name, own in by_name.items()
        if all(one.stopped is None and one.values["succeeded"] for one in own)
    ]
    clean = [strategy for strategy in strategies if strategy.clean]
    if not strategies:
        yield "Nothing can be said: no strategy came to its end with an answer."
    elif not clean:
        yield from _nothing_qualifies(strategies)
    else:
        best = min(_within_slo(clean), key=lambda strategy: strategy.time)
        others = [strategy for strategy in strategies if strategy is not best]
        yield _verdict(question, best, others)
        yield from _next_to(best, others)
        yield from _binding(best)
        yield from _through_batches(best, others)
        yield from fan_out_sentences(passes)


def _strategy(question: Question, name: str, passes: tuple[PassSummary, ...]) -> _Strategy:
    if all(one.fan_out for one in passes):
        times = [one.distributions["group_time"] for one in passes]
        return _by_times(name, passes, times, "time to the answer")
    if not question.own_times:
        time = _typical(one.values["makespan"] for one in passes) or 0.0
        return _Strategy(name, passes, time, seconds(time))
    stream = next(iter(question.streams), None)
    times = [_response_times(one, stream) for one in passes]
    return _by_times(name, passes, times, "response time" if stream is None else f"response time of {stream}")


def _by_times(name: str, passes: tuple[PassSummary, ...], times: list[Distribution], whose: str) -> _Strategy:
    p95 = _typical(one.p95.value for one in times)
    if p95 is not None:
        return _Strategy(name, passes, p95, f"p95 {whose} {seconds(p95)}")
    mean = _typical(one.mean for one in times) or 0.0
    return _Strategy(name, passes, mean, f"mean {whose} {seconds(mean)}")


def _response_times(one: PassSummary, stream: str | None) -> Distribution:
    """Of the stream that decides; of all where it has none."""
    parts = [part.distributions for part in one.streams if part.name == stream]
    return (parts[0] if parts else one.distributions)["response_time"]


def _within_slo(strategies: list[_Strategy]) -> list[_Strategy]:
    """Those that keep about as many requests within the SLO as the best; all, where there is no SLO."""
    shares = [strategy.typical("goodput_share") or 0.0 for strategy in strategies]
    return [strategy for strategy, met in zip(strategies, shares, strict=True) if met >= max(shares) - TIE]


def _verdict(question: Question, best: _Strategy, others: list[_Strategy]) -> str:
    wins = "answers fastest" if question.own_times or best.passes[0].fan_out else "finishes first"
    among = "" if all(other.clean for other in others) else " of those that get through cleanly"
    facts = [f"{best.words} for {best.asked}"]
    met, cost = best.typical("goodput_share"), best.typical("cost")
    if met is not None:
        facts.append(f"{share(met)} within the SLO")
    refused = best.total("rate_limited")
    facts.append(count(refused, "rate-limited attempt") if refused else "no 429s")
    facts.append("cost unknown" if cost is None else dollars(cost))
    return f"{best.name} {wins}{among}: {', '.join(facts)}." if others else f"{best.name}: {', '.join(facts)}."


def _next_to(best: _Strategy, others: list[_Strategy]) -> Iterator[str]:
    """The one that is faster at a price, or else the next best."""
    faster = [other for other in others if other.time < best.time * (1 - TIE)]
    if dirty := [other for other in faster if not other.clean]:
        fastest = min(dirty, key=lambda strategy: strategy.time)
        yield f"{fastest.name} is faster ({fastest.words}), but {_trouble(fastest)}."
    elif clean := [other for other in others if other.clean and not (other.batched and not best.batched)]:
        second = min(clean, key=lambda strategy: strategy.time)
        equal = abs(second.time - best.time) <= TIE * best.time
        yield f"{second.name} does as well." if equal else f"{second.name} comes next: {second.words}."


def _through_batches(best: _Strategy, others: list[_Strategy]) -> Iterator[str]:
    """What going through message batches saves beside a live strategy, and how much longer it takes; at most two."""
    spent, took = best.typical("cost"), best.typical("makespan") or 0.0
    if best.batched or not spent:
        return
    batched = [(other.typical("cost"), other) for other in others if other.clean and other.batched]
    cheaper = [(cost, other) for cost, other in batched if cost is not None and cost < spent]
    for cost, other in sorted(cheaper, key=lambda pair: pair[0])[:2]:
        ended = other.typical("makespan") or 0.0
        yield (
            f"{other.name} costs {share(1 - cost / spent)} less ({dollars(cost)}) and is done {seconds(ended - took)} "
            f"later, after {seconds(ended)}."
        )


def _binding(best: _Strategy) -> Iterator[str]:
    uses = [use for one in best.passes for use in one.limits if use.share is not None and use.share >= BINDING]
    if uses:
        most = max(uses, key=lambda use: use.share or 0.0)
        yield f"What holds it back is the limit on {most.limiter.replace('_', ' ')}: {share(most.share or 0.0)} used."


def _nothing_qualifies(strategies: list[_Strategy]) -> Iterator[str]:
    def badness(strategy: _Strategy) -> float:
        return (strategy.typical("error_rate") or 0.0) + (strategy.typical("rate_limited_rate") or 0.0)

    closest = min(strategies, key=badness)
    yield f"No strategy gets through cleanly. {closest.name} comes closest ({closest.words}), but {_trouble(closest)}."
    yield "Try fewer in flight, a token bucket, or a higher tier."


def _trouble(strategy: _Strategy) -> str:
    refused, failed = strategy.total("rate_limited"), strategy.total("failed")
    parts = []
    if failed:
        parts.append(f"{failed:,} of its {count(strategy.total('requests'), 'request')} failed")
    if refused:
        verb = "was" if refused == 1 else "were"
        parts.append(f"{refused:,} of its {count(strategy.total('attempts'), 'attempt')} {verb} refused with a 429")
    return " and ".join(parts)


def _typical(values: Iterator[float | None]) -> float | None:
    """None when any is not known."""
    every = list(values)
    known = [value for value in every if value is not None]
    if not known or len(known) < len(every):
        return None
    several = typical(known)
    return several.estimate if several else known[0]
