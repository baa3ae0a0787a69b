"""Measured speeds: their distributions, what binds them together, their versions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mock_server.engine import Engine
from mock_server.latency import draw_pace
from mock_server.models import text_of_tokens
from mock_server.profile import SCHEMA_VERSION, Distribution, Profile, Quantiles, Speed, read_profile, value_at
from mock_server.rng import Draws
from mock_server.settings import Settings

MODEL = "claude-haiku-4-5"


def profile(
    ttft: Distribution = (1.0, 1.0),
    tokens_per_second: Distribution = (100.0, 100.0),
    correlation: float = 0.0,
    length: Distribution | None = None,
) -> Profile:
    return Profile({"haiku": Speed(ttft, tokens_per_second, correlation=correlation, length=length)})


def paces(settings: Settings, many: int = 4_000) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Times to first token and rates that are drawn."""
    drawn = [draw_pace(Draws(7, number), "haiku", settings) for number in range(many)]
    first, rate = zip(*((one.first_token, 1 / one.interval) for one in drawn if one is not None), strict=True)
    return np.array(first), np.array(rate)


def test_without_a_profile_everything_is_drawn_as_it_always_was() -> None:
    for number in range(50):
        draws = Draws(3, number)
        first, rate = draws.lognormal(0.55, 1.6), draws.lognormal(110.0, 180.0)
        pace = draw_pace(Draws(3, number), "haiku", Settings())
        assert pace is not None
        assert (pace.first_token, pace.interval) == (first, 1 / rate)


SHAPES: dict[str, Callable[[Any], Any]] = {
    "gamma": stats.gamma(3, scale=0.3).ppf,
    "two modes": lambda shares: np.where(shares < 0.6, 0.5 + shares, 5 + shares),
    "pareto": stats.pareto(2.5).ppf,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_table_draws_from_a_distribution_of_any_shape(shape: str) -> None:
    shares = np.array([0.0005, *np.arange(1, 100) / 100, 0.9995])
    values = SHAPES[shape](shares)
    shares[0], shares[-1] = 0, 1
    table = Quantiles(tuple(zip(shares.tolist(), values.tolist(), strict=True)))
    drawn, _ = paces(Settings(profile=profile(ttft=table)))
    for share in (0.1, 0.5, 0.75, 0.95):
        at = np.interp(share, shares, values)
        assert (drawn <= at).mean() == pytest.approx(share, abs=0.02)
    assert values[0] <= drawn.min() < drawn.max() <= values[-1]


@given(
    values=st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=12).map(sorted),
    share=st.floats(0, 1),
    further=st.floats(0, 1),
)
def test_a_table_never_falls_and_keeps_to_its_ends(values: list[float], share: float, further: float) -> None:
    table = Quantiles(tuple((place / (len(values) - 1), value) for place, value in enumerate(values)))
    low, high = sorted((share, further))
    edge = 1e-9 * values[-1]
    assert values[0] - edge <= table.at(low) <= table.at(high) + edge <= values[-1] + 2 * edge
    for share, value in table.quantiles:
        assert table.at(share) == pytest.approx(value)


@pytest.mark.parametrize("wanted", [-0.8, 0.0, 0.5])
def test_the_two_are_as_correlated_as_told(wanted: float) -> None:
    told = profile(ttft=(0.5, 1.5), tokens_per_second=(100.0, 150.0), correlation=wanted)
    first, rate = paces(Settings(profile=told))
    assert np.corrcoef(np.log(first), np.log(rate))[0, 1] == pytest.approx(wanted, abs=0.04)
    assert np.median(rate) == pytest.approx(100, rel=0.02), "the one alone is as before"
    assert np.quantile(rate, 0.95) == pytest.approx(150, rel=0.03)


def test_what_begins_late_may_be_slow_altogether() -> None:
    first, rate = paces(Settings(profile=profile(ttft=(1.0, 2.0), tokens_per_second=(10.0, 20.0), correlation=-1.0)))
    assert first * rate == pytest.approx(10.0)


def ask(settings: Settings, expected: int, number: int = 1) -> int:
    said = {"role": "user", "content": text_of_tokens(5, MODEL)}
    params = {"model": MODEL, "max_tokens": 10_000, "messages": [said]}
    return Engine(settings).handle(params, 0.0, key=(number,), output_tokens=expected).usage.output_tokens


def test_answers_are_longer_or_shorter_than_expected() -> None:
    assert ask(Settings(tier="unlimited", profile=profile()), 200) == 200
    assert ask(Settings(tier="unlimited", profile=profile(length=(1.5, 1.5))), 200) == 300
    assert ask(Settings(tier="unlimited", profile=profile(length=(0.001, 0.001))), 200) == 1
    varied = Settings(tier="unlimited", profile=profile(length=(1.0, 2.0)))
    lengths = [ask(varied, 200, number) for number in range(400)]
    assert np.median(lengths) == pytest.approx(200, rel=0.08)


def test_a_measured_load_holds_unless_the_settings_name_one() -> None:
    slowed = msgspec.structs.replace(profile(), load=1.0)

    def last_of(settings: Settings) -> float:
        engine = Engine(settings)
        params = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "a"}]}
        return [engine.handle(params, 0.0, key=(n,), output_tokens=101).ended for n in range(101)][-1]

    assert last_of(Settings(tier="unlimited", profile=slowed)) == pytest.approx(4.0)
    assert last_of(Settings(tier="unlimited", profile=slowed, load=0.5)) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[[0, 1]]", "rise from 0 to 1"),
        ("[[0, 1], [0.5, 2]]", "rise from 0 to 1"),
        ("[[0, 1], [0.5, 2], [0.5, 3], [1, 4]]", "rise from 0 to 1"),
        ("[[0, 0], [1, 2]]", "above 0 and not fall"),
        ("[[0, 2], [1, 1]]", "above 0 and not fall"),
        ("[[0, 1], [1]]", "length 2"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, said: str, words: str) -> None:
    path = tmp_path / "ours.json"
    path.write_text(f'{{"families": {{"haiku": {{"ttft": {{"quantiles": {said}}}, "tokens_per_second": [1, 2]}}}}}}')
    with pytest.raises(ValueError, match=r"^ours\.json: .*") as caught:
        read_profile(path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ('"load": -1', "load"),
        ('"beside": {"faults": {"overloaded": {"rate": 2}}}', "rate"),
        ('"families": {"haiku": {"ttft": [1, 1], "tokens_per_second": [1, 1], "correlation": 2}}', "correlation"),
        ('"families": {"haiku": {"ttft": [1, 1], "tokens_per_second": [1, 1], "length": [2, 1]}}', "length"),
    ],
)
def test_values_that_make_no_sense_are_named(tmp_path: Path, beside: str, words: str) -> None:
    path = tmp_path / "ours.json"
    path.write_text(f'{{"families": {{}}, {beside}}}')
    with pytest.raises(ValueError, match=words):
        read_profile(path)


def test_a_profile_of_another_version_is_refused_before_all_else(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text('{"schema_version": 9, "families": {"haiku": {"shape": "weibull"}}, "more": 1}')
    with pytest.raises(ValueError, match=rf"has schema version 9, and versions 1 to {SCHEMA_VERSION} are read here"):
        read_profile(path)
    with pytest.raises(ValueError, match="schema version 0"):
        Profile({}, schema_version=0)


def test_a_lognormal_value_is_where_its_normal_one_is() -> None:
    assert value_at((2.0, 6.0), 0.0) == 2.0
    assert value_at((2.0, 6.0), stats.norm.ppf(0.95)) == pytest.approx(6.0)
    assert math.log(value_at((2.0, 6.0), 1.0) / 2) == pytest.approx(math.log(3) / stats.norm.ppf(0.95))
