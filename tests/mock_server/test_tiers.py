import pytest

from mock_server.tiers import TIERS, Limits, limits_for

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


@pytest.mark.parametrize("tier", CURRENT)
@pytest.mark.parametrize("model", ["opus-5-5", "opus-5", "opus-4-8", "sonnet-5-5", "sonnet-5", "haiku-5-5"])
def test_current_tiers(tier: str, model: str) -> None:
    assert limits_for(tier, f"claude-{model}") == Limits(*CURRENT[tier])


@pytest.mark.parametrize("tier", FABLE)
@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-mythos-5"])
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
