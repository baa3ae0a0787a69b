"""Which cell of a plan to use, and what to say of it.

By the rules of a run's own answer (`results.answer`): of the strategies that get through cleanly the one that finishes
first; where requests come at times of their own, the one that answers fastest; among equals the cheaper one, then the
one with fewer in flight.  With a deadline it is the cheapest that is done in time, on the lowest tier that has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf

import msgspec

from bench.planning.bounds import LIMITERS
from bench.results.answer import MAX_FAILED, MAX_RATE_LIMITED, TIE
from bench.results.format import count, dollars, seconds, share
from bench.results.plan import Bound, Cell, ClosedForm, binding


def is_clean(failed: float, rate_limited: float) -> bool:
    """Whether shares of failed requests and of refused attempts are small enough to recommend it."""
    return failed <= MAX_FAILED and rate_limited < MAX_RATE_LIMITED


def chosen(cells: Sequence[Cell], tier: str, *, own_times: bool, deadline: float | None) -> list[Cell]:
    """The cells of one case, in which the best of each tier and the one to use are marked.

    `tier` is where the scenario says its organisation is.
    """
    tiers = list(dict.fromkeys(cell.tier for cell in cells))
    bests = {name: best([c for c in cells if c.tier == name], own_times=own_times, deadline=deadline) for name in tiers}
    use = _recommended(bests, tier, deadline)
    return [
        msgspec.structs.replace(cell, best=cell is bests[cell.tier], recommended=use is not None and cell is use)
        for cell in cells
    ]


def best(cells: Sequence[Cell], *, own_times: bool, deadline: float | None) -> Cell | None:
    """Of the strategies of one tier the one to use; None where none gets through cleanly."""
    clean = [cell for cell in cells if cell.clean]
    if not clean:
        return None
    if deadline is not None and (met := [cell for cell in clean if cell.meets_deadline]):
        least = min(_cost(cell) for cell in met)
        return _quickest([cell for cell in met if _cost(cell) <= least * (1 + TIE)], own_times=False)
    kept = max(_kept(cell) for cell in clean)
    return _quickest([cell for cell in clean if _kept(cell) >= kept - TIE], own_times=own_times)


def _quickest(cells: Sequence[Cell], *, own_times: bool) -> Cell:
    times = [_time(cell, own_times=own_times) for cell in cells]
    equal = [cell for cell, time in zip(cells, times, strict=True) if time <= min(times) * (1 + TIE)]
    return min(equal, key=lambda cell: (_cost(cell) if _cost(cell) < inf else 0.0, cell.closed_form.in_flight))


def _time(cell: Cell, *, own_times: bool) -> float:
    one = cell.simulated
    if own_times and one is not None:
        return one.response_p95 or one.response_p50 or one.makespan
    return cell.makespan


def _kept(cell: Cell) -> float:
    return (cell.simulated.goodput_share if cell.simulated else None) or 0.0


def _cost(cell: Cell) -> float:
    return inf if cell.spending.expected is None else cell.spending.expected


def _recommended(bests: dict[str, Cell | None], own: str, deadline: float | None) -> Cell | None:
    """The best of the own tier where it does; else of the lowest tier that does; else of the own."""
    found = [cell for name, cell in sorted(bests.items(), key=lambda item: item[0] != own) if cell is not None]
    if deadline is None:
        fit = [cell for cell in found if cell.carries_volume is not False]
    else:
        fit = [cell for cell in found if cell.meets_deadline and cell.carries_volume is not False]
    return next(iter([*fit, *found]), None)


def facts(cell: Cell, requests: float) -> str:
    """What a cell comes to, in one line."""
    one, form = cell.simulated, cell.closed_form
    parts = [f"{count(round(requests), 'request')} in {seconds(cell.makespan)}"]
    if one is not None:
        if one.response_p95 is not None and (form.binds == "arrivals" or one.response_of):
            whose = f" of {one.response_of}" if one.response_of else ""
            parts.append(f"p95 response time{whose} {seconds(one.response_p95)}")
        refused = round(one.rate_limited)
        parts.append(f"{count(refused, '429')} of {share(one.rate_limited_share)}" if refused else "no 429s")
    parts.append(money(cell))
    return ", ".join(parts)


def money(cell: Cell) -> str:
    """What a run costs, or that nobody knows."""
    spent = cell.spending
    if spent.expected is None:
        return "cost unknown"
    worst = "" if spent.worst is None else f" (at worst {dollars(spent.worst)})"
    return f"{dollars(spent.expected)}{worst}"


def answer(case: str | None, cells: Sequence[Cell], requests: float, name: str, tier: str) -> Iterator[str]:
    """One to three sentences on a case, whose organisation is on this tier."""
    use = next((cell for cell in cells if cell.recommended), None)
    of_case = "" if case is None else f" ({case})"
    if use is None:
        yield f"{name}{of_case}: no strategy gets through cleanly on any of these tiers. {_closest(cells)}"
        return
    form = use.closed_form
    some = use.kind not in ("batch", "hybrid") and not form.limited_in_flight and form.in_flight >= 1
    many = f", about {form.in_flight:,.0f} in flight" if some else ""
    yield (
        f"{name}{of_case} on {use.tier} with {use.strategy}{many}: {facts(use, requests)}; "
        f"what binds is {binding(form.binds)}."
    )
    yield from _elsewhere(use, tier, [cell for cell in cells if cell.best and cell is not use])


def _closest(cells: Sequence[Cell]) -> str:
    def badness(cell: Cell) -> float:
        return 0.0 if cell.simulated is None else cell.simulated.failed_share + cell.simulated.rate_limited_share

    closest = min(cells, key=badness)
    one = closest.simulated
    refused = "" if one is None else f", with {count(round(one.rate_limited), '429')} and {round(one.failed):,} failed"
    return f"{closest.strategy} on {closest.tier} comes closest: {seconds(closest.makespan)}{refused}."


def _elsewhere(use: Cell, tier: str, others: Sequence[Cell]) -> Iterator[str]:
    """Why not on the own tier, and whether another one would change anything."""
    if use.tier != tier and (own := next((cell for cell in others if cell.tier == tier), None)) is not None:
        if own.meets_deadline is False:
            yield f"On {tier} it is not done in time: {seconds(own.makespan)}."
        elif own.carries_volume is False:
            yield f"The limits or the monthly cap of {tier} do not carry the volume."
    faster = [cell for cell in others if cell.makespan < use.makespan * (1 - TIE)]
    if faster:
        said = " and ".join(f"{seconds(cell.makespan)} on {cell.tier} ({cell.strategy})" for cell in faster[:2])
        yield f"It would take {said}."
    elif others and use.closed_form.binds not in LIMITERS:
        yield f"Another tier would not make it faster: what binds is {binding(use.closed_form.binds)}."


def verdict(cells: Sequence[Cell], deadline: float, case: str | None) -> tuple[bool, str]:
    """Whether a case can be done in time, and how, or what would have to change."""
    of_case = "" if case is None else f"{case}: "
    met = [cell for cell in cells if cell.meets_deadline]
    use = next((cell for cell in cells if cell.recommended), None)
    if met and use is not None and use.meets_deadline:
        cheapest = f"the cheapest that is, with {money(use)}," if len(met) > 1 else "the only one that is"
        return True, (
            f"{of_case}{len(met)} of {len(cells)} are done within {seconds(deadline)}; {use.strategy} on {use.tier} is "
            f"{cheapest} after {seconds(use.makespan)}."
        )
    first = min(cells, key=lambda cell: cell.makespan)
    form = first.closed_form
    words = (
        f"{of_case}{seconds(deadline)} is not enough: the earliest end is after {seconds(first.makespan)} with "
        f"{first.strategy} on {first.tier}; what binds there is {binding(form.binds)}. {_needed(first, deadline)}"
    )
    if met:
        words = f"{of_case}what is done within {seconds(deadline)} does not get through cleanly: {words}"
    return False, words


def _needed(cell: Cell, deadline: float) -> str:
    """What would have to change for it to be done in time: everything that is in the way, the weightiest first."""
    form = cell.closed_form
    longer = cell.makespan / form.makespan if form.makespan else 1.0
    ways = [_way(bound, form, deadline / longer) for bound in form.bounds if bound.seconds * longer > deadline]
    return " ".join(dict.fromkeys(ways))


def _way(bound: Bound, form: ClosedForm, until: float) -> str:
    """What would have to change for one bound to let the job end by then, in seconds of the closed form."""
    match bound.name:
        case limiter if limiter in LIMITERS:
            return _more_of_a_limit(bound, until)
        case "in_flight":
            slots = form.in_flight
            return f"It needs about {ceil(slots * bound.seconds / until):,.0f} in flight instead of {slots:,.0f}."
        case "answers":
            return "No tier or strategy changes that: only shorter answers or a faster model would."
        case "arrivals":
            return "No tier or strategy changes that: requests would have to come sooner."
    return "Live strategies do not wait for batches."


def _more_of_a_limit(bound: Bound, until: float) -> str:
    """How much more of a limit, whose bucket then holds as many seconds of it, or how much less work."""
    wanted, rate, held = bound.demand or 0.0, (bound.per_minute or 0.0) / 60, bound.burst or 0.0
    answer = bound.seconds - (wanted - held) / rate
    unit = bound.name.replace("_", " ")
    if until <= answer:
        return f"No limit on {unit} changes that: an answer takes {seconds(answer)} on average."
    needed = wanted / (until - answer + held / rate)
    less = 1 - ((until - answer) * rate + held) / wanted
    pace = "" if bound.keeps == "tier" else " and pace"
    return (
        f"It needs about {needed * 60:,.0f} {unit} a minute instead of {rate * 60:,.0f}: a higher tier{pace}, or "
        f"{share(less)} less work."
    )
