"""A calibration as one offline HTML file: how near it comes, quantile against quantile, and all that was fitted."""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench.results.fidelity import Curve, Fidelity
from bench.results.format import seconds
from bench.results.metrics import METRICS
from reports.changes import signed
from reports.fidelity import WITHIN, estimate_cells, failure_cells, headline, limits, row_cells
from reports.svg import WIDTH, Hint, Key, Plot, colour, drawing, inline
from reports.tables import Table
from reports.templates import page_script, template

TOLD = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Shares whose quantiles are told in numbers."""

_HEIGHT = 2.7
"""Inches of a panel."""


def render(found: Fidelity) -> str:
    """The page of a calibration.  The same one gives the same bytes."""
    word, about = headline(found)
    return template("fidelity.html").render(
        word=word.capitalize() + ".",
        look="ok" if word == "FITTED" else "unsure",
        about=about[0].upper() + about[1:],
        facts=_facts(found),
        strategies=[_strategy(found, number, name) for number, name in enumerate(_strategies(found))],
        estimates=Table(
            ("fitted", "family", "value", "95 % interval", "shape", "answers"),
            [(title, one.family, *cells) for one in found.estimates for title, *cells in [estimate_cells(found, one)]],
        ),
        failures=Table(
            ("cause", "share", "95 % interval", "of attempts", "fault"), [failure_cells(one) for one in found.failures]
        ),
        limits=list(limits(found)),
        notes=found.notes,
        settings=found.settings,
        **page_script(),
        fidelity_json=msgspec.json.encode(found).decode().replace("<", "\\u003c"),
    )


def _facts(found: Fidelity) -> list[tuple[str, str]]:
    return [
        ("run", found.run),
        ("scenario", found.scenario),
        ("target", found.target),
        ("models", ", ".join(found.models)),
        ("simulations", str(found.simulations)),
        ("profile", found.profile),
    ]


def _strategies(found: Fidelity) -> list[str]:
    return list(dict.fromkeys(row.strategy for row in found.rows))


def _strategy(found: Fidelity, number: int, name: str) -> dict[str, object]:
    curves = [one for one in found.curves if one.strategy == name]
    rows = [row_cells(found, row) for row in found.rows if row.strategy == name]
    headings = ("measure", "recorded", "simulated", "least .. most", "off", "KS distance")
    return {"name": name, "figure": _figure(f"quantiles-{number}", curves), "table": Table(headings, rows)}


def _figure(name: str, curves: list[Curve]) -> Plot | None:
    """Quantiles against quantiles, a panel a metric."""
    if not curves:
        return None
    with drawing(name):
        figure = Figure(figsize=(WIDTH, _HEIGHT + 0.85))
        hints = [hint for place, one in enumerate(curves) for hint in _panel(_axes(figure, place, len(curves)), one)]
        title = _finding(curves)
        svg = inline(figure, name, f"Simulated against recorded quantiles. {title}. The table has the numbers.", hints)
    return Plot(
        name,
        title,
        "Each dot is a share of the answers, from 0.5 % to 99.5 %: recorded seconds across, simulated ones up. On the "
        f"line both are alike; the band is {WITHIN:.0%} to either side. n = {'; '.join(map(_sizes, curves))}.",
        svg,
        (
            Key("service", "dot", "a quantile"),
            Key("muted", "line", "alike"),
            Key("muted", "area", f"within {WITHIN:.0%}"),
        ),
        _numbers(curves),
    )


def _sizes(one: Curve) -> str:
    return f"{one.n:,} recorded and {one.simulated_n:,} simulated ({METRICS[one.metric].title})"


def _finding(curves: list[Curve]) -> str:
    far = max(curves, key=lambda one: one.distance)
    return f"{METRICS[far.metric].title} is farthest apart: at one value, by {far.distance:.1%} of the answers"


def _axes(figure: Figure, place: int, panels: int) -> Axes:
    left, gap, bottom, height = 0.75, 0.75, 0.5, _HEIGHT + 0.85
    width = (WIDTH - left - 0.15 - gap * (panels - 1)) / max(panels, 3)
    return figure.add_axes(((left + place * (width + gap)) / WIDTH, bottom / height, width / WIDTH, _HEIGHT / height))


def _panel(ax: Axes, curve: Curve) -> list[Hint]:
    everything = (*curve.recorded, *curve.simulated)
    low, high = min(everything) / 1.06, max(everything) * 1.06
    ends = [low, high]
    ax.fill_between(
        ends, [end * (1 - WITHIN) for end in ends], [end * (1 + WITHIN) for end in ends],
        color=colour("muted"), alpha=0.16, linewidth=0,
    )  # fmt: skip
    ax.plot(ends, ends, color=colour("muted"), linewidth=0.9)
    ax.plot(curve.recorded, curve.simulated, linestyle="", marker="o", markersize=3, color=colour("service"))
    ax.set_title(METRICS[curve.metric].title)
    ax.set_xlabel("recorded")
    ax.set_ylabel("simulated")
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    for axis in (ax.xaxis, ax.yaxis):
        if low > 0 and high / low > 12:
            axis.axes.set(**{f"{axis.axis_name}scale": "log"})
            axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high / low < 300 else (1.0,)))
            axis.set_minor_locator(NullLocator())
        else:
            axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g} s" if at >= 1 else f"{at * 1000:g} ms"))
    ax.tick_params(axis="y", labelcolor=colour("muted"))
    return [_hint(ax, curve, at) for at in _places(curve)]


def _places(curve: Curve) -> list[int]:
    return [min(range(len(curve.shares)), key=lambda at: abs(curve.shares[at] - share)) for share in TOLD]


def _hint(ax: Axes, curve: Curve, at: int) -> Hint:
    recorded, simulated = curve.recorded[at], curve.simulated[at]
    says = f"p{curve.shares[at] * 100:g}: {seconds(recorded)} recorded, {seconds(simulated)} simulated"
    return Hint(ax, recorded, simulated, says)


def _numbers(curves: list[Curve]) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            f"{METRICS[one.metric].title} p{one.shares[at] * 100:g}",
            seconds(one.recorded[at]),
            seconds(one.simulated[at]),
            f"{signed((one.simulated[at] / one.recorded[at] - 1) * 100)} %" if one.recorded[at] else "",
        )
        for one in curves
        for at in _places(one)
    ]
    return Table(("quantile", "recorded", "simulated", "off"), rows)
