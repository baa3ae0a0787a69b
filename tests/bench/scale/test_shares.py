"""Leases never exceed what there is, whoever asks when; nobody starves; what one leaves, others get."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scale.shares import ROUNDING, Claim, Grant, Purse, Slots

HURRY = Claim(math.inf, needs=math.inf)


class Worker:
    """Keeps its promises: uses no more than its limit, which it takes from every grant."""

    def __init__(self, number: int, limit: float) -> None:
        self.number, self.limit, self.using, self.spent = number, limit, 0.0, 0.0
        self.never = False

    def renew(self, shared: Slots | Purse, *, needs: float = 0.0, likes: float = 0.0) -> Grant:
        keeps = max(self.using, self.limit)
        grant = shared.renew(self.number, Claim(keeps, needs, likes, self.spent))
        self.limit, self.never = min(grant.lease, grant.most), grant.never
        return grant


def _workers(shared: Slots | Purse, many: int) -> list[Worker]:
    workers = [Worker(number, math.inf) for number in range(many)]
    for worker in workers:
        worker.limit = shared.renew(worker.number, Claim(math.inf)).lease
    return workers


@given(
    st.integers(1, 5), st.integers(5, 40),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["take", "give", "ask", "leave"])), max_size=120),
)  # fmt: skip
def test_slots_are_never_taken_twice(many: int, total: int, steps: list[tuple[int, str]]) -> None:
    shared = Slots(total, many, whole=True)
    workers = _workers(shared, many)
    gone: set[int] = set()
    for number, what in steps:
        if number >= many or number in gone:
            continue
        worker = workers[number]
        match what:
            case "take" if worker.using < worker.limit:
                worker.using += 1
            case "give" if worker.using:
                worker.using -= 1
            case "ask":
                worker.renew(shared, needs=math.inf)
            case "leave" if len(gone) + 1 < many:
                worker.using = worker.limit = 0
                shared.leave(number)
                gone.add(number)
        assert sum(one.using for one in workers) <= total
        assert sum(max(one.using, one.limit) for one in workers) <= total


@given(
    st.integers(1, 4), st.floats(1, 10),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["risk", "settle", "ask", "idle"]), st.floats(0.01, 1)),
        max_size=120,
    ),
)  # fmt: skip
def test_a_purse_is_never_overspent(many: int, total: float, steps: list[tuple[int, str, float]]) -> None:
    shared = Purse(total, many)
    workers = _workers(shared, many)
    at_risk = [0.0] * many
    for number, what, amount in steps:
        if number >= many:
            continue
        worker = workers[number]
        match what:
            case "risk" if worker.using + amount <= worker.limit:
                at_risk[number] += amount
                worker.using += amount
            case "settle" if at_risk[number]:
                cost = min(amount, at_risk[number])
                worker.spent += cost
                worker.using -= at_risk[number] - cost
                at_risk[number] = 0.0
            case "ask":
                worker.renew(shared, needs=amount, likes=3 * amount)
            case "idle":
                worker.renew(shared)
        assert sum(one.using for one in workers) <= total + 1e-6


def test_equal_parts_to_begin_with_and_in_the_end_all() -> None:
    shared = Slots(10, 4, whole=True)
    assert [shared.renew(worker, HURRY).lease for worker in range(4)] == [3, 3, 2, 2]
    for gone in (0, 1, 2):
        shared.leave(gone)
    assert shared.renew(3, Claim(2, needs=math.inf)).lease == 10


def test_what_one_does_not_use_another_gets_and_gives_back() -> None:
    shared = Slots(8, 2, whole=True)
    first, second = _workers(shared, 2)
    first.using, second.limit = 4, 1
    second.renew(shared)
    assert first.renew(shared, needs=math.inf) == (7, math.inf, False)
    first.using = 7
    assert second.renew(shared, needs=math.inf).lease == 1, "nothing is free yet"
    assert first.renew(shared, needs=math.inf).most == 4, "it is told that somebody waits"
    first.using = 5
    first.renew(shared, needs=math.inf)
    assert second.renew(shared, needs=math.inf).lease == 3
    first.using = 4
    first.renew(shared, needs=math.inf)
    assert second.renew(shared, needs=math.inf).lease == 4


@pytest.mark.parametrize("many", [1, 2, 3, 7])
def test_rates_come_to_the_whole_rate(many: int) -> None:
    shared = Slots(1.0, many)
    grants = [shared.renew(worker, HURRY) for worker in range(many)]
    assert sum(grant.lease for grant in grants) == pytest.approx(1.0)


def test_who_waited_longer_is_served_first_and_in_full() -> None:
    shared = Purse(10.0, 3)
    for worker in range(3):
        shared.renew(worker, Claim(3.0, spent=0.0))
    assert shared.renew(0, Claim(3.0, needs=4.0)).lease == 3.0, "only 1 is free"
    assert shared.renew(1, Claim(3.0, needs=1.0)) == (3.0, 0.0, False), "it is free, but 0 was first"
    assert shared.renew(2, Claim(0.0)).most == 0.0, "who needs nothing gives back what it can"
    assert shared.renew(0, Claim(3.0, needs=4.0)).lease == 7.0
    assert shared.renew(1, Claim(0.0)).lease == 0.0


def test_what_can_never_be_had_is_said_at_once() -> None:
    shared = Purse(10.0, 2)
    shared.renew(1, Claim(5.0, spent=4.0))
    assert shared.renew(0, Claim(5.0, needs=1.0, spent=5.0)) == (5.0, math.inf, False), "the other may give back 1"
    shared.renew(1, Claim(5.0, spent=4.5))
    assert shared.renew(0, Claim(5.0, needs=1.0, spent=5.0)).never


def test_likes_leave_as_much_to_everybody() -> None:
    shared = Purse(12.0, 3)
    for worker in range(3):
        shared.renew(worker, Claim(0.0))
    assert shared.renew(0, Claim(0.0, likes=100.0)).lease == 4.0


def test_who_leaves_has_spent_what_it_has_spent() -> None:
    shared = Purse(10.0, 2)
    shared.renew(0, Claim(5.0, spent=2.0))
    shared.leave(0)
    assert shared.renew(1, Claim(5.0, needs=3.0)).lease == 8.0


class Spender:
    """Sends requests that may cost `worst` and cost a share of it, as long as it is let."""

    def __init__(self, limit: float, worst: list[float], share: float) -> None:
        self.limit, self.worst, self.share = limit, worst, share
        self.spent, self.flying, self.hurried, self.over = 0.0, list[float](), False, False

    @property
    def using(self) -> float:
        return self.spent + sum(self.flying)

    def send(self) -> None:
        while self.worst and self.using + self.worst[0] <= self.limit + ROUNDING:
            self.flying.append(self.worst.pop(0))

    def settle(self) -> None:
        if self.flying:
            self.spent += self.share * self.flying.pop(0)

    def renew(self, purse: Purse, number: int) -> None:
        wants = self.using + self.worst[0] if self.worst else 0.0
        keeps = self.using if self.hurried and not wants else max(self.using, self.limit)
        needs = max(0.0, wants - keeps)
        grant = purse.renew(number, Claim(keeps, needs, 16 * needs, self.spent, self.using - self.spent))
        self.hurried, self.limit = grant.most < math.inf, min(grant.lease, grant.most)
        self.over = self.over or grant.never


@given(
    st.floats(0.05, 5),
    st.lists(st.lists(st.sampled_from([0.01, 0.035, 0.1, 0.5]), max_size=30), min_size=1, max_size=4),
    st.sampled_from([1.0, 0.5, 0.1]), st.booleans(), st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_purse_is_used_up_before_anybody_gives_up(
    total: float, work: list[list[float]], share: float, in_turn: bool, dice: Random
) -> None:
    purse = Purse(total, len(work))
    spenders = [Spender(total / len(work), list(worst), share) for worst in work]
    for step in range(2_000):
        number = step % len(spenders) if in_turn else dice.randrange(len(spenders))
        one = spenders[number]
        one.send()
        if dice.random() < 0.5:
            one.settle()
        one.renew(purse, number)
        assert sum(each.using for each in spenders) <= total + 1e-6
        if any(each.over and not each.flying for each in spenders) or not any(each.worst for each in spenders):
            break
    else:
        pytest.fail("somebody waits for ever")
    for each in spenders:
        if each.over and not each.flying:
            others = sum(other.spent for other in spenders if other is not each)
            assert each.spent + each.worst[0] > total - others - 1e-6, "it was told so too early"


def test_who_is_served_may_use_it_although_others_wait() -> None:
    shared = Purse(10.0, 2)
    for worker in range(2):
        shared.renew(worker, Claim(5.0, spent=4.0))
    assert shared.renew(0, Claim(5.0, needs=2.0, spent=4.0)).lease == 5.0, "nothing is free"
    assert shared.renew(1, Claim(4.0, needs=3.0, spent=4.0)).most == 0.0, "0 has waited longer"
    assert shared.renew(0, Claim(4.0, needs=2.0, spent=4.0)) == (6.0, math.inf, False)


def test_what_a_lost_process_used_is_written_off_unless_its_successor_knows_of_it() -> None:
    shared = Purse(10.0, 2)
    shared.renew(0, Claim(math.inf))
    shared.renew(0, Claim(5.0, spent=2.0, at_risk=1.0))
    shared.renew(0, Claim(math.inf, spent=1.5))
    assert shared.written_off == 1.5
    assert shared.renew(1, Claim(5.0, needs=3.5)).lease == 5.0
    assert shared.renew(0, Claim(1.5, spent=1.5)).lease == 1.5, "others may have all but what is gone"
    assert shared.renew(1, Claim(5.0, needs=2.0)).lease == 7.0
    assert shared.renew(1, Claim(7.0, needs=0.1, spent=7.0)).never
