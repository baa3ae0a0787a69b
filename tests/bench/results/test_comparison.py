"""What a whole comparison comes to: which sides are pairs, what is gated, the exit code and its reasons."""

from __future__ import annotations

import msgspec
import pytest
from run_values import repeats, runs

from bench.errors import Exit
from bench.results.baseline import LAST, Runs
from bench.results.comparison import Comparison, Terms, compare, in_turns
from bench.results.measures import parse_gate

SLOW, FAST = [1.3, 1.32, 1.28, 1.31, 1.29], [1.0, 1.02, 0.98, 1.01, 0.99]
NOISY = [1.0, 1.4, 0.8, 1.6, 0.7]


def starts(side: int, count: int, *, step: int) -> list[str]:
    """Times at which runs began: one side after the other by `step` places of the clock."""
    return [f"2026-11-20T10:{side + n * step:02}:00Z" for n in range(count)]


def held(base: Runs, new: Runs, *gate: str, strict: bool = False, across: tuple[str, ...] = ()) -> Comparison:
    terms = Terms(tuple(map(parse_gate, gate)), strict=strict, across=across)
    return compare(base, new, [(name, name) for name in base.strategies], terms)


@pytest.mark.parametrize(
    ("new", "gate", "strict", "exit_code", "reason"),
    [
        ({"makespan": FAST}, "makespan", True, Exit.OK, ""),
        ({"makespan": SLOW}, "makespan", False, Exit.REGRESSED, "pool: makespan regressed"),
        ({"makespan": NOISY}, "makespan", False, Exit.OK, ""),
        ({"makespan": NOISY}, "makespan", True, Exit.INCONCLUSIVE, "pool: makespan is inconclusive"),
        ({"cost": FAST}, "makespan", False, Exit.NOT_VALID, "pool: makespan: the new side has no value"),
    ],
)
def test_only_gates_fail_and_each_failure_is_named(
    new: dict[str, list[float]], gate: str, strict: bool, exit_code: Exit, reason: str
) -> None:
    found = held(runs({"makespan": FAST, "cost": FAST}), runs(new), gate, strict=strict)
    assert found.exit_code == exit_code
    assert len(found.reasons) == bool(reason)
    assert "".join(found.reasons).startswith(reason)


def test_what_is_not_gated_cannot_fail() -> None:
    found = held(runs({"makespan": FAST, "cost": FAST}), runs({"makespan": SLOW, "cost": FAST}), "cost", strict=True)
    assert found.exit_code == Exit.OK
    assert [one.verdict for one in found.changes if one.measure == "makespan"] == ["regressed"]


def test_the_most_basic_reason_gives_the_code_and_all_are_named() -> None:
    base = runs({"makespan": FAST, "cost": FAST, "goodput": FAST})
    found = held(base, runs({"makespan": SLOW, "goodput": NOISY}), "makespan", "cost", "goodput", strict=True)
    assert found.exit_code == Exit.NOT_VALID
    assert len(found.reasons) == 3


def test_nothing_gated_is_said() -> None:
    assert any("nothing is gated" in note for note in held(runs({"cost": FAST}), runs({"cost": SLOW})).notes)


@pytest.mark.parametrize(
    ("base", "new", "turns"),
    [
        (starts(0, 3, step=2), starts(1, 3, step=2), True),  # a b a b a b
        (starts(1, 3, step=2), starts(0, 3, step=2), True),  # b a b a b a
        (starts(0, 3, step=1), starts(5, 3, step=1), False),  # a a a b b b
        (starts(0, 3, step=2), starts(1, 2, step=2), False),  # one is left over
        ([""] * 3, [""] * 3, False),  # reports do not say
    ],
)
def test_runs_that_began_in_turns_are_pairs(base: list[str], new: list[str], turns: bool) -> None:
    sides = (runs({"cost": FAST[: len(times)]}, starts=times) for times in (base, new))
    assert in_turns(*sides) is turns


def test_strategies_of_one_run_went_in_rounds() -> None:
    run = repeats({"a": [{"makespan": x} for x in FAST], "b": [{"makespan": x} for x in SLOW]})
    found = compare(run, run, [("a", "b")], Terms((parse_gate("makespan"),)))
    assert found.interleaved
    assert [(one.strategy, one.method, one.verdict) for one in found.changes] == [("a -> b", "paired", "regressed")]


def test_repeats_of_two_runs_did_not() -> None:
    base, new = (repeats({"a": [{"makespan": x} for x in FAST]}, ids=name) for name in ("one", "two"))
    found = compare(base, new, [("a", "a")], Terms())
    assert (found.interleaved, found.base.units, found.base.unit) == (False, 5, "repeat")


def test_simulations_are_exact_unless_seeds_may_differ() -> None:
    base, new = (runs({"makespan": side}, target="sim") for side in (FAST, SLOW))
    assert (held(base, new).exact, held(base, new).base.unit) == (True, "seed")
    assert [one.method for one in held(base, new, across=("seed",)).changes] == ["welch"]


def test_one_new_run_meets_the_last_of_the_history() -> None:
    found = held(runs({"makespan": FAST * 4}), runs({"makespan": [1.0]}))
    assert (found.base.units, found.changes[0].base_runs) == (LAST, LAST)


def test_gates_of_all_strategies_share_the_chance_of_a_false_alarm() -> None:
    values = {name: [{"cost": x} for x in FAST] for name in "ab"}
    found = held(repeats(values, ids="one"), repeats(values, ids="two"), "cost")
    assert [one.level for one in found.changes] == pytest.approx([0.975, 0.975])


def test_what_else_a_reader_must_know() -> None:
    base = runs({"cost": [*FAST, 9.0]}, stopped=[5])
    new = msgspec.structs.replace(repeats({"pool": [{"cost": 1.0}], "alone": [{"cost": 1.0}]}), partly=True)
    notes = " ".join(held(base, new).notes)
    assert "left out of base: 1 pass that ended early (the budget was reached)" in notes
    assert "new is a report" in notes
    assert "only in new: alone" in notes


def test_versions_and_machines_that_differ_are_named() -> None:
    def made(version: str, machine: str) -> Runs:
        side = runs({"cost": [1.0]})
        run = msgspec.structs.replace(side.runs[0], versions={"anthropic": version}, machine=machine)
        return msgspec.structs.replace(side, runs=(run,))

    found = held(made("2.10.0", "Linux, 2 cores"), made("2.11.0", "Linux, 4 cores"))
    assert found.versions == ("anthropic 2.10.0 -> 2.11.0", "machine: Linux, 2 cores -> Linux, 4 cores")


def test_a_comparison_is_json_that_can_be_read_back() -> None:
    found = held(runs({"makespan": FAST}), runs({"makespan": SLOW}), "makespan")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found
