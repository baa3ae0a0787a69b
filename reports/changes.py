"""The words of a comparison that console and page share: the verdict, a change, its interval, what was compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

from bench.results.changes import LEVEL, Change
from bench.results.comparison import Comparison, Side
from bench.results.format import DASH, count, text
from bench.results.measures import Measure, parse_measure

MAIN = (
    "makespan",
    "goodput",
    "ttft.p50",
    "ttft.p95",
    "latency.p50",
    "latency.p95",
    "response_time.p95",
    "output_tokens_per_second",
    "cost_per_success",
    "error_rate",
    "rate_limited_rate",
)
"""What is shown of every comparison, besides the gates, in this order; all else is in the JSON."""

ROOM = 2
"""Strategies up to which every main metric is shown."""

_WORSE_AND_BETTER = {"s": ("slower", "faster"), "USD": ("dearer", "cheaper")}
_GRAVEST = ("no data", "regressed", "inconclusive", "improved", "no change")


def headline(found: Comparison) -> tuple[str, str]:
    """The verdict in capitals, and what it is about."""
    gated = sorted(found.gated, key=lambda one: (_GRAVEST.index(one.verdict), -abs(one.change or 0.0)))
    if found.exact and all(one.change == 0 for one in found.changes):
        seeds = count(found.base.units, "seed")
        return "IDENTICAL", f"in every number of {count(len(found.strategies), 'strategy', 'strategies')}, {seeds}"
    if not gated:
        return "NO GATE", _tally(found.changes)
    first, alike = gated[0], [one for one in gated if one.verdict == gated[0].verdict]
    more = f", and {count(len(alike) - 1, 'more gate')}" if len(alike) > 1 else ""
    match first.verdict:
        case "no data":
            return "NOT VALID", f"{_what(found, first)}: {first.detail}{more}"
        case "regressed" | "improved":
            return first.verdict.upper(), f"{_what(found, first)} is {_how_much(first)}{_in_brackets(first)}{more}"
        case "inconclusive":
            return "INCONCLUSIVE", f"{_what(found, first)} {change_text(first)}{_in_brackets(first)}{more}"
    names = ", ".join(dict.fromkeys(parse_measure(one.measure).title for one in gated))
    return "NO CHANGE", f"in {names}" + (f", {len(found.strategies)} strategies" if len(found.strategies) > 1 else "")


def _what(found: Comparison, one: Change) -> str:
    title = parse_measure(one.measure).title
    return f"{one.strategy}: {title}" if len(found.strategies) > 1 or "->" in one.strategy else title


def _how_much(one: Change) -> str:
    measure = parse_measure(one.measure)
    if one.change is None or one.difference:
        return f"{one.verdict} by {change_text(one)}"
    worse, better = _WORSE_AND_BETTER.get(measure.unit, ("higher", "lower")[:: 1 if measure.better == "lower" else -1])
    shown = f"{abs(one.change) * 100:,.{1 if abs(one.change) < 0.0995 else 0}f} %"
    return f"{shown} {worse if one.verdict == 'regressed' else better}"


def _in_brackets(one: Change) -> str:
    """The interval of a change, where it says more than the change."""
    if one.level is None or not (bounds := bounds_text(one)):
        return f" ({one.detail})" if one.detail else ""
    unit = "" if one.difference else " %"
    return f" ({percent(one.level)} interval {bounds}{unit})"


def _tally(changes: Sequence[Change]) -> str:
    shown = [one for one in changes if one.measure in MAIN]
    counts = [(verdict, sum(one.verdict == verdict for one in shown)) for verdict in _GRAVEST]
    return ", ".join(f"{n} {verdict}" for verdict, n in counts if n)


def change_text(one: Change) -> str:
    """A change with its sign: `+21.4 %`, `+1.2 points`, `+3`."""
    if one.change is None:
        return DASH
    if not one.difference:
        return f"{signed(one.change * 100)} %"
    measure = parse_measure(one.measure)
    return f"{signed(one.change * 100)} pt" if measure.unit == "share" else _signed_value(one.change, measure)


def bounds_text(one: Change) -> str:
    """The interval of a change without its unit, which the change has; nothing where there is none, or one seed."""
    if one.lo is None or one.hi is None or (one.method == "exact" and one.base_runs == 1):
        return ""
    measure = parse_measure(one.measure)
    if one.difference and measure.unit != "share":
        return f"{_signed_value(one.lo, measure)} .. {_signed_value(one.hi, measure)}"
    return f"{signed(one.lo * 100)} .. {signed(one.hi * 100)}"


def _signed_value(value: float, measure: Measure) -> str:
    return f"{'-' if value < 0 else '+'}{text(abs(value), measure.unit)}"


def signed(percent: float) -> str:
    """One decimal; a zero has no sign, and what is beyond a thousand is only that."""
    if abs(percent) >= 999.95:
        return ">+999"
    shown = f"{percent:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def percent(fraction: float) -> str:
    """A fraction in words: `21 %`, `98.8 %`, `1,336 %`."""
    return f"{fraction * 100:.3g} %" if abs(fraction) < 9.995 else f"{fraction * 100:,.0f} %"


def fold(text: str, width: int, indent: str = "  ") -> str:
    """Text in lines of a width, no number parted from its `%`."""
    return fill(text.replace(" %", "\u00a0%"), width, subsequent_indent=indent).replace("\u00a0", " ")


def percent_in_column(fraction: float) -> str:
    """The same, one below the other: always with one decimal."""
    return f"{signed(fraction * 100).replace('+', '')} %"


def sides(found: Comparison) -> Iterator[tuple[str, str]]:
    """What each side is."""
    for name, side in (("base", found.base), ("new", found.new)):
        yield name, f"{side.label} ({_units(side)})"


def _units(side: Side) -> str:
    of = f" of {count(len(side.ids), 'run')}" if side.unit != "run" else ""
    return f"{count(side.units, side.unit)}{of}"


def terms(found: Comparison) -> str:
    """By what it was judged, in one line."""
    way = (
        "equal seeds compared exactly"
        if found.exact
        else "in turns, compared in pairs"
        if found.interleaved
        else "the unit is the run"
    )
    levels = sorted({one.level for one in found.gated if one.level is not None and one.method != "pooled"})
    raised = f" · gates: {' and '.join(map(percent, levels))} intervals" if levels and levels != [LEVEL] else ""
    return f"{way} · a change under {percent(found.min_effect)} is not called a change{raised}"


def settings(found: Comparison) -> list[str]:
    """Where the sides differ besides their numbers, and what else a reader must know."""
    differ = [
        f"settings differ: {', '.join(found.settings) or 'none'}",
        f"versions differ: {', '.join(found.versions) or 'none'}",
    ]
    return [*([" · ".join(differ)] if not found.settings + found.versions else differ), *found.notes]


def advice(found: Comparison) -> Iterator[str]:
    """Of each gate that is inconclusive: what it would take."""
    return (f"{_what(found, one)}: {_it_takes(found, one)}." for one in found.gated if one.verdict == "inconclusive")


def _it_takes(found: Comparison, one: Change) -> str:
    edge, unit = f"±{percent(found.min_effect)}", found.base.unit
    if one.lo is None:
        return "5 runs each to look, 8 to gate"
    if found.exact:
        return "the seeds disagree; more of them would tell"
    if one.runs_needed is None:
        return f"{unit}s differ too much for any number of them to bring the interval to {edge}"
    if one.runs_needed <= min(one.base_runs, one.new_runs):
        return f"the interval is narrow, but the change is at the edge of {edge}"
    return f"about {one.runs_needed} {unit}s each would bring the interval to {edge}"


def shown(found: Comparison, strategy: str) -> tuple[list[Change], int]:
    """The rows of a strategy, its gates first, and how many more metrics there are to be told of.

    Of a simulation those rows that differ; of many strategies those that gate or changed.
    """
    rows = [one for one in found.changes if one.strategy == strategy]
    main = [one for one in rows if one.gate or place(one.measure) < len(MAIN)]
    main.sort(key=lambda one: (not one.gate, place(one.measure)))
    if found.exact:
        more = sum(one.change != 0 for one in rows) - sum(one.change != 0 for one in main)
        return [one for one in main if one.gate or one.change != 0], more
    room = len(found.strategies) <= ROOM
    kept = [one for one in main if room or one.gate or one.verdict in ("regressed", "improved")]
    return kept, len(main) - len(kept)


def place(measure: str) -> int:
    """Where a measure stands among the main ones; behind them all where it is none."""
    name = measure.partition("{")[0]
    return MAIN.index(name) if name in MAIN else len(MAIN)
