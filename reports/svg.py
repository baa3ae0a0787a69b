"""From matplotlib to an SVG that lives inside a page: themed, small, the same bytes every time.

Figures are drawn in stand-in colours, which become CSS variables here, so that the page's light, dark and print
styles reach into them.  Text stays text, in the page's own font.  What a page does not need (metadata, namespaces,
unused ids) is dropped, and coordinates keep two decimals.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.typing import RcKeyType

from reports.tables import Table

NAMES = (
    "ink",
    "muted",
    "rule",
    "service",
    "queue",
    "throttle",
    "failed",
    "requests",
    "input",
    "output",
    "cache-read",
    "cache-write",
    "paper",
    "good",
    "bad",
    "caution",
    "writing",
)
"""What colours mean.  The page's style gives each a value per theme, as `--c-NAME`."""

_STAND_INS = {name: f"#0a0b{number:02x}" for number, name in enumerate(NAMES)}

BAKED = {"service": "#2b86c5", "throttle": "#d9600f", "failed": "#b8509a"}
"""Colours of dense layers, which are pictures and cannot change with the theme: readable on light and on dark."""

DENSE = 2000
"""Marks above which a layer becomes a picture."""

RASTER_DPI = 120

WIDTH = 10.0
"""Inches.  The page scales the figure to its own width."""

_STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are shown as written, dollars and all
    "path.simplify": False,
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.unicode_minus": True,
    "grid.linewidth": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "ytick.left": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.solid_capstyle": "butt",
    "lines.linewidth": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: `look` is line, dash, area or dot."""

    colour: str
    look: str
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure as the page shows it."""

    name: str
    """Its id on the page."""
    title: str
    """The finding."""
    note: str
    """How to read it: axes, units, how many samples."""
    svg: str
    key: tuple[Key, ...]
    table: Table


class Hint(NamedTuple):
    """What a figure tells at one place, in the coordinates of an axes."""

    ax: Axes
    x: float
    y: float
    says: str


def colour(name: str) -> str:
    """The stand-in for the CSS variable `--c-NAME`."""
    return _STAND_INS[name]


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Inside it, matplotlib draws in the report's style; `name` makes the ids of this figure its own."""
    inks: dict[RcKeyType, Any] = {
        "svg.hashsalt": name,
        "text.color": colour("ink"),
        "axes.labelcolor": colour("muted"),
        "axes.edgecolor": colour("rule"),
        "axes.titlecolor": colour("ink"),
        "grid.color": colour("rule"),
        "xtick.color": colour("rule"),
        "ytick.color": colour("rule"),
        "xtick.labelcolor": colour("muted"),
        "ytick.labelcolor": colour("muted"),
    }
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE, **inks}):
        yield


def stack(
    heights: list[float], *, left: float = 0.75, gap: float = 0.4, top: float = 0.34
) -> tuple[Figure, list[Axes]]:
    """Panels of these heights, one below the other on one x axis.  All in inches."""
    bottom = 0.45
    total = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure = Figure(figsize=(WIDTH, total))
    axes: list[Axes] = []
    y = total - top
    for height in heights:
        y -= height
        box = (left / WIDTH, y / total, (WIDTH - left - 0.15) / WIDTH, height / total)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        y -= gap
    for upper in axes[:-1]:
        upper.tick_params(labelbottom=False)
    return figure, axes


def grid(count: int, height: float, across: int | None = None) -> tuple[Figure, list[Axes]]:
    """Equal panels in rows, the last row perhaps not full, that are compared along one vertical axis.

    `across` is how many are in a row; left out, as many as can be read.
    """
    across = across or (count if count <= 4 else 3 if count <= 6 else 4)
    rows = -(-count // across)
    left, gap, above, bottom = 0.65, 0.25, 0.34, 0.4
    total = rows * (above + height + bottom)
    width = (WIDTH - left - 0.15 - gap * (across - 1)) / across
    figure = Figure(figsize=(WIDTH, total))
    axes: list[Axes] = []
    for number in range(count):
        row, column = divmod(number, across)
        y = total - row * (above + height + bottom) - above - height
        axes.append(
            figure.add_axes(((left + column * (width + gap)) / WIDTH, y / total, width / WIDTH, height / total))
        )
        axes[-1].tick_params(labelleft=column == 0)
    return figure, axes


def seconds_axis(ax: Axes, low: float, high: float) -> None:
    """Seconds on a logarithmic axis where the values span more than a decade, else from zero."""
    if low > 0 and high / low > 12:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.set_ylim(0, high * 1.08 or 1.0)
        ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value * 1000:g} ms" if 0 < value < 1 else f"{value:,g} s")
    )


def inline(figure: Figure, name: str, alt: str, hints: Iterable[Hint] = ()) -> str:
    """The figure as an `<svg>` element whose ids begin with `name`; `alt` says in words what it shows.

    `hints` are told under the pointer: by the page's script, and without it by the browser.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    svg = clean(file.getvalue(), name, alt)
    return svg.replace("</svg>", "".join(_hint(figure, hint) for hint in hints) + "</svg>")


def _hint(figure: Figure, hint: Hint) -> str:
    """A mark that is seen only while it tells something.  An SVG of matplotlib has 72 units to the inch."""
    across, up = hint.ax.transData.transform((hint.x, hint.y)) * 72 / figure.dpi
    down = figure.get_figheight() * 72 - up
    return (
        f'<circle class="hint" cx="{across:.1f}" cy="{down:.1f}" r="3.5"><title>{escape(hint.says)}</title></circle>\n'
    )


def clean(svg: str, name: str, alt: str) -> str:
    """Make a stand-alone SVG of matplotlib part of a page."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<defs>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(alt)}">'
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', svg))
    # Only what stands inside a tag is changed: a strategy's name may look like anything.
    body = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], name, used), svg[svg.index(">") + 1 :])
    return head + re.sub(r"\s*\n\s*", "\n", body)


def _tag(tag: str, name: str, used: set[str]) -> str:
    """One tag in the page's colours and font, with ids of its own and no more digits than show."""

    def own_id(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    tag = re.sub(r"#0a0b([0-9a-f]{2})\b", lambda match: f"var(--c-{NAMES[int(match[1], 16)]})", tag)
    tag = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", tag)
    tag = re.sub(r' id="([^"]*)"', own_id, tag)
    tag = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", tag.replace("xlink:href", "href"))
    return re.sub(r'(?<= d=")[^"]*', lambda path: _short(path[0]), tag)


def _short(path: str) -> str:
    """Coordinates with two decimals, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"(\.\d\d)\d+", r"\1", path)).strip()
