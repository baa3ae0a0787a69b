"""pytest-benchmark's JSON: for `pytest-benchmark compare` and the dashboards that read it.

There a benchmark has rounds; here each time of each strategy is a benchmark and each repeat a round, since requests of
one run are not independent of each other.  Its statistics are in seconds, so what is no time stands in `extra_info`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.results.environment import Machine
from bench.results.folder import LoadedRun
from bench.results.summary import PassSummary, Summary
from reports.export.json import pretty
from reports.export.labels import strategy_name
from reports.export.numbers import QUANTILES, of_pass

VERSION = "5.3.1"
"""The version of pytest-benchmark whose files these look like."""


def render(run: LoadedRun, summary: Summary) -> bytes:
    """The file of a run."""
    return pretty(document(run.info.machine, run.info.versions, run.info.started_at, benchmarks(summary)))


def document(
    machine: Machine, versions: Mapping[str, str], started_at: str, found: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A whole file.  Which commit was measured is not known here, and it says so."""
    system, _, release = machine.platform.partition(" ")
    return {
        "machine_info": {
            "node": "",
            "processor": machine.cpu,
            "machine": machine.platform.rpartition(" ")[2],
            "system": system,
            "release": release.partition(" ")[0],
            "python_implementation": "CPython",
            "python_version": versions.get("python", ""),
            "cpu": {"brand_raw": machine.cpu, "count": machine.cores},
        },
        "commit_info": {"id": "unknown", "time": None, "author_time": None, "dirty": None, "project": "", "branch": ""},
        "benchmarks": list(found),
        "datetime": started_at.replace("Z", "+00:00"),
        "version": VERSION,
    }


def benchmarks(summary: Summary, within: str = "") -> list[dict[str, Any]]:
    """An entry for each time of each strategy; `within` goes before its full name, such as a test's id."""
    entries = []
    for name in dict.fromkeys(map(strategy_name, summary.passes)):
        passes = [one for one in summary.passes if strategy_name(one) == name]
        for measure, data in _times(passes).items():
            full = f"{within or summary.name}::{name} {measure}"
            entries.append(
                {
                    "group": f"{summary.name}: {measure}",
                    "name": f"{name} {measure}",
                    "fullname": full,
                    "params": None,
                    "param": None,
                    "extra_info": {**_facts(summary), **_others(passes)},
                    "options": {},
                    "stats": stats(data),
                }
            )
    return entries


def _times(passes: Sequence[PassSummary]) -> dict[str, list[float]]:
    """By name, the value of each pass; of distributions the percentiles.  A pass that does not know it has none."""
    times: dict[str, list[float]] = {}
    for one in passes:
        for number in of_pass(one):
            if number.unit == "s" and number.value is not None and (not number.part or number.part in QUANTILES):
                where = f" ({number.stream})" if number.stream else ""
                times.setdefault(f"{number.title}{where}", []).append(number.value)
    return times


def _facts(summary: Summary) -> dict[str, object]:
    return {
        "scenario": summary.name,
        "target": summary.target,
        "model": summary.model,
        "tier": summary.tier,
        "seed": summary.seed,
        "answer": summary.answer,
    }


def _others(passes: Sequence[PassSummary]) -> dict[str, object]:
    """What is not a time, as a list with an entry for each pass."""
    return {
        name: [one.values[name] for one in passes]
        for name in ("requests", "failed", "rate_limited", "throughput", "cost", "cost_per_success")
    }


def stats(data: Sequence[float]) -> dict[str, Any]:
    """The statistics that pytest-benchmark keeps of its rounds, under its names."""
    values = np.sort(np.asarray(data, dtype=float))
    mean, stddev = float(values.mean()), statistics.stdev(data) if len(data) > 1 else 0.0
    q1, q3 = (float(np.quantile(values, q)) for q in (0.25, 0.75))
    iqr = q3 - q1
    inside = values[(values >= q1 - 1.5 * iqr) & (values <= q3 + 1.5 * iqr)]
    far = int((np.abs(values - mean) > stddev).sum())
    total = float(values.sum())
    return {
        "min": float(values[0]),
        "max": float(values[-1]),
        "mean": mean,
        "stddev": stddev,
        "rounds": len(values),
        "median": float(np.median(values)),
        "iqr": iqr,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(values) - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{len(values) - len(inside)}",
        "ld15iqr": float(inside[0]),
        "hd15iqr": float(inside[-1]),
        "ops": len(values) / total if total else 0,
        "total": total,
        "data": list(data),
        "iterations": 1,
    }
