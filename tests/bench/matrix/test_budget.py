"""The budget is never broken, by the server's own books, and is used up when there is work to use it for."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median

import pytest
from drawn import KINDS_OF_STRATEGY, Dice, scenario_of, strategy_of
from many import results_of
from played import Played, check, play, written

from bench.errors import Exit

SAMPLE, ALL = range(60), range(1_000)

TOKENIZERS: tuple[dict[str, float], ...] = (
    {},
    {"claude-sonnet-5": 1.0, "claude-haiku-5-5": 2.0, "claude-opus-5-5": 1.5},
    {"claude-sonnet-5": 6.0},
)


def played_within_a_budget(seed: int, folder: Path) -> tuple[Played, float]:
    """A drawn scenario with part of what it takes, or a little more; and what it takes without a budget."""
    dice, scenario = Dice(seed, "budget"), scenario_of(seed)
    tokenizer = dice.one(TOKENIZERS)
    folder.mkdir()
    free = play(written(folder, scenario | {"budget": {"max_cost": "$1000000"}}), folder, chars_per_token=tokenizer)
    check(free)
    budget: dict[str, object] = {"max_cost": f"${max(free.billed, 0.001) * dice.one([0.1, 0.4, 0.8, 1.5]):.6f}"}
    if dice.chance(0.15):
        budget["max_requests"] = dice.number(1, 100)
    if dice.chance(0.1):
        budget["max_time"] = f"{dice.number(1, 600)}s"
    (folder / "again").mkdir()
    bounded = written(folder / "again", scenario | {"budget": budget})
    return play(bounded, folder / "again", chars_per_token=tokenizer), free.billed


def used(played: Played) -> float | None:
    """How much of the budget was billed, where it was the budget that ended the run and every cost was told.

    One request may not have fitted any more, so what it could have cost counts as used.
    """
    assert played.guard.max_cost is not None
    if "could break" not in (played.stop.reason or ""):
        return None
    assert played.guard.spent + played.guard.worst >= 0.9 * played.guard.max_cost
    if played.guard.uncertain:
        return None
    return (played.billed + played.guard.worst) / played.guard.max_cost


@pytest.mark.parametrize("seed", SAMPLE)
def test_the_budget_holds_and_can_be_used(seed: int, tmp_path: Path) -> None:
    played, _ = played_within_a_budget(seed, tmp_path / "run")
    check(played)
    share = used(played)
    assert share is None or share >= 0.9


def found(folder: Path, seed: int) -> tuple[bool, float | None, float | None]:
    """Whether the budget ended the run of a seed, and how much of it was billed: with one request more, and without."""
    played, _ = played_within_a_budget(seed, folder / str(seed))
    check(played)
    share = used(played)
    exact = None if share is None or not played.guard.max_cost else played.billed / played.guard.max_cost
    return "could break" in (played.stop.reason or ""), share, exact


NO_MONEY = {
    "the tier's cap": {"spend_cap": 0.02},
    "a limit of one's own": {"spend_limit": 0.02},
    "no credit": {"credit": 0.02},
}


@pytest.mark.parametrize("settings", NO_MONEY.values(), ids=NO_MONEY)
@pytest.mark.parametrize("kind", KINDS_OF_STRATEGY)
def test_nothing_is_sent_after_an_answer_that_says_the_money_is_gone(
    kind: str, settings: dict[str, float], tmp_path: Path
) -> None:
    scenario = {
        "model": "claude-sonnet-5",
        "workload": {"requests": 200, "input_tokens": 400, "output_tokens": 60, "max_tokens": 100},
        "arrivals": "backlog" if kind in ("batch", "hybrid") else {"constant": "10/s"},
        "strategies": [strategy_of(kind, Dice(5, kind))],
        "budget": {"max_cost": "$1000"},
    }
    played = play(written(tmp_path, scenario), tmp_path, **settings)
    check(played)
    attempts = [attempt for record in played.records for attempt in record.attempts]
    said = [attempt.ended for attempt in attempts if attempt.cause in ("spend_cap", "spend_limit_own", "billing")]
    assert played.stop.exit_code == Exit.BUDGET
    assert said
    assert max(attempt.sent for attempt in attempts) <= min(said)


@pytest.mark.parametrize("kind", ["semaphore", "hybrid"])
def test_a_warm_up_that_hears_it_is_the_last_request(kind: str, tmp_path: Path) -> None:
    scenario = {
        "model": "claude-sonnet-5",
        "workload": {"requests": 20, "input_tokens": 400, "output_tokens": 60, "max_tokens": 100},
        "strategies": [strategy_of(kind, Dice(5, kind))],
        "warmup": {"requests": 5},
        "mock": {"faults": {"spend_cap": "100%"}},
    }
    played = play(written(tmp_path, scenario), tmp_path)
    assert (played.guard.sent, played.records, played.stop.exit_code) == (1, [], Exit.BUDGET)


def test_what_a_stop_keeps_from_being_rescued_has_its_record(tmp_path: Path) -> None:
    scenario = {
        "model": "claude-sonnet-5",
        "workload": {"requests": 20, "input_tokens": 400, "output_tokens": 60, "max_tokens": 100},
        "strategies": [{"hybrid": {"deadline": "30m", "live": "gather", "share": "50%"}}],
        "budget": {"max_requests": 23},
        "mock": {"batch_time": "4h"},
    }
    played = play(written(tmp_path, scenario), tmp_path)
    check(played)
    assert sorted(record.seq for record in played.records) == list(range(20))
    assert sum(len(record.attempts) for record in played.records) == 23
    assert played.stop.exit_code == Exit.BUDGET


def test_what_the_budget_holds_back_until_the_deadline_fails_for_the_budget(tmp_path: Path) -> None:
    scenario = {
        "model": "claude-sonnet-5",
        "workload": {"requests": 20, "input_tokens": 400, "output_tokens": 60, "max_tokens": 100},
        "strategies": [{"batch": {"deadline": "30m"}}],
        "budget": {"max_cost": "$0.005"},
        "mock": {"batch_time": "4h"},
    }
    played = play(written(tmp_path, scenario), tmp_path)
    check(played)
    assert 0 < len(played.records) < 20
    assert (played.stop.reason, played.stop.exit_code) == (
        "the budget held requests back until the deadline",
        Exit.BUDGET,
    )


@pytest.mark.soak
def test_a_thousand_budgets_hold_and_can_be_used(tmp_path: Path) -> None:
    results = results_of(partial(found, tmp_path), ALL)
    told = [(share, exact) for _, share, exact in results if share is not None and exact is not None]
    assert all(share >= 0.9 for share, _ in told)
    ended = sum(by_budget for by_budget, _, _ in results)
    small = [exact for share, exact in told if share - exact < 0.1]
    assert min(small) >= 0.9
    print(
        f"\n{len(results):,} runs, none above its budget; {ended:,} ended by it, {len(told):,} of them knew every cost:"
    )
    print(f"billed, with what one request more could have cost, were at least {min(share for share, _ in told):.1%};")
    print(f"without it, where that was less than a tenth of the budget ({len(small)} runs),")
    print(f"at least {min(small):.1%} and typically {median(small):.1%}")
