"""What attempts cost, and at most could: what the engine asks as it goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

from bench.engine.budget import BudgetGuard
from bench.engine.observe import Observer
from bench.engine.stop import Stop
from bench.engine.surroundings import Surroundings
from bench.errors import Exit
from bench.request import RequestSpec
from bench.results.batches import BatchLog
from bench.results.cost import prices_of, worst_case
from bench.results.record import Attempt, OfPass, Record
from bench.results.sends import Send, SendLog
from bench.scenario.model import Scenario


def surroundings(
    scenario: Scenario,
    journal: Callable[[Record], None],
    batches: BatchLog,
    observer: Observer,
    stop: Stop,
    day: date,
    sends: SendLog | None = None,
) -> Surroundings:
    """What the passes of a scenario share, with its budget and the prices of that day.

    `sends` is told what is about to be sent, where that may cost money.
    """
    budget = scenario.budget
    bounded = budget.max_cost is not None
    return Surroundings(
        journal=partial(_keep, journal, sends, stop),
        observer=observer,
        budget=BudgetGuard(budget.max_cost, budget.max_requests, budget.max_time),
        stop=stop,
        cost=partial(cost_of, day=day),
        worst_case=(lambda spec: worst_of(spec, day)) if bounded else (lambda _spec: 0.0),
        worst_in_batch=(lambda spec: worst_of(spec, day, batched=True)) if bounded else (lambda _spec: 0.0),
        batches=batches,
        sending=None if sends is None else partial(_note, sends, day, stop),
    )


def _keep(journal: Callable[[Record], None], sends: SendLog | None, stop: Stop, record: Record) -> None:
    try:
        journal(record)
    except OSError as error:
        stop.cut_short(f"a record cannot be written: {error.strerror}", Exit.NOT_VALID)
    else:
        if sends is not None:
            sends.recorded(record)


def _note(sends: SendLog, day: date, stop: Stop, of_pass: OfPass, spec: RequestSpec, number: int, now: float) -> None:
    case, strategy, repeat = of_pass
    send = Send(
        strategy,
        repeat,
        spec.seq,
        number,
        now,
        worst_of(spec, day) or None,
        case,
        spec.params["model"],
        spec.intended,
        spec.output_tokens,
        spec.stream,
        spec.conversation,
        spec.turn,
        spec.final,
        spec.group,
    )
    try:
        sends.write(send)
    except OSError as error:
        stop.cut_short(f"a send cannot be written down: {error.strerror}", Exit.NOT_VALID)


def cost_of(model: str, attempt: Attempt, day: date) -> float | None:
    """Dollars of one attempt.  A refusal is free; what was cut off may have been billed, and nobody says."""
    prices = prices_of(model, day, batched=attempt.batch is not None)
    if prices is None:
        return None
    if attempt.usage is not None:
        return prices.of(attempt.usage)
    if attempt.batch is not None:  # only what succeeded is billed (batch page, 2026-10-08)
        return None if attempt.cause == "lost" else 0.0
    return 0.0 if attempt.status is not None and attempt.status >= 400 else None


def cost_of_record(cost: Callable[[str, Attempt], float | None], record: Record) -> float | None:
    """Dollars of all attempts of a request; None when one is unknown."""
    costs = [cost(record.model, attempt) for attempt in record.attempts]
    known = [one for one in costs if one is not None]
    return sum(known) if len(known) == len(costs) else None


def worst_of(spec: RequestSpec, day: date, *, batched: bool = False) -> float:
    """The most dollars that one attempt can cost, however its text is cut into tokens; 0 where no price is known."""
    model, most = spec.params["model"], spec.params["max_tokens"]
    worst = worst_case(model, spec.most_input_tokens, most, day, spec.cache, batched=batched)
    return 0.0 if worst is None else worst
