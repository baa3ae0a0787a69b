"""JUnit XML: a suite a pass, a case a threshold, as Jenkins, GitLab and GitHub's reporters read it.

Every pass has one case more, whether it came to its end, so that a run without thresholds says something too.  What is
inconclusive is `skipped`, what was not measured is an `error`.  The vocabulary is that of Jenkins' junit-10.xsd.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from bench.results.changes import Change
from bench.results.comparison import Comparison
from bench.results.folder import LoadedRun
from bench.results.format import text
from bench.results.measures import parse_measure
from bench.results.summary import PassSummary, Summary, ThresholdResult
from reports.changes import bounds_text, change_text
from reports.export.labels import labels, strategy_name, title
from reports.words import measured

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""

_GATES = {"regressed": "failure", "inconclusive": "skipped", "no data": "error"}
"""What becomes of a gate by its verdict; the others pass."""


def render(run: LoadedRun, summary: Summary) -> bytes:
    """The report of a run."""
    return _document(summary.name, [_suite(one, run, summary) for one in summary.passes])


def _document(name: str, suites: Sequence[Xml.Element]) -> bytes:
    root = Xml.Element("testsuites", name=_clean(name))
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.extend(suites)
    Xml.indent(root)
    xml: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def render_comparison(found: Comparison) -> bytes:
    """A comparison: a suite a strategy, a case a gate.  What is not gated cannot fail and has none."""
    suites = [_gates(strategy, found) for strategy in found.strategies]
    return _document(f"{found.new.scenario} against {found.base.label}", suites)


def _gates(strategy: str, found: Comparison) -> Xml.Element:
    cases = []
    for one in found.gated:
        if one.strategy == strategy:
            case = Xml.Element("testcase", name=one.measure, classname=f"{found.new.scenario}.{strategy}", time="0")
            if one.verdict in _GATES:
                _add(case, _GATES[one.verdict], gate_sentence(one))
            cases.append(case)
    return _with(Xml.Element("testsuite", name=f"{found.new.scenario}.{strategy}"), cases)


def gate_sentence(one: Change) -> str:
    """A gate, what became of it, and how sure that is."""
    interval = f" ({bounds_text(one)})" if bounds_text(one) else ""
    unit = parse_measure(one.measure).unit
    values = f"{text(one.base, unit)} -> {text(one.new, unit)}"
    return f"{one.strategy}: {one.measure} {one.verdict}: {values}, {change_text(one)}{interval} {one.detail}".strip()


def _suite(one: PassSummary, run: LoadedRun, summary: Summary) -> Xml.Element:
    origin = run.info.origin
    cases = [_ending(one, summary)]
    cases += [_case(result, summary, run) for result in summary.thresholds if labels(result) == labels(one)]
    suite = Xml.Element(
        "testsuite",
        name=f"{summary.name}.{title(one)}",
        time=f"{one.values['makespan'] or 0:.3f}",
        timestamp=run.info.started_at.removesuffix("Z"),
    )
    if origin is not None:
        suite.set("file", origin.file)
    facts = {"target": summary.target, "model": summary.model, "tier": summary.tier, "seed": str(summary.seed)}
    properties = Xml.SubElement(suite, "properties")
    for name, value in facts.items():
        Xml.SubElement(properties, "property", name=name, value=_clean(value))
    return _with(suite, cases)


def _with(suite: Xml.Element, cases: Sequence[Xml.Element]) -> Xml.Element:
    """A suite with its cases and how many of them came to what."""
    suite.set("tests", str(len(cases)))
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(kind) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _ending(one: PassSummary, summary: Summary) -> Xml.Element:
    """Whether a pass can be believed at all."""
    case = _new("came to its end", one, summary)
    case.set("time", f"{one.values['makespan'] or 0:.3f}")
    if one.stopped is not None:
        _add(case, "error", one.stopped)
    elif not one.values["succeeded"]:
        _add(case, "error", "nothing was measured: no request succeeded")
    return case


def _case(result: ThresholdResult, summary: Summary, run: LoadedRun) -> Xml.Element:
    case = _new(f"{result.metric} {result.expression}", result, summary)
    if result.verdict != "ok":
        kind = {"inconclusive": "skipped", "no samples": "error"}.get(result.verdict, "failure")
        _add(case, kind, f"{sentence(result)}{_place(result, run)}")
    return case


def sentence(result: ThresholdResult) -> str:
    """A threshold that was not met, and what was measured instead."""
    if result.value is None:
        return f"{result.metric} {result.expression}: {result.verdict}, {result.detail}"
    interval = f" ({result.detail})" if result.detail else ""
    return f"{result.metric} {result.expression}: {measured(result)}{interval}"


def _place(result: ThresholdResult, run: LoadedRun) -> str:
    origin = run.info.origin
    line = origin.line_of(result.metric, result.expression) if origin else None
    return f"\n{origin.file}:{line}" if origin and line else ""


def _new(name: str, one: PassSummary | ThresholdResult, summary: Summary) -> Xml.Element:
    return Xml.Element("testcase", name=name, classname=f"{summary.name}.{strategy_name(one)}", time="0")


def _add(case: Xml.Element, kind: str, said: str) -> None:
    said = _clean(said)
    Xml.SubElement(case, kind, type=kind, message=said.partition("\n")[0]).text = said


def _clean(said: str) -> str:
    return _NOT_XML.sub("\ufffd", said)
