"""The report as one offline HTML file: what is computed here stands in `templates/report.html` as it comes.

The same run gives the same bytes.  All text is escaped by jinja; only the SVG of our own figures and the summary's
JSON, in which no `<` is left, go in as they are.  The page may run one script, its own, named by its hash.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.errors import UsageError
from bench.results.bottleneck import in_words
from bench.results.causes import CAUSES
from bench.results.columns import CAUSE_NAMES
from bench.results.comparison import Comparison
from bench.results.folder import RECORDS, LoadedRun, replace_with
from bench.results.format import DASH, count, number, pass_name, text
from bench.results.limits import rate_limited
from bench.results.metrics import METRICS
from bench.results.record import OfPass, read_records
from bench.results.summary import Summary, ThresholdResult
from bench.results.texts import Text
from bench.results.workers import in_words as in_words_of_workers
from reports import batches, figures, money, tables, turns
from reports.comparison_page import told
from reports.fan_out import fan_out
from reports.hours import observations
from reports.passes import Pass, by_case
from reports.sweep_figure import sweep_figures
from reports.tables import Table
from reports.templates import page_script, template
from reports.timeline import timeline
from reports.turns import turn_table
from reports.waste import waste
from reports.words import measured, notices, thresholds_met, verdict

TIMELINES = 8
"""Strategies whose timeline is drawn: each is as tall as a screen."""


_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
"""How the API names an organisation in its messages: no matter of whoever gets the report by mail."""

TURNS = 15
"""Rows of the table of turns; of more turns, some are left out between the first and the last."""

TURN_TABLES = 12
"""Passes that have such a table."""


def write(run: LoadedRun, path: Path, comparison: Comparison | None = None, texts: Sequence[Text] = ()) -> None:
    """Write the report of a run."""
    replace_with(path, render(run, comparison, texts).encode(), private=bool(texts))


def render(run: LoadedRun, comparison: Comparison | None = None, texts: Sequence[Text] = ()) -> str:
    """The report of a run as HTML, with what it was compared with and prompts and answers, if any are given.

    UsageError when the run has no summary.
    """
    if run.summary is None:
        raise UsageError(f"{run.folder} has no summary: the run did not come to its end")
    passes = _passes(run, run.summary)
    return template("report.html").render(
        **_head(run, run.summary, passes, comparison, texts),
        **_belief(run, run.summary, passes),
        comparisons=tables.comparisons(passes),
        each_run=tables.each_run(passes),
        everything=tables.everything(passes),
        sweeps=sweep_figures(run.info, passes),
        fan_out=fan_out(passes),
        turns=[(one.name, turn_table(one.summary.turns, TURNS)) for one in passes[:TURN_TABLES] if one.summary.turns],
        turns_note=turns.NOTE,
        observations=observations(passes),
        figures=_figures(passes),
        limits=tables.limits(passes),
        by_model=money.by_model(passes),
        otherwise=money.alternatives(passes),
        otherwise_note=money.NOTE,
        months=money.months([one.summary for one in passes]),
        waste=waste([one.summary for one in passes]),
        batches=batches.batches(run.summary.passes),
        batches_note=batches.NOTE,
        errors=_errors(run, passes),
        texts=_texts(texts),
        compared=None if comparison is None else {"base": comparison.base.label, **told(comparison)},
        repeat=_repeat(run),
        metrics=METRICS,
        **page_script(),
        summary_json=msgspec.json.encode(run.summary).decode().replace("<", "\\u003c"),
    )


def _passes(run: LoadedRun, summary: Summary) -> list[Pass]:
    """Summaries with their rows, in the summary's order; a pass that sent nothing has no rows and is left out."""
    rows = {columns.of_pass: columns for columns in run.passes}
    return [
        Pass(pass_name(one.strategy, one.pass_, one.case), one, rows[one.of_pass])
        for one in summary.passes
        if one.of_pass in rows
    ]


def _any_success(passes: Sequence[Pass]) -> bool:
    return any(one.columns.requests.ok.any() for one in passes)


# The head, and what to believe


def _head(
    run: LoadedRun, summary: Summary, passes: Sequence[Pass], comparison: Comparison | None, texts: Sequence[Text]
) -> dict[str, object]:
    costs = [one.summary.cost.total for one in passes if one.summary.cost.total is not None]
    asked = summary.cases or (summary,)
    several = dict.fromkeys(own.name for one in passes for own in one.summary.models)
    facts = [
        ("target", summary.target),
        ("client", ", ".join(summary.clients)),
        ("model", ", ".join(several or dict.fromkeys(one.model for one in asked))),
        ("tier", _tiers(dict.fromkeys((one.tier, one.tier_as_of) for one in asked))),
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
        *([("fan-out", "Fan-out")] if any(one.summary.fan_out for one in passes) else []),
        *([("turns", "Turns")] if any(one.summary.turns for one in passes) else []),
        *([("hours", "Time of day")] if any(one.summary.observation for one in passes) else []),
        *([("latency", "Latency"), ("time", "Where the time went")] if _any_success(passes) else []),
        ("timeline", "Timeline"),
        ("limits", "Limits"),
        *([("batches", "Batches")] if any(one.batches for one in summary.passes) else []),
        ("money", "Cost"),
        ("errors", "Errors"),
        *([("texts", "Texts")] if texts else []),
        *([("comparison", "Comparison")] if comparison is not None else []),
        ("repeat", "Repeat it"),
        ("definitions", "Definitions"),
    ]
    return {
        "summary": summary,
        "verdict": verdict(summary, compared=comparison is not None),
        "facts": facts,
        "sections": sections,
        "answers": [(one.name, *_sentences(one.answer)) for one in summary.cases]
        or [(None, *_sentences(summary.answer))],
        "measured": [_in_brief(one) for one in passes],
    }


def _tiers(tiers: Iterable[tuple[str, str | None]]) -> str:
    """Tiers with the date of their numbers, which most of them share."""
    by_date: dict[str | None, list[str]] = {}
    for name, as_of in tiers:
        by_date.setdefault(as_of, []).append(name)
    return "; ".join(", ".join(names) + (f", as of {as_of}" if as_of else "") for as_of, names in by_date.items())


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
    if seen := [
        (one.summary.selfcheck.lag_p99, one.name, one.summary.selfcheck) for one in passes if one.summary.selfcheck
    ]:
        _, name, latest = max(seen, key=lambda entry: entry[0])
        lines += in_words(latest, name, run.info.ceilings)
    lines += [in_words_of_workers(one.summary.workers, one.name) for one in passes if one.summary.workers]
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


def _threshold(result: ThresholdResult) -> dict[str, object]:
    return {
        "name": pass_name(result.strategy, result.pass_, result.case),
        "metric": result.metric,
        "expression": result.expression,
        "measured": measured(result),
        "verdict": result.verdict,
        "look": {"ok": "ok", "inconclusive": "unsure"}.get(result.verdict, "failed"),
        "detail": result.detail,
        "bullet": _bullet(result),
    }


def _bullet(result: ThresholdResult) -> tuple[float, float] | None:
    """Value and limit as per cent of a bar that holds both; None where there are no such two."""
    if result.value is None or not result.limit or result.value < 0:
        return None
    full = max(result.value, result.limit) * 1.25
    return round(result.value / full * 100, 1), round(result.limit / full * 100, 1)


def _figures(passes: Sequence[Pass]) -> dict[str, object]:
    """Of each case.  Timelines show the first run of each strategy; the others show every pass they have room for."""
    cases = by_case(passes)
    answered = [(case, own) for case, own in cases if _any_success(own)]
    costs = [figures.cost(own, case) for case, own in cases]
    drawn = _with_timeline(passes, max(1, TIMELINES // max(1, len(cases))))
    left_out = [one.name for one in passes if one not in drawn]
    return {
        "percentiles": [figures.percentiles(own, case) for case, own in answered],
        "where_time_went": [figures.where_time_went(own, case) for case, own in answered],
        "timelines": [timeline(one, f"timeline-{place}") for place, one in enumerate(drawn)],
        "left_out": f"Not drawn here: {', '.join(left_out)}." if left_out else "",
        "cost": [one for one in costs if one is not None],
    }


def _with_timeline(passes: Sequence[Pass], most: int) -> list[Pass]:
    """The first run of the first strategies of each case."""
    firsts = [one for one in passes if one.summary.pass_ == 0]
    cases = dict.fromkeys(one.summary.case for one in firsts)
    return [one for case in cases for one in [each for each in firsts if each.summary.case == case][:most]]


def _errors(run: LoadedRun, passes: Sequence[Pass]) -> dict[str, object]:
    """Failures by strategy and cause; 429s that a retry got past are attempts that failed, not requests."""
    given_up = _given_up(run) if any(one.summary.failures for one in passes) else {}
    rows: list[tuple[str, ...]] = []
    for one in passes:
        attempts = one.columns.attempts
        for cause, failed in one.summary.attempts.items():
            when = attempts.ended[attempts.cause == CAUSE_NAMES.index(cause)]
            lost = one.summary.failures.get(cause, 0)
            ids, message = given_up.get((one.summary.of_pass, cause), ([], None))
            meaning, examples = CAUSES[cause].meaning, ", ".join(ids) or DASH
            about = f"{meaning}. The first was told: {_UUID.sub('…', message)}" if message else meaning
            moments = (text(float(when.min()), "s"), text(float(when.max()), "s"))
            rows.append((one.name, about, examples, number(failed), number(lost), *moments))
    headings = ("strategy", "cause", "request ids", "attempts", "requests failed for good", "first", "last")
    lost = sum(sum(one.summary.failures.values()) for one in passes)
    total = sum(len(one.columns.requests) for one in passes)
    refused = sum(int(rate_limited(one.columns.attempts).sum()) for one in passes)
    title = f"{count(lost, 'request')} of {number(total)} failed for good; {count(refused, 'attempt')} met a 429"
    return {
        "title": title[0].upper() + title[1:],
        "table": Table(headings, rows),
        "note": "First and last: time since the strategy began. Request ids, which the API's support asks for, of up "
        f"to three requests that failed for good; all are in {RECORDS}.",
    }


def _given_up(run: LoadedRun) -> dict[tuple[OfPass, str], tuple[list[str], str | None]]:
    """Up to three ids of requests that failed for good, and what the first was told, by pass and cause."""
    found: dict[tuple[OfPass, str], tuple[list[str], str | None]] = {}
    for record in read_records(run.folder / RECORDS):
        last = record.attempts[-1]
        if last.cause is None:
            continue
        ids, _ = found.setdefault((record.of_pass, last.cause), ([], last.message))
        if last.request_id is not None and len(ids) < 3:
            ids.append(last.request_id)
    return found


def _texts(texts: Iterable[Text]) -> dict[str, list[tuple[str, Text]]]:
    """By pass, each with what it is called."""
    by_pass: dict[str, list[tuple[str, Text]]] = {}
    for one in texts:
        came = "answered" if one.cause is None else CAUSES[one.cause].meaning
        about = ", ".join(filter(None, (f"request {one.seq}", one.model, came, one.request_id)))
        by_pass.setdefault(pass_name(one.strategy, one.pass_, one.case), []).append((about, one))
    return by_pass


# How to repeat it


def _repeat(run: LoadedRun) -> dict[str, object]:
    info = run.info
    facts = [
        ("run", info.id),
        ("scenario hash", info.scenario_hash),
        ("seed", str(info.seed)),
        ("target", info.target),
        ("client", ", ".join(dict.fromkeys(each.client for each in info.cases.values() or (info,)))),
        ("tier", _tiers(dict.fromkeys((one.tier, one.tier_as_of) for one in info.cases.values() or (info,)))),
        ("prices", f"list prices as of {info.prices_as_of}" if info.prices_as_of else "not known for this model"),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
        ("machine", ", ".join(f"{value}" for value in msgspec.to_builtins(info.machine).values())),
        ("files", "run.json, records.jsonl, summary.json, report.html"),
    ]
    scenario = json.dumps(info.scenario, indent=2, ensure_ascii=False)
    command = shlex.join(info.command) if len(info.command) > 1 else "bench.run(scenario)"
    return {"command": command, "facts": facts, "scenario": scenario}
