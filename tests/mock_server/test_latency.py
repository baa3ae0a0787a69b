"""What makes answers slower or faster: the prompt, the load, the hour, a measured profile."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mock_server.engine import EPOCH, Engine
from mock_server.latency import BUSIEST_HOUR
from mock_server.models import text_of_tokens
from mock_server.profile import PRESETS, Profile, Speed, read_profile
from mock_server.settings import Settings

MODEL = "claude-haiku-4-5"
STEADY: dict[str, Any] = {"tier": "unlimited", "ttft": (1.0, 1.0), "tokens_per_second": (100.0, 100.0)}


def ask(tokens: int = 1, model: str = MODEL, **more: object) -> dict[str, Any]:
    said = {"role": "user", "content": text_of_tokens(tokens, model)}
    return {"model": model, "max_tokens": 1_000, "messages": [said], **more}


def times(settings: Settings, params: dict[str, Any], now: float = 0.0, *, epoch: float = EPOCH) -> tuple[float, float]:
    """Seconds to the first token, and to the end, of an answer of 101 tokens."""
    plan = Engine(settings, epoch=epoch).handle(params, now, key=(1, 2, 3), output_tokens=101)
    return plan.first_token - now, plan.ended - now


@pytest.mark.parametrize("family", PRESETS)
def test_a_longer_prompt_takes_longer(family: str) -> None:
    model = f"claude-{family}-5-5" if family != "fable" else "claude-fable-5"
    short, plain, long = (times(Settings(tier="unlimited"), ask(n, model))[0] for n in (10, 1_000, 21_000))
    assert short == plain
    assert long - short == pytest.approx(20 * PRESETS[family].prefill)


def test_a_given_time_to_first_token_is_for_all_prompts() -> None:
    assert times(Settings(**STEADY), ask(100_000)) == (1.0, 2.0)


def test_a_fixed_service_time_is_fixed() -> None:
    busy = Settings(tier="unlimited", service_time=4.0, load=10.0, daily_swing=0.9)
    engine = Engine(busy)
    assert {engine.handle(ask(n), 0.0).ended for n in (1, 5, 50_000)} == {4.0}


def test_answers_slow_each_other_down() -> None:
    engine = Engine(Settings(**STEADY, load=0.5))
    plans = [engine.handle(ask(), 0.0, key=(1, n, 1), output_tokens=101) for n in range(101)]
    assert plans[0].ended == pytest.approx(2.0)
    assert plans[100].ended == pytest.approx(3.0)
    later = engine.handle(ask(), 10.0, output_tokens=101)
    assert later.ended - 10.0 == pytest.approx(2.0), "the others have ended"


def test_the_hour_matters() -> None:
    midnight = EPOCH - EPOCH % 86_400
    settings = Settings(**STEADY, daily_swing=0.25)
    busiest, quietest = (
        times(settings, ask(), epoch=midnight + hour * 3_600)[1] for hour in (BUSIEST_HOUR, BUSIEST_HOUR - 12)
    )
    assert (busiest, quietest) == pytest.approx((2.5, 1.5))
    later = times(settings, ask(), 12 * 3_600.0, epoch=midnight + BUSIEST_HOUR * 3_600)
    assert later[1] == pytest.approx(1.5)


def test_fast_speed_is_of_tokens_not_of_the_first() -> None:
    plain, fast = (
        times(Settings(**STEADY), ask(model="claude-opus-4-8", speed=speed)) for speed in ("standard", "fast")
    )
    assert plain == (1.0, 2.0)
    assert fast == pytest.approx((1.0, 1.4))


def test_a_profile_replaces_the_presets(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text('{"name": "ours", "families": {"haiku": {"ttft": [2, 2], "tokens_per_second": [50, 50]}}}')
    profile = read_profile(path)
    assert times(Settings(tier="unlimited", profile=profile), ask(50_000)) == (2.0, 4.0)
    sonnet = ask(model="claude-sonnet-4-5")
    assert times(Settings(profile=profile), sonnet) == times(Settings(), sonnet)
    travelled = msgspec.json.decode(msgspec.json.encode(Settings(profile=profile)), type=Settings)
    assert travelled.profile == Profile({"haiku": Speed((2, 2), (50, 50))}, "ours")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{}", "families"),
        ('{"families": {"gpt": {"ttft": [1, 2], "tokens_per_second": [1, 2]}}}', "gpt"),
        ('{"families": {"opus": {"ttft": [2, 1], "tokens_per_second": [1, 2]}}}', "ttft"),
        ('{"families": {"opus": {"ttft": [1, 2], "tokens_per_second": [1, 2], "prefill": -1}}}', "prefill"),
        ("{", "ours.json"),
    ],
)
def test_a_profile_that_is_none_is_named(tmp_path: Path, said: str, words: str) -> None:
    path = tmp_path / "ours.json"
    path.write_text(said)
    with pytest.raises(ValueError, match=r"^ours\.json: .*") as caught:
        read_profile(path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"load": -1.0},
        {"daily_swing": 1.0},
        {"ping_interval": 0.0},
        {"tool_use_rate": 1.5},
        {"chars_per_token": {"opus": 0.5}},
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
