import json
import re
from pathlib import Path
from typing import Any

import pytest

from mock_server.engine import Engine
from mock_server.models import MODELS
from mock_server.settings import Settings
from mock_server.tiers import TIERS, Limits, find_tier, limits_for

M = 1_000_000
CURRENT = {"start": (1_000, 2 * M, 400_000), "build": (5_000, 5 * M, M), "scale": (10_000, 10 * M, 2 * M)}
FABLE = {"start": (1_000, 500_000, 100_000), "build": (2_000, 1_500_000, 300_000), "scale": (4_000, 4 * M, 800_000)}
LEGACY = {
    "tier-1": (50, 30_000, 8_000),
    "tier-2": (1_000, 450_000, 90_000),
    "tier-3": (2_000, 800_000, 160_000),
    "tier-4": (4_000, 2 * M, 400_000),
}
LEGACY_HAIKU = {
    "tier-1": (50, 50_000, 10_000),
    "tier-2": (1_000, 450_000, 90_000),
    "tier-3": (2_000, M, 200_000),
    "tier-4": (4_000, 4 * M, 800_000),
}
TUTORIAL = {
    "tutorial-1": (50, 40_000),
    "tutorial-2": (1_000, 80_000),
    "tutorial-3": (2_000, 160_000),
    "tutorial-4": (4_000, 400_000),
}


OWN_ROW = [model for model in MODELS if "fable" in model or "mythos" in model]


@pytest.mark.parametrize("tier", CURRENT)
@pytest.mark.parametrize("model", [model for model in MODELS if model not in OWN_ROW])
def test_current_tiers(tier: str, model: str) -> None:
    assert limits_for(tier, model) == Limits(*CURRENT[tier])


@pytest.mark.parametrize("tier", FABLE)
@pytest.mark.parametrize("model", OWN_ROW)
def test_fable_and_mythos_have_their_own_rows(tier: str, model: str) -> None:
    assert limits_for(tier, model) == Limits(*FABLE[tier])


@pytest.mark.parametrize("tier", LEGACY)
def test_legacy_tiers(tier: str) -> None:
    for model in ("claude-sonnet-4-5", "claude-opus-4-6"):
        assert limits_for(tier, model) == Limits(*LEGACY[tier])
    assert limits_for(tier, "claude-haiku-4-5") == Limits(*LEGACY_HAIKU[tier])


@pytest.mark.parametrize(("tier", "row"), TUTORIAL.items())
def test_tutorial_tiers_put_their_one_token_limit_on_input_and_on_output(tier: str, row: tuple[int, int]) -> None:
    requests, tokens = row
    assert limits_for(tier, "claude-sonnet-4-6") == Limits(requests, tokens, tokens)


def test_unlimited_has_no_limits() -> None:
    assert limits_for("unlimited", "claude-sonnet-5-5") == Limits(None, None, None)


def test_every_tier_is_dated_and_explained() -> None:
    assert all(tier.name == name and tier.as_of.year == 2026 and tier.meaning for name, tier in TIERS.items())
    assert {name: TIERS[name].spend_cap_usd for name in CURRENT} == {"start": 500, "build": 1_000, "scale": 200_000}


def test_an_unknown_tier_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        limits_for("evaluation", "claude-sonnet-5-5")


def test_limits_of_batches_and_of_counting_tokens() -> None:
    batches = {name: (tier.batch_requests, tier.batch_queue, tier.token_counts) for name, tier in TIERS.items()}
    assert batches["start"] == (1_000, 200_000, 2_000)
    assert batches["build"] == (2_000, 300_000, 4_000)
    assert batches["scale"] == (4_000, 500_000, 8_000)
    assert batches["tier-1"] == (50, 100_000, None)
    assert batches["tier-4"] == (4_000, 500_000, None)
    assert batches["unlimited"] == (None, None, None)


def group(kind: str, models: list[str] | None, *values: int, new: bool = False) -> dict[str, Any]:
    names = {
        "model_group": ["requests_per_minute", "input_tokens_per_minute", "output_tokens_per_minute"],
        "batch": ["enqueued_batch_requests", "requests_per_minute"],
        "token_count": ["requests_per_minute"],
    }
    limits = [{"type": name, "value": value} for name, value in zip(names.get(kind, []), values, strict=False)]
    shape = {"group": {"id": "rlg_1", "type": kind}} if new else {"group_type": kind}
    return {"type": "rate_limit", "models": models, "limits": limits, **shape}


def write(folder: Path, content: object) -> str:
    path = folder / "limits.json"
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("new", [False, True])
def test_a_file_with_the_answer_of_the_rate_limits_api_is_a_tier(tmp_path: Path, new: bool) -> None:
    answer = {
        "data": [
            group("model_group", ["claude-opus-4-5-20251101", "claude-opus-4-5", "claude-opus-4-8"], 9, 80, 7, new=new),
            group("model_group", ["claude-opus-5-5"], 6, 500, new=new),
            group("model_group", ["claude-haiku-9"], 1, 2, 3, new=new),
            group("batch", None, 111, 5, new=new),
            group("token_count", None, 7, new=new),
            group("files", None, 500, new=new),
        ],
        "next_page": None,
    }
    path = write(tmp_path, answer)
    tier = find_tier(path)
    assert (tier.name, tier.batch_queue, tier.batch_requests, tier.token_counts) == (path, 111, 5, 7)
    assert limits_for(path, "claude-opus-4-5-20251101") == limits_for(path, "claude-opus-4-8") == Limits(9, 80, 7)
    assert limits_for(path, "claude-opus-5-5") == Limits(6, 500, None)
    assert limits_for(path, "claude-haiku-9") == Limits(1, 2, 3)
    assert limits_for(path, "claude-sonnet-5-5") == Limits()
    assert Settings(tier=path).tier == path


def test_models_share_buckets_as_the_file_says(tmp_path: Path) -> None:
    answer = {"data": [group("model_group", [f"claude-fable-5-{n}"], 1, 10_000, 10_000) for n in (1, 2)]}
    engine = Engine(Settings(tier=write(tmp_path, answer)))
    ask = {"max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    statuses = [engine.handle({**ask, "model": f"claude-fable-5-{n}"}, 0.0).status for n in (1, 1, 2, 2)]
    assert statuses == [200, 429, 200, 429]


def test_cache_aware_and_plain_input_limits_are_the_same_limiter(tmp_path: Path) -> None:
    entry = group("model_group", ["claude-opus-5-5"], 1)
    entry["limits"] += [
        {"type": "input_tokens_per_minute_cache_aware", "value": 30},
        {"type": "input_tokens_per_minute", "value": 40},
    ]
    assert limits_for(write(tmp_path, {"data": [entry]}), "claude-opus-5-5") == Limits(1, 30, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "array"),
        ({"data": []}, "no entries"),
        ({"data": [{"limits": []}]}, "data.0"),
        ({"data": [group("model_group", None, 5)]}, "data.0.models"),
        ({"data": [group("model_group", ["claude-opus-5"], 0)]}, "data.0.limits"),
        ({"data": [group("model_group", ["claude-opus-5"], 5)] * 2}, "claude-opus-5 is in data.0"),
        ({"data": [group("batch", None, 5)], "next_page": "abc"}, "next_page"),
        ({"data": [{"group_type": "batch", "limits": [{"type": "x", "value": "5"}]}]}, "value"),
    ],
)
def test_a_wrong_file_is_said_clearly(tmp_path: Path, content: object, words: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        Settings(tier=path)
    assert path in str(caught.value)


def test_a_file_that_is_not_there_is_said_clearly() -> None:
    with pytest.raises(ValueError, match=r"nowhere.json: No such file"):
        Settings(tier="nowhere.json")
    with pytest.raises(ValueError, match=r"gold.*start.*\.json"):
        Settings(tier="gold")
