"""All stripes together are the workload: every request once, and the same as if one process had sent it."""

from __future__ import annotations

import msgspec
import pytest

from bench.request import RequestSpec
from bench.scenario.load import load, shipped
from bench.scenario.model import Scenario
from bench.workload.requests import sources_of, warmup_of
from bench.workload.stripe import WHOLE, Stripe

CHANGES = {
    "one-million": {"workload.requests": "500"},
    "chat-users": {"workload.requests": "200"},
}


def _scenario(name: str) -> Scenario:
    [path] = [entry.path for entry in shipped() if entry.name == name]
    return load(path, overrides=CHANGES.get(name, {}))


def _sent(scenario: Scenario, stripe: Stripe, most: int = 400) -> dict[int, RequestSpec]:
    """The requests of a stripe, with what follows on answers that come a second after they were due."""
    sent: dict[int, RequestSpec] = {}
    for source in sources_of(scenario, "pass", stripe):
        coming = [*zip(range(most), source.arrivals, strict=False)]
        waiting = [placed for _, placed in coming]
        while waiting and len(sent) < 5 * most:
            place, arrival = waiting.pop(0)
            spec = source.spec(place, arrival)
            assert spec.seq not in sent
            # Whether a cache was written is learned from answers, those that a worker has had itself.
            sent[spec.seq] = msgspec.structs.replace(spec, cached_tokens=0)
            if source.after is not None:
                waiting.extend(source.after(place, arrival.at + 1.0, True))
    return sent


@pytest.mark.parametrize("many", [2, 3])
@pytest.mark.parametrize(
    "name",
    ["summarize-100", "classify-500", "chat-with-history", "agents-growing-context", "fan-out-three-models",
     "interactive-and-background"],
)  # fmt: skip
def test_stripes_are_the_whole(name: str, many: int) -> None:
    _, scenario = _scenario(name).variants[0]
    whole = _sent(scenario, WHOLE)
    parts = [_sent(scenario, Stripe(first, many)) for first in range(many)]
    together = {seq: spec for part in parts for seq, spec in part.items()}
    assert sum(map(len, parts)) == len(together), "nothing is sent by two"
    common = whole.keys() & together.keys()
    assert len(common) >= 0.4 * len(whole)
    assert {seq: together[seq] for seq in common} == {seq: whole[seq] for seq in common}
    assert all(parts), "every worker has something to do"
    if len(whole) < 400:
        assert together == whole


def test_users_stay_with_their_worker() -> None:
    _, scenario = _scenario("chat-users").variants[0]
    [arrivals] = {type(scenario.arrivals)}
    assert arrivals.__name__ == "Users"
    count = scenario.arrivals.count  # type: ignore[union-attr]
    for first in range(3):
        assert {seq % count % 3 for seq in _sent(scenario, Stripe(first, 3))} == {first}


def test_models_that_are_asked_the_same_have_the_same_worker() -> None:
    _, scenario = _scenario("fan-out-three-models").variants[0]
    groups = [{spec.group for spec in _sent(scenario, Stripe(first, 2)).values()} for first in range(2)]
    assert not groups[0] & groups[1]


def test_warm_up_is_divided_too() -> None:
    scenario = _scenario("summarize-100")
    scenario = scenario.model_copy(update={"warmup": scenario.warmup.model_copy(update={"requests": 5})})
    numbers = [[spec.seq for spec in warmup_of(scenario, Stripe(first, 2))] for first in range(2)]
    assert numbers == [[-1, -3, -5], [-2, -4]]
