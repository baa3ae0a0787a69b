"""The end of a run on a terminal: the answer, what to believe, the strategies side by side, where the rest is.

Written for 80 columns, and for no colours at all: `!`, `ok` and `FAIL` say what bold and red only repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.results.format import DASH, count, number, pass_name
from bench.results.metrics import METRICS
from bench.results.summary import ModelSummary, PassSummary, StreamSummary, Summary, TurnSummary
from reports.batches import print_batches
from reports.fan_out import FAN_OUT_HEADINGS, FAN_OUT_SIDES, fan_out_rows
from reports.money import months
from reports.observation import print_observations
from reports.passes import models_of
from reports.repeats import NOTE as OVER
from reports.repeats import Repeated, over_runs
from reports.turns import turn_table
from reports.waste import waste
from reports.words import Notice, column_text, interval, measured, notices, shorten, verdict

COLUMNS = (
    ("wall\nclock", "makespan", ""),
    ("latency\np50", "latency", "p50"),
    ("latency\np95", "latency", "p95"),
    ("response\np95", "response_time", "p95"),
    ("per\nmin", "throughput", ""),
    ("429s", "rate_limited", ""),
    ("failed", "failed", ""),
    ("cost", "cost", ""),
    ("per\nsuccess", "cost_per_success", ""),
)
"""Heading, metric, and for a distribution which percentile."""

STREAM_COLUMNS = (
    ("requests", "requests", ""),
    ("latency\np50", "latency", "p50"),
    ("latency\np95", "latency", "p95"),
    ("response\np50", "response_time", "p50"),
    ("response\np95", "response_time", "p95"),
    ("TTFT\np95", "ttft", "p95"),
    ("429s", "rate_limited", ""),
    ("failed", "failed", ""),
)
"""The same, of one stream of traffic."""

CONVERSATION_COLUMNS = (
    ("conver-\nsations", "conversations", ""),
    ("com-\npleted", "conversations_completed", ""),
    ("turn\np50", "turn_time", "p50"),
    ("turn\np95", "turn_time", "p95"),
    ("whole\np50", "conversation_time", "p50"),
    ("cost\nof each", "cost_per_conversation", ""),
)
CACHE_COLUMNS = (
    ("read from\ncache", "cache_hit_share", ""),
    ("TTFT cold\np50", "ttft_cold", "p50"),
    ("TTFT warm\np50", "ttft_warm", "p50"),
    ("cost of\nwrites", "cache_write_cost", ""),
    ("saved by\ncaching", "cache_saving", ""),
)
"""The same, where there are conversations or prompt caching."""
MODEL_COLUMNS = (
    ("requests", "requests", ""),
    ("latency\np50", "latency", "p50"),
    ("latency\np95", "latency", "p95"),
    ("TTFT\np95", "ttft", "p95"),
    ("429s", "rate_limited", ""),
    ("failed", "failed", ""),
    ("not\nneeded", "unneeded", ""),
    ("cost", "cost", ""),
)
"""The same, of one of several models."""

INTERVALS = ("latency", "response_time")
"""Times of which the interval of the p95 is shown, besides the TTFT of what is streamed."""
TTFT_COLUMNS = (("TTFT\np50", "ttft", "p50"), ("TTFT\np95", "ttft", "p95"))
_TITLES = {"ttft": "TTFT", "latency": "latency", "response_time": "response"}

LEGEND = "latency: from the last send · response: from the moment it should have been sent"
WITHIN = "95 % intervals: within this run; another may differ by more"

MOST_NOTICES = 4
MOST_THRESHOLDS = 12
SHORTEST_NAME = 8
MOST_TURNS = 8

_VERDICTS = {"ok": "ok", "inconclusive": "?"}
_STYLES = {"ok": "green", "?": "yellow", "FAIL": "bold red"}
_LOOKS = {"ok": "bold green", "unsure": "bold yellow", "failed": "bold red"}


def print_summary(summary: Summary, page: Path, console: Console) -> None:
    """Print what a run found, and in the end `page`: what there is to open."""
    for line in summary.answer.splitlines():
        console.print(Text(fill(line, console.width), style="bold"))
    _print_verdict(summary, console)
    print_notices(notices(summary), console)
    if summary.thresholds:
        _print_thresholds(summary, console)
    repeated = over_runs(summary.passes)
    passes = [one.summary for one in repeated]
    _print_table("strategy", [(one, one) for one in passes], COLUMNS, console)
    _print_intervals(repeated, console)
    print_observations(summary.passes, console)
    for name in dict.fromkeys(stream.name for one in passes for stream in one.streams):
        _print_table(f"stream {name}", _of_stream(passes, name), STREAM_COLUMNS, console)
    print_models(passes, console)
    for title, columns in (("conversations", CONVERSATION_COLUMNS), ("prompt caching", CACHE_COLUMNS)):
        if known := [(one, one) for one in passes if one.values[columns[0][1]] is not None]:
            _print_table(title, known, columns, console)
    if len(summary.passes) == 1 and len(summary.passes[0].turns) > 1:
        _print_turns(summary.passes[0].turns, console)  # of several passes the report has them
    _print_legend(repeated, console)
    if summary.target != "sim":
        console.print(Text(f"client: {', '.join((*summary.clients, *summary.crews))}", style="dim"))
    for line in (*waste(summary.passes), *months(summary.passes)):
        console.print(Text(fill(line, console.width, subsequent_indent="  ")))
    print_batches(summary.passes, console)
    console.print(Text(f"\n{page}"), soft_wrap=True)


def _print_verdict(summary: Summary, console: Console) -> None:
    if found := verdict(summary):
        look, word, why = found
        line = Text(fill(f"{word.upper()}  {why}", console.width, subsequent_indent="  "))
        line.stylize(_LOOKS[look], 0, len(word))
        console.print(line)


def _print_legend(repeated: Sequence[Repeated], console: Console) -> None:
    passes = [one.summary for one in repeated]
    console.print(Text(LEGEND, style="dim"))
    if any(one.runs > 1 for one in repeated):
        console.print(Text(OVER, style="dim"))
    elif _any_interval(passes):
        console.print(Text(WITHIN, style="dim"))


def print_notices(found: list[Notice], console: Console) -> None:
    """Print warnings: what was seen, why it matters, what to do."""
    for notice in found[:MOST_NOTICES]:
        first, *others = notice.observed
        like = f" ({count(len(others), 'more', 'more')} like it)" if others else ""
        console.print()
        console.print(_paragraph(f"  ! {first}{like}", console))
        console.print(_paragraph(f"    Why it matters: {notice.why}", console))
        console.print(_paragraph(f"    What to do: {notice.todo}", console))
    if len(found) > MOST_NOTICES:
        console.print(f"\n  ! {count(len(found) - MOST_NOTICES, 'more warning')} in the report")


def _paragraph(line: str, console: Console) -> Text:
    paragraph = Text(fill(line, console.width, subsequent_indent="    "))
    paragraph.highlight_words(["  ! "], "bold yellow")
    return paragraph


def _print_thresholds(summary: Summary, console: Console) -> None:
    """All of them where they are few; where they are many, those that are not met."""
    results = summary.thresholds
    if len(results) > MOST_THRESHOLDS:
        results = tuple(result for result in results if result.verdict != "ok")[:MOST_THRESHOLDS]
    if not results:
        return
    console.print("\nthresholds")
    names = [shorten(pass_name(one.strategy, one.pass_, one.case), 16) for one in results]
    beside = max(map(len, names))
    room = max(24, console.width - beside - 20)  # for what else is in the line: the verdict, blanks, a short value
    conditions = [shorten(f"{one.metric} {one.expression}", room) for one in results]
    across = max(map(len, conditions))
    for result, condition, name in zip(results, conditions, names, strict=True):
        word = _VERDICTS.get(result.verdict, "FAIL")
        said = result.detail if result.value is None else measured(result)
        line = Text.assemble("  ", (f"{word:<4}", _STYLES[word]), f"  {condition:<{across}}  {name:<{beside}}  {said}")
        if len(line) > console.width:  # what is to be done about it is worth a line of its own
            line = line[: -len(said)]
            line.rstrip()
            line.append(f"\n        {said}")
        console.print(line)


def _print_turns(turns: Sequence[TurnSummary], console: Console) -> None:
    found = turn_table(turns, MOST_TURNS)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in found.headings:
        heading = heading.replace("conver", "conver-\n").replace(" ", "\n")
        table.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for row in found.rows:
        table.add_row(*row)
    console.print()
    console.print(table)


def print_models(passes: Sequence[PassSummary], console: Console) -> None:
    """Models side by side, where several were asked; and where each prompt went to all of them, whose answers count."""
    for name in dict.fromkeys(model.name for one in passes for model in models_of(one)):
        rows = [(one, own) for one in passes for own in one.models if own.name == name]
        console.print(Text(f"\n{name}", style="bold"), end="")
        _print_table("strategy", rows, MODEL_COLUMNS, console)
    if not any(one.fan_out for one in passes):
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, side in zip(FAN_OUT_HEADINGS, FAN_OUT_SIDES, strict=True):
        table.add_column(heading, justify=side, no_wrap=side == "right", vertical="bottom")
    for one in passes:
        for cells in fan_out_rows(one):
            table.add_row(*map(Text, cells))
    console.print()
    console.print(table)


def _of_stream(passes: Sequence[PassSummary], name: str) -> list[tuple[PassSummary, StreamSummary]]:
    return [(one, own) for one in passes for own in one.streams if own.name == name]


def _print_intervals(repeated: Sequence[Repeated], console: Console) -> None:
    """How far the percentiles above may be from the truth, and of how many samples or runs they are."""
    passes = [one.summary for one in repeated]
    if not _any_interval(passes):
        return
    streamed = any(one.distributions["ttft"].n for one in passes)
    several = any(one.runs > 1 for one in repeated)
    shown = [*(["ttft"] if streamed else []), *INTERVALS]
    headings = [heading for heading, _, _ in TTFT_COLUMNS] if streamed else []
    headings += [f"{_TITLES[metric]} p95\n95 % interval" for metric in shown]
    cells = []
    for one, of in zip(passes, repeated, strict=True):
        row = [cell(one, metric, part) for _, metric, part in TTFT_COLUMNS] if streamed else []
        # Among several runs, one alone has an interval of another kind.
        row += [DASH if several and of.runs == 1 else interval(one.distributions[name].p95, "s") for name in shown]
        cells.append([*row, number(of.runs if several else one.distributions["latency"].n)])
    _print_cells("", passes, [*headings, "runs" if several else "samples"], cells, console)


def _any_interval(passes: Sequence[PassSummary]) -> bool:
    return any(one.distributions[metric].p95.value is not None for one in passes for metric in INTERVALS)


def _print_table(
    title: str,
    rows: Sequence[tuple[PassSummary, PassSummary | StreamSummary | ModelSummary]],
    columns: Sequence[tuple[str, str, str]],
    console: Console,
) -> None:
    cells = [[cell(run, metric, part) for _, metric, part in columns] for _, run in rows]
    _print_cells(title, [one for one, _ in rows], [heading for heading, _, _ in columns], cells, console)


def _print_cells(
    title: str, passes: Sequence[PassSummary], headings: Sequence[str], cells: list[list[str]], console: Console
) -> None:
    """One line a pass, those of a case below its name.  Only names give way where the width does not suffice."""
    widths = [
        max(map(len, (*heading.split("\n"), *column)))
        for heading, column in zip(headings, zip(*cells, strict=True), strict=True)
    ]
    room = max(SHORTEST_NAME, console.width - sum(widths) - len(widths))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(Text(shorten(title, room)), no_wrap=True, vertical="bottom")
    for heading, width in zip(headings, widths, strict=True):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width, vertical="bottom")
    case = None
    for one, row in zip(passes, cells, strict=True):
        if one.case != case:
            case = one.case
            table.add_row(Text(shorten(case or "", room), style="bold"))
        table.add_row(Text(shorten(pass_name(one.strategy, one.pass_), room)), *row)
    console.print()
    console.print(table)


def cell(run: PassSummary | StreamSummary | ModelSummary, metric: str, part: str) -> str:
    """A number of a pass as text: a metric, of a distribution the percentile `part`."""
    value = run.values[metric] if not part else getattr(run.distributions[metric], part).value
    return column_text(value, METRICS[metric].unit)
