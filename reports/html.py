"""The report as one offline HTML file: what is computed here stands in `templates/report.html` as it comes.

The same run gives the same bytes.  All text is escaped by jinja; only the SVG of our own figures and the summary's
JSON, in which no `<` is left, go in as they are.  The page may run one script, its own, named by its hash.
"""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import jinja2
import msgspec

from bench.errors import UsageError
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES
from bench.results.folder import RECORDS, LoadedRun
from bench.results.format import DASH, count, number, text
from bench.results.limits import rate_limited
from bench.results.metrics import METRICS
from bench.results.record import read_records
from bench.results.summary import Summary, ThresholdResult
from reports import figures, tables
from reports.passes import Pass
from reports.tables import Table
from reports.timeline import timeline
from reports.words import measured, notices, pass_name, thresholds_met

_TEMPLATES = Path(__file__).parent / "templates"

TIMELINES = 8
"""Strategies whose timeline is drawn: each is as tall as a screen."""


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
        **_belief(run, run.summary, passes),
        comparisons=tables.comparisons(passes),
        everything=tables.everything(passes),
        figures=_figures(passes),
        limits=tables.limits(passes),
        errors=_errors(run, passes),
        repeat=_repeat(run),
        metrics=METRICS.values(),
        **_script(),
        summary_json=msgspec.json.encode(run.summary).decode().replace("<", "\\u003c"),
    )


def _script() -> dict[str, str]:
    """The page's script and what its Content-Security-Policy calls it."""
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    return {"script": script, "script_hash": f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"}


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
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


def _any_success(passes: Sequence[Pass]) -> bool:
    return any(one.columns.requests.ok.any() for one in passes)


# The head, and what to believe


def _head(run: LoadedRun, summary: Summary, passes: Sequence[Pass]) -> dict[str, object]:
    costs = [one.summary.cost.total for one in passes if one.summary.cost.total is not None]
    tier = f"{summary.tier}, as of {summary.tier_as_of}" if summary.tier_as_of else summary.tier
    facts = [
        ("target", summary.target),
        ("model", summary.model),
        ("tier", tier),
        ("requests", number(sum(len(one.columns.requests) for one in passes))),
        ("cost of all", text(sum(costs), "USD") if costs and len(costs) == len(passes) else "unknown"),
        ("seed", str(summary.seed)),
        ("started, UTC", run.info.started_at.replace("T", " ").removesuffix("Z")),
    ]
    sections = [
        *([("claim", "Claim")] if summary.claim else []),
        ("validity", "Validity"),
        *([("thresholds", "Thresholds")] if summary.thresholds else []),
        ("strategies", "Strategies"),
        *([("latency", "Latency"), ("time", "Where the time went")] if _any_success(passes) else []),
        ("timeline", "Timeline"),
        ("limits", "Limits"),
        ("money", "Cost"),
        ("errors", "Errors"),
        ("repeat", "Repeat it"),
        ("definitions", "Definitions"),
    ]
    return {
        "summary": summary,
        "facts": facts,
        "sections": sections,
        "answer": _sentences(summary.answer),
        "measured": [_in_brief(one) for one in passes],
    }


def _sentences(answer: str) -> tuple[str, str]:
    """The first sentence, and the rest."""
    first, stop, rest = answer.partition(". ")
    return first + stop.strip(), rest


def _in_brief(run: Pass) -> tuple[str, str]:
    """A strategy in a few words, to stand beside what is claimed of it."""
    values = run.summary.values
    failed = count(values["failed"] or 0, "failed", "failed")
    return run.name, f"{text(values['makespan'], 's')}, {count(values['rate_limited'] or 0, '429')}, {failed}"


def _belief(run: LoadedRun, summary: Summary, passes: Sequence[Pass]) -> dict[str, object]:
    return {
        "notices": notices(summary),
        "trust": _trust(run, summary, passes),
        "thresholds": [_threshold(result) for result in summary.thresholds],
        "thresholds_met": thresholds_met(summary),
    }


def _trust(run: LoadedRun, summary: Summary, passes: Sequence[Pass]) -> list[str]:
    """What the harness knows about its own part in the numbers."""
    lines = []
    if added := [
        (one.summary.overhead.median, one.name, one.summary.overhead) for one in passes if one.summary.overhead
    ]:
        _, name, worst = max(added, key=lambda entry: entry[0])
        lines.append(
            f"The client added {text(worst.median, 's')} at the median and {text(worst.p95, 's')} at the p95 to what "
            f"the server itself measured (median {text(worst.client_median, 's')} against "
            f"{text(worst.server_median, 's')}). That is {name}, where it added most."
        )
    if run.torn:
        lines.append("The run was killed while it wrote: the last record was cut off and is not counted.")
    if summary.target == "sim":
        lines.append(
            "Simulated in virtual time: no network, no noise, and the same file and seed give the same numbers."
        )
    if summary.speed != 1:
        lines.append(
            f"Scenario time ran {summary.speed:g} times as fast as the clock: overhead counts {summary.speed:g} times."
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


def _figures(passes: Sequence[Pass]) -> dict[str, object]:
    """Timelines show the first run of each strategy; the others show every pass they have room for."""
    firsts = [one for one in passes if one.summary.pass_ == 0]
    drawn = firsts[:TIMELINES]
    left_out = [one.name for one in passes if one not in drawn]
    return {
        "percentiles": figures.percentiles(passes) if _any_success(passes) else None,
        "where_time_went": figures.where_time_went(passes) if _any_success(passes) else None,
        "timelines": [timeline(one, f"timeline-{place}") for place, one in enumerate(drawn)],
        "left_out": f"Not drawn here: {', '.join(left_out)}." if left_out else "",
        "cost": figures.cost(passes),
    }


def _errors(run: LoadedRun, passes: Sequence[Pass]) -> dict[str, object]:
    """Failures by strategy and cause; 429s that a retry got past are attempts that failed, not requests."""
    ids = _request_ids(run) if any(one.summary.failures for one in passes) else {}
    rows: list[tuple[str, ...]] = []
    for one in passes:
        attempts = one.columns.attempts
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
        "note": "First and last: time since the strategy began. Request ids, which the API's support asks for, of up "
        f"to three requests that failed for good; all are in {RECORDS}.",
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
