"""From a scenario file to a `Scenario`, or to every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from bench.errors import Problem, ScenarioError, UsageError
from bench.scenario.document import MOST_BYTES, Document, Loc, read
from bench.scenario.model import Scenario
from bench.scenario.notation import Source
from bench.scenario.problems import explain, nearest


def load(path: Path, *, overrides: Mapping[str, str] = {}, flags: Mapping[str, str] = {}) -> Scenario:
    """Read a scenario file, override some of it, validate.

    `overrides` maps paths to values as YAML, as in `--set workload.requests=500`; `flags` does the same for flags with
    a name of their own, which win: `{"budget.max_cost": "$2"}` is `--max-cost`.  ScenarioError has every problem of
    the file; UsageError says that it cannot be read.
    """
    document = read(_text(path), str(path))
    for key, text in overrides.items():
        document.override(key, text, f"--set {key}")
    for key, text in flags.items():
        document.override(key, text, f"--{key.rpartition('.')[2].replace('_', '-')}")
    return _validated(document, path)


def select(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario with only the named strategies, in the order of the file.  UsageError for an unknown name."""
    known = [strategy.name for strategy in scenario.strategies]
    for name in names:
        if name not in known:
            hint = f"The scenario has {', '.join(known)}."
            raise UsageError(f"--strategy: no strategy `{name}`.{nearest(name, known)}", hint)
    chosen = tuple(strategy for strategy in scenario.strategies if strategy.name in names)
    return scenario.model_copy(update={"strategies": chosen})


def find(name: str) -> Path:
    """The file of a shipped scenario, or the path itself.  UsageError where there is neither."""
    names = _shipped_files()
    path = names.get(name, Path(name))
    if not path.is_file():
        raise UsageError(
            f"no scenario `{name}`.{nearest(name, names)}", f"Shipped are {', '.join(names)}; or give a path."
        )
    return path


class Shipped(NamedTuple):
    """A scenario that comes with claude-bench."""

    name: str
    question: str
    path: Path


def shipped() -> list[Shipped]:
    """The scenarios that come with claude-bench, by name."""
    return [Shipped(name, _question(path), path) for name, path in _shipped_files().items()]


def _shipped_files() -> dict[str, Path]:
    """By name.  A wheel has them inside the package, a checkout beside it."""
    package = Path(__file__).parents[1]
    folder = next(
        (folder for folder in (package / "shipped", package.parent / "scenarios") if folder.is_dir()), package
    )
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _question(path: Path) -> str:
    match read(_text(path), str(path)).value:
        case {"question": str(question)}:
            return question
    return ""


def _text(path: Path) -> str:
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None
    if content is None:
        raise UsageError(f"{path} is larger than {MOST_BYTES:,} bytes: no scenario file is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise ScenarioError([Problem(str(path), line, 1, "", "not UTF-8 text")]) from None


def _validated(document: Document, path: Path) -> Scenario:
    if not isinstance(document.value, dict):
        problem = Problem(document.file, 1, 1, "", "expected keys such as version, question, model and workload")
        raise ScenarioError(document.problems or [problem])
    written = {"name": path.stem, **document.value}
    for loc, message in _contradictions(written):
        document.refuse(loc, message)
    try:
        scenario = Scenario.model_validate(written, context=Source(path.parent))
    except ValidationError as errors:
        document.problems += [problem for error in errors.errors() for problem in explain(error, document)]
    if document.problems:
        raise ScenarioError(document.problems)
    scenario._source = path
    return _with_lines(scenario, document)


def _with_lines(scenario: Scenario, document: Document) -> Scenario:
    """The scenario whose thresholds know where they stand."""
    seen: dict[str, int] = {}
    thresholds = []
    for threshold in scenario.thresholds:
        place = seen[threshold.metric] = seen.get(threshold.metric, -1) + 1
        line = document.place(("thresholds", threshold.metric, place))[1].line
        thresholds.append(threshold.model_copy(update={"line": line}))
    return scenario.model_copy(update={"thresholds": tuple(thresholds)})


def _contradictions(written: Mapping[str, object]) -> Iterator[tuple[Loc, str]]:
    """What is wrong between keys that may each be right.  Looks at the file's own words, so that it is found together
    with everything else that is wrong."""
    workload, kind = written.get("workload"), _kind(written.get("arrivals", "backlog"))
    if not isinstance(workload, dict):
        return
    if "dataset" not in workload and "input_tokens" not in workload:
        yield ("workload",), "expected `input_tokens` for synthetic prompts, or a `dataset`"
    if "dataset" in workload and "input_tokens" in workload:
        yield ("workload", "input_tokens"), "not with a `dataset`, whose prompts have their own sizes"
    for size in ("input_tokens", "output_tokens"):
        if workload.get(size) == "trace" and kind != "trace":
            yield ("workload", size), "`trace` needs arrivals from a trace"
    if kind == "backlog" and "duration" in workload:
        yield (
            ("workload", "duration"),
            "a backlog is all there at once; give `requests`, or arrivals such as {poisson: 10/s}",
        )
    elif kind == "backlog" and "requests" not in workload:
        yield ("workload",), "expected `requests`: how many the backlog has"
    elif kind in ("constant", "poisson") and not {"requests", "duration"} & workload.keys():
        yield ("workload",), f"expected `requests` or `duration`: {kind} arrivals have no end of their own"


def _kind(arrivals: object) -> str:
    """The kind of arrivals, or an empty word where it is written wrongly."""
    match arrivals:
        case "backlog":
            return "backlog"
        case dict():
            return next((kind for kind in ("constant", "poisson", "trace") if kind in arrivals), "")
    return ""
