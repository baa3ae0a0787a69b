"""A scenario as an observation: a few of its requests again and again, to see how answers change with the time of day.

It is a run like any other, with arrivals of its own: its records, its budget and its report are those of a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

from bench import api
from bench.clock import utc_now
from bench.errors import UsageError
from bench.results.format import count, dollars, seconds
from bench.scenario.model import Rounds, Scenario
from bench.scenario.units import DURATION
from bench.spending import worst_of
from bench.workload.requests import requests_of

EVERY, FOR, REQUESTS = 900.0, 86_400.0, 3
"""A few requests each quarter of an hour, for a day."""

MOST_ROUNDS = 100_000


def observed(
    name_or_path: str,
    *,
    every: str | None = None,
    for_: str | None = None,
    requests: int | None = None,
    flags: Mapping[str, str] = {},
    settings: Sequence[str] = (),
) -> Scenario:
    """The scenario with its requests in rounds: `requests` of them every so often for so long.

    What is left out is what the scenario's own rounds say.  Of one without rounds the workload alone is taken: the
    requests of a round go at once, through no strategy.  Raises UsageError for a scenario of which nobody could say
    what a round is, ScenarioError for what is wrong with its file.
    """
    scenario = api.load(name_or_path, flags=flags, settings=settings)
    _refuse_several(scenario)
    assert scenario.workload is not None
    own = scenario.arrivals if isinstance(scenario.arrivals, Rounds) else None
    apart = _seconds("--every", every) or (own.every if own else EVERY)
    long = _seconds("--for", for_) or (own and scenario.workload.duration) or FOR
    many = requests or (own.requests if own else REQUESTS)
    rounds = math.ceil(long / apart)
    if rounds > MOST_ROUNDS:
        raise UsageError(f"{rounds:,} rounds are more than {MOST_ROUNDS:,}", "Lengthen --every or shorten --for.")
    changes = {
        "arrivals": f"{{rounds: {{every: {DURATION.write(apart)}, requests: {many}}}}}",
        "workload.duration": DURATION.write(long),
        "workload.requests": str(rounds * many),
        "repeat": "1",
        **({} if own else _another_question(scenario)),
    }
    return api.load(name_or_path, flags={**flags, **changes}, settings=settings)


def announcement(scenario: Scenario) -> str:
    """What an observation is going to send, and the most it can cost."""
    rounds, workload = scenario.arrivals, scenario.workload
    assert isinstance(rounds, Rounds)
    assert workload is not None
    assert workload.requests is not None
    one_round = islice(requests_of(scenario), rounds.requests)
    most = sum(worst_of(spec, utc_now().date()) for spec in one_round) * workload.requests / rounds.requests
    cost = {"sim": "free", "mock": "free"}.get(scenario.target, f"at most {dollars(most)} without retries")
    return (
        f"{count(workload.requests / rounds.requests, 'round')} of {count(rounds.requests, 'request')}, one every "
        f"{seconds(rounds.every)} for {seconds(workload.duration or 0.0)}: {cost}"
    )


def _refuse_several(scenario: Scenario) -> None:
    """Refuse what has no few requests that could stand for all."""
    several = {
        "cases": scenario.cases,
        "streams": scenario.streams,
        "fan_out": scenario.fan_out,
        "conversations": scenario.workload and scenario.workload.conversations,
    }
    if found := [key for key, value in several.items() if value]:
        raise UsageError(
            f"{scenario.name} has {' and '.join(found)}: no few requests stand for all of it",
            "Drop the cases with --set cases={}."
            if found == ["cases"]
            else "Observe a scenario with one workload and one model, such as time-of-day.",
        )


def _another_question(scenario: Scenario) -> dict[str, str]:
    """What makes a scenario that asks which strategy to use ask about the time of day."""
    return {
        "question": f'"At what time of the day are the answers of {scenario.name} slow?"',
        "claim": "null",
        "strategies": "[gather]",
        "thresholds": "{}",
    }


def _seconds(flag: str, written: str | None) -> float | None:
    if written is None:
        return None
    try:
        value = DURATION.parse(written)
    except ValueError as problem:
        raise UsageError(f"{flag}: {problem}") from None
    if not value:
        raise UsageError(f"{flag}: expected more than {written}")
    return value
