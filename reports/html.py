"""The report as one offline HTML file: what is computed here stands in `templates/report.html` as it comes.

The same run gives the same bytes.  All text is escaped by jinja; only the SVG of our own figures and the summary's
JSON, in which no `<` is left, go in as they are.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import msgspec

from bench.errors import UsageError
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES
from bench.results.folder import RECORDS, LoadedRun
from bench.results.format import DASH, count, number, text
from bench.results.limits import rate_limited
from bench.results.metrics import DISTRIBUTIONS, METRICS
from bench.results.record import read_records
from bench.results.summary import LimitUse, PassSummary, Quantile, Summary, ThresholdResult
from reports import figures
from reports.figures import Pass, Table
from reports.words import column_text, measured, notices, pass_name, thresholds_met

TIMELINES = 8
"""Strategies whose timeline is drawn: each is as tall as a screen."""

MANY_FAILED = 0.01
"""Share of failed requests above which a strategy can be best at nothing: failing is quick and cheap."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number in a table, perhaps with its interval below and a bar."""

    value: str
    small: str = ""
    best: bool = False
    bar: float | None = None
    """Per cent of the bar's full width."""
    over: bool = False
    """Whether the value is beyond what the bar can show."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pass in a table."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """A number of each pass: a metric, and for a distribution which percentile."""

    heading: str
    metric: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Columns under one heading; without a title they stand alone."""

    title: str
    columns: tuple[Column, ...]

    @property
    def headings(self) -> list[str]:
        """What stands over each column."""
        return [column.heading for column in self.columns]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All passes side by side."""

    label: str
    groups: tuple[Group, ...]
    rows: list[Row]
    note: str


def _quantiles(metric: str) -> tuple[Column, ...]:
    return tuple(Column(part, metric, part) for part in ("p50", "p95", "p99"))


MAIN = (
    Group("", (Column("wall clock", "makespan"), Column("per minute", "throughput"))),
    Group("latency, from the last send", _quantiles("latency")),
    Group("response time, from the moment meant", _quantiles("response_time")),
    Group(
        "",
        (
            Column("429s", "rate_limited"),
            Column("failed", "failed"),
            Column("cost", "cost"),
            Column("cost per success", "cost_per_success"),
        ),
    ),
)
STREAM = (
    Group("first token (TTFT)", _quantiles("ttft")),
    Group("first text", _quantiles("first_text")),
    Group("per token after the first (TPOT)", _quantiles("tpot")),
    Group("", (Column("output tokens/s", "output_tokens_per_second"),)),
)
GOODPUT = (
    Group("", (Column("within the SLO, per minute", "goodput"), Column("share within the SLO", "goodput_share"))),
)

MAIN_NOTE = (
    "Below each percentile its 95 % interval within this run. “best” marks the best value of a column among the strategies "
    "that failed at most 1 % of their requests. A dash is a number that is not known, or that too few samples bound."
)


def write(run: LoadedRun, path: Path) -> None:
    """Write the report of a run."""
    path.write_text(render(run), encoding="utf-8")


def render(run: LoadedRun) -> str:
    """The report of a run as HTML.  UsageError when the run has no summary."""
    if run.summary is None:
        raise UsageError(f"{run.folder} has no summary: the run did not come to its end")
    passes = _passes(run, run.summary)
    return _template().render(
        **_head(run, run.summary, passes),
        **_belief(run.summary, passes),
        comparisons=_comparisons(passes),
        everything=_everything(passes),
        figures=_figures(passes),
        limits=_limits(passes),
        errors=_errors(run, passes),
        repeat=_repeat(run),
        metrics=METRICS.values(),
        summary_json=msgspec.json.encode(run.summary).decode().replace("<", "\\u003c"),
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _passes(run: LoadedRun, summary: Summary) -> list[Pass]:
    """Summaries with their rows, in the summary's order; a pass that sent nothing has no rows and is left out."""
    rows = {(columns.strategy, columns.pass_): columns for columns in run.passes}
    return [
        Pass(pass_name(one.strategy, one.pass_), one, rows[one.strategy, one.pass_])
        for one in summary.passes
        if (one.strategy, one.pass_) in rows
    ]


# The head, and what to believe


def _head(run: LoadedRun, summary: Summary, passes: Sequence[Pass]) -> dict[str, object]:
    costs = [one.summary.cost.total for one in passes if one.summary.cost.total is not None]
    tier = f"{summary.tier}, as of {summary.tier_as_of}" if summary.tier_as_of else summary.tier
    facts = [
        ("target", summary.target),
        ("model", summary.model),
        ("tier", tier),
        ("requests", number(sum(len(one.columns.requests) for one in passes))),
        ("cost of all", text(sum(costs), "USD") if len(costs) == len(passes) else "unknown"),
        ("seed", str(summary.seed)),
        ("started, UTC", run.info.started_at.replace("T", " ").removesuffix("Z")),
    ]
    sections = [
        *([("claim", "Claim")] if summary.claim else []),
        ("validity", "Validity"),
        *([("thresholds", "Thresholds")] if summary.thresholds else []),
        ("strategies", "Strategies"),
        ("latency", "Latency"),
        ("time", "Where the time went"),
        ("timeline", "Timeline"),
        ("limits", "Limits"),
        ("money", "Cost"),
        ("errors", "Errors"),
        ("repeat", "Repeat it"),
        ("definitions", "Definitions"),
    ]
    return {"summary": summary, "facts": facts, "sections": sections, "measured": [_in_brief(one) for one in passes]}


def _in_brief(run: Pass) -> tuple[str, str]:
    """A strategy in a few words, to stand beside what is claimed of it."""
    values = run.summary.values
    failed = count(values["failed"] or 0, "failed", "failed")
    return run.name, f"{text(values['makespan'], 's')}, {count(values['rate_limited'] or 0, '429')}, {failed}"


def _belief(summary: Summary, passes: Sequence[Pass]) -> dict[str, object]:
    return {
        "notices": notices(summary),
        "trust": _trust(summary, passes),
        "thresholds": [_threshold(result) for result in summary.thresholds],
        "thresholds_met": thresholds_met(summary),
    }


def _trust(summary: Summary, passes: Sequence[Pass]) -> list[str]:
    """What the harness knows about its own part in the numbers."""
    lines = [
        f"{one.name}: the client added {text(o.median, 's')} at the median and {text(o.p95, 's')} at the p95 to what the server "
        f"itself measured ({text(o.client_median, 's')} against {text(o.server_median, 's')}, {count(o.n, 'request')})."
        for one in passes
        if (o := one.summary.overhead)
    ]
    if summary.target == "sim":
        lines.append(
            "Simulated in virtual time: no network, no noise, and the same file and seed give the same numbers."
        )
    if summary.speed != 1:
        lines.append(
            f"Scenario time ran {summary.speed:g} times as fast as the clock, so overhead counts {summary.speed:g} times."
        )
    return lines


def _threshold(result: ThresholdResult) -> dict[str, str]:
    return {
        "name": pass_name(result.strategy, result.pass_),
        "metric": result.metric,
        "expression": result.expression,
        "measured": measured(result),
        "verdict": result.verdict,
        "look": {"ok": "ok", "inconclusive": "unsure"}.get(result.verdict, "failed"),
        "detail": result.detail,
    }


# Strategies side by side


def _comparisons(passes: Sequence[Pass]) -> list[Comparison]:
    """The main table; one for streams and one for the SLO where there is something to show."""
    tables = [_comparison("Strategies side by side", MAIN, passes, MAIN_NOTE)]
    if any(one.summary.distributions["ttft"].n for one in passes):
        tables.append(_comparison("The stream", STREAM, passes, "From the last send, requests that succeeded."))
    if any(one.summary.values["goodput"] is not None for one in passes):
        tables.append(_comparison("Goodput", GOODPUT, passes, "Requests that met every part of the scenario's SLO."))
    return tables


def _comparison(label: str, groups: tuple[Group, ...], passes: Sequence[Pass], note: str) -> Comparison:
    columns = [_column_cells(column, passes) for group in groups for column in group.columns]
    rows = [Row(one.name, [cells[place] for cells in columns]) for place, one in enumerate(passes)]
    return Comparison(label, groups, rows, note)


def _column_cells(column: Column, passes: Sequence[Pass]) -> list[Cell]:
    metric = METRICS[column.metric]
    values = [_value(one.summary, column) for one in passes]
    best = _best(values, passes, metric.better)
    longest = max((value for value in values if value is not None), default=0.0)
    return [
        Cell(
            column_text(value, metric.unit),
            _interval(getattr(one.summary.distributions[column.metric], column.part), metric.unit)
            if column.part
            else "",
            best is not None and value == best,
            round(100 * value / longest, 1) if column.metric == "makespan" and value is not None and longest else None,
        )
        for one, value in zip(passes, values, strict=True)
    ]


def _value(one: PassSummary, column: Column) -> float | None:
    if not column.part:
        return one.values[column.metric]
    quantile: Quantile = getattr(one.distributions[column.metric], column.part)
    return quantile.value


def _interval(quantile: Quantile, unit: str) -> str:
    if quantile.value is None:
        return f"needs {quantile.needed:,}"
    low, high = column_text(quantile.lo, unit), column_text(quantile.hi, unit)
    number_low, _, unit_low = low.partition(" ")
    return f"{number_low if high.endswith(f' {unit_low}') else low} {DASH} {high}"


def _best(values: Sequence[float | None], passes: Sequence[Pass], better: str | None) -> float | None:
    """The best value among strategies that failed little; None when nothing tells them apart."""
    sound = [
        value
        for value, one in zip(values, passes, strict=True)
        if value is not None and (one.summary.values["error_rate"] or 0) <= MANY_FAILED
    ]
    if better is None or len(set(sound)) < 2:
        return None
    return min(sound) if better == "lower" else max(sound)


def _everything(passes: Sequence[Pass]) -> Table:
    """Each metric a row, each pass a column; of distributions the median and the p95."""
    rows = []
    for name, metric in METRICS.items():
        if metric in DISTRIBUTIONS:
            for part in ("p50", "p95"):
                values = [getattr(one.summary.distributions[name], part).value for one in passes]
                rows.append((f"{metric.title} {part}", *(text(value, metric.unit) for value in values)))
        else:
            rows.append((metric.title, *(text(one.summary.values[name], metric.unit) for one in passes)))
    return Table(("metric", *(one.name for one in passes)), rows)


# Figures, limits, errors


def _figures(passes: Sequence[Pass]) -> dict[str, object]:
    """Timelines show the first run of each strategy; the others show every pass they have room for."""
    firsts = [one for one in passes if one.summary.pass_ == 0]
    drawn = firsts[:TIMELINES]
    left_out = [one.name for one in passes if one not in drawn]
    succeeded = any(one.columns.requests.ok.any() for one in passes)
    return {
        "percentiles": figures.percentiles(passes) if succeeded else None,
        "where_time_went": figures.where_time_went(passes) if succeeded else None,
        "timelines": [figures.timeline(one, f"timeline-{place}") for place, one in enumerate(drawn)],
        "left_out": f"Not drawn here: {', '.join(left_out)}." if left_out else "",
        "cost": figures.cost(passes),
    }


LIMITERS = {"requests": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens"}


def _limits(passes: Sequence[Pass]) -> dict[str, object]:
    rows = [Row(one.name, [*map(_limit_cell, one.summary.limits), _refused(one.summary)]) for one in passes]
    return {
        "title": _limits_finding(passes),
        "headings": [*LIMITERS.values(), "429s, by the limit that said no"],
        "rows": rows,
        "note": "Used, as a share of what the limit allows in the time the strategy took, at least one minute. A bucket that is full at "
        "the start allows more than 100 %.",
    }


def _limit_cell(use: LimitUse) -> Cell:
    if use.share is None:
        return Cell(number(use.used), "no limit known")
    return Cell(
        text(use.share, "share"),
        f"{number(use.used)} at {number(use.per_minute or 0)} /min",
        False,
        min(100.0, round(use.share * 100, 1)),
        use.share > 1,
    )


def _refused(one: PassSummary) -> Cell:
    refused = {cause: n for cause, n in one.attempts.items() if CAUSES[cause].rate_limit}
    return Cell(
        number(sum(refused.values())), ", ".join(f"{cause.replace('_', ' ')} {n:,}" for cause, n in refused.items())
    )


def _limits_finding(passes: Sequence[Pass]) -> str:
    used = [(use.share, use.limiter, one.name) for one in passes for use in one.summary.limits if use.share is not None]
    if not used:
        return "Rate limits: none known"
    share, limiter, name = max(used)
    what = LIMITERS[limiter]
    if share >= 0.9:
        return f"The limit on {what} binds: {name} used {text(share, 'share')} of it"
    return f"No limit binds: the nearest is {what}, {text(share, 'share')} used by {name}"


def _errors(run: LoadedRun, passes: Sequence[Pass]) -> dict[str, object]:
    """Failures by strategy and cause; 429s that a retry got past are attempts that failed, not requests."""
    ids = _request_ids(run) if any(one.summary.failures for one in passes) else {}
    rows = []
    for one in passes:
        attempts, requests = one.columns.attempts, one.columns.requests
        for cause, failed in one.summary.attempts.items():
            when = attempts.ended[attempts.cause == CAUSE_NAMES.index(cause)]
            lost = one.summary.failures.get(cause, 0)
            examples = ", ".join(ids.get((one.summary.strategy, one.summary.pass_, cause), [])) or DASH
            moments = (text(float(when.min()), "s"), text(float(when.max()), "s"))
            rows.append((one.name, CAUSES[cause].meaning, examples, number(failed), number(lost), *moments))
    headings = ("strategy", "cause", "request ids", "attempts", "requests failed for good", "first", "last")
    lost = sum(int((~one.columns.requests.ok).sum()) for one in passes)
    total = sum(len(one.columns.requests) for one in passes)
    refused = sum(int(rate_limited(one.columns.attempts).sum()) for one in passes)
    title = f"{count(lost, 'request')} of {number(total)} failed for good; {count(refused, 'attempt')} met a 429"
    return {
        "title": title[0].upper() + title[1:],
        "table": Table(headings, rows),
        "note": f"First and last: seconds since the strategy began. Request ids of up to three requests that failed for good, for the "
        f"support of the API; all of them are in {RECORDS}.",
    }


def _request_ids(run: LoadedRun) -> dict[tuple[str, int, str], list[str]]:
    """Up to three ids of requests that failed for good, by pass and cause."""
    found: dict[tuple[str, int, str], list[str]] = {}
    for record in read_records(run.folder / RECORDS):
        last = record.attempts[-1]
        if last.cause is not None and last.request_id is not None:
            ids = found.setdefault((record.strategy, record.pass_, last.cause), [])
            if len(ids) < 3:
                ids.append(last.request_id)
    return found


# How to repeat it


def _repeat(run: LoadedRun) -> dict[str, object]:
    info = run.info
    facts = [
        ("run", info.id),
        ("scenario hash", info.scenario_hash),
        ("seed", str(info.seed)),
        ("target", info.target),
        ("tier", f"{info.tier}, numbers as of {info.tier_as_of}" if info.tier_as_of else info.tier),
        ("prices", f"list prices as of {info.prices_as_of}" if info.prices_as_of else "not known for this model"),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
        ("machine", ", ".join(f"{value}" for value in msgspec.to_builtins(info.machine).values())),
        ("files", "run.json, records.jsonl, summary.json, report.html"),
    ]
    scenario = json.dumps(info.scenario, indent=2, ensure_ascii=False)
    return {"command": shlex.join(info.command), "facts": facts, "scenario": scenario}
