"""The recommended strategy in other circumstances: through batches, with caching, on another model, and the worse luck
that a plan should survive: longer answers, burstier arrivals, a slower service.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.planning.demand import Demand
from bench.results.alternatives import OTHERS
from bench.scenario.arrivals import Arrivals, Constant, Diurnal, Gamma, Poisson, Ramp
from bench.scenario.batches import unfit_for_batches
from bench.scenario.misfits import misfits
from bench.scenario.model import Cache, Lognormal, Scenario
from bench.scenario.strategies import Batching, Strategy
from mock_server.models import chars_per_token, describe
from mock_server.profile import PRESETS, Profile, Speed, read_profile, scaled

LONGER = 1.5
"""How many times as long answers are taken to be."""
SLOWER = 1.5
"""How many times as slow the service."""
BURSTIER = 2.0
"""How many times as uneven the gaps between arrivals; those of evenly spaced ones become as uneven as this."""


class Other(NamedTuple):
    """Another scenario to hold beside the plan's, with one strategy."""

    name: str
    kind: str
    scenario: Scenario
    strategy: Strategy
    longer: float = 1.0
    """How many times the tokens the same text has, for another model."""
    note: str = ""


def what_ifs(scenario: Scenario, strategy: Strategy) -> Iterator[Other]:
    """What a person could change.  Only what can be run: nothing that the file would be refused for."""
    through = Strategy(name="batch", kind="batch", batch=Batching(), retry=scenario.retry)
    in_batches = scenario.model_copy(update={"strategies": (through,)})
    if strategy.batch is None and not any(unfit_for_batches(in_batches)):
        yield Other("as message batches", "batches", scenario, through, note="half price; answers within 24 hours")
    live = strategy.batch is None
    if live and (cached := _cached(scenario)) is not None:
        yield Other("with prompt caching", "caching", cached, strategy, note="what prompts share is kept for 5 minutes")
    if scenario.fan_out is None and not any(stream.model for stream in scenario.streams):
        yield from _smaller(scenario, strategy)


def sensitivity(scenario: Scenario, strategy: Strategy, demand: Demand, folder: Path) -> Iterator[Other]:
    """What may turn out worse than the scenario says.  `folder` is for files that last as long as the simulation."""
    mock = scenario.mock
    longer = mock.model_copy(update={"output_factor": mock.output_factor * LONGER})
    cut = sum(one.max_tokens for one in demand.asked.values()) < LONGER * sum(
        one.output_tokens for one in demand.asked.values()
    )
    note = "max_tokens cuts many of them" if cut else ""
    yield Other("answers 50 % longer", "outputs", _with_mock(scenario, longer), strategy, note=note)
    if (bursts := _burstier(scenario)) is not None:
        yield Other("arrivals twice as uneven", "arrivals", bursts, strategy)
    if strategy.kind != "batch":
        yield Other("service 50 % slower", "service", _slower(scenario, folder), strategy)


def _cached(scenario: Scenario) -> Scenario | None:
    """With all kept that prompts share; None where that is so already, or there is nothing, or it is too short."""
    if scenario.workload is None or scenario.workload.cache is not None:
        return None
    parts = [part for part in ("tools", "system", "conversation") if scenario.workload.has(part)]
    if not parts:
        return None
    changed = scenario.model_copy(update={"workload": scenario.workload.model_copy(update={"cache": Cache()})})
    return None if any(misfits(changed)) else changed


def _smaller(scenario: Scenario, strategy: Strategy) -> Iterator[Other]:
    """The newest model of each smaller family."""
    families = [describe(name).family for name in OTHERS]
    own = describe(scenario.model).family
    smaller = OTHERS[: families.index(own)] if own in families else ()
    for name in reversed(smaller):
        changed = scenario.model_copy(update={"model": name})
        if any(misfits(changed)):
            continue
        longer = chars_per_token(scenario.model) / chars_per_token(name)
        more = "" if longer == 1 else f"; {longer:.2g} times the tokens for the same text"
        yield Other(f"with {name}", "model", changed, strategy, longer, f"quality is another matter{more}")


def _with_mock(scenario: Scenario, mock: object) -> Scenario:
    return scenario.model_copy(update={"mock": mock})


def _burstier(scenario: Scenario) -> Scenario | None:
    """None where nothing arrives at times of its own, or as recorded."""
    arrivals = _uneven(scenario.arrivals)
    streams = tuple(
        one if one.arrivals is None or (own := _uneven(one.arrivals)) is None
        else one.model_copy(update={"arrivals": own})
        for one in scenario.streams
    )  # fmt: skip
    if arrivals is None and streams == scenario.streams:
        return None
    return scenario.model_copy(update={"arrivals": arrivals or scenario.arrivals, "streams": streams})


def _uneven(arrivals: Arrivals) -> Arrivals | None:
    match arrivals:
        case Constant(rate=rate) | Poisson(rate=rate):
            return Gamma(rate=rate, burstiness=BURSTIER)
        case Gamma(burstiness=burstiness) | Ramp(burstiness=burstiness) | Diurnal(burstiness=burstiness):
            return arrivals.model_copy(update={"burstiness": burstiness * BURSTIER or BURSTIER})
    return None


def _slower(scenario: Scenario, folder: Path) -> Scenario:
    """Every time of an answer so many times as long: the fixed ones, and the profile or the presets."""
    latency = scenario.mock.latency
    known = read_profile(latency.profile) if latency.profile else Profile({})
    slower = {name: _slow(known.families.get(name, speed)) for name, speed in PRESETS.items()}
    profile = msgspec.structs.replace(known, families=slower, name="slower")
    file = folder / f"slower-{len(list(folder.iterdir()))}.json"
    file.write_bytes(msgspec.json.encode(profile))
    changes = {
        "profile": file,
        "service_time": None if latency.service_time is None else latency.service_time * SLOWER,
        "ttft": _times(latency.ttft, SLOWER),
        "tokens_per_second": _times(latency.tokens_per_second, 1 / SLOWER),
    }
    mock = scenario.mock.model_copy(update={"latency": latency.model_copy(update=changes)})
    return _with_mock(scenario, mock)


def _slow(speed: Speed) -> Speed:
    return msgspec.structs.replace(
        speed,
        ttft=scaled(speed.ttft, SLOWER),
        tokens_per_second=scaled(speed.tokens_per_second, 1 / SLOWER),
        prefill=speed.prefill * SLOWER,
    )


def _times(value: float | Lognormal | None, factor: float) -> float | Lognormal | None:
    match value:
        case Lognormal(median=median, p95=p95):
            return Lognormal(median=median * factor, p95=p95 * factor)
        case None:
            return None
    return value * factor
