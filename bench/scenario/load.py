"""From a scenario file to a `Scenario`, or to every problem of the file at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from bench.errors import Problem, ScenarioError, UsageError
from bench.scenario import cases, traces
from bench.scenario.arrivals import KINDS
from bench.scenario.batches import unfit_for_batches
from bench.scenario.document import MOST_BYTES, Document, Loc, Place, read
from bench.scenario.misfits import misfits
from bench.scenario.model import Case, Scenario, Trace
from bench.scenario.notation import Source
from bench.scenario.problems import explain, nearest
from bench.scenario.tags import unknown_tags
from bench.scenario.traces import RECORDS
from bench.scenario.units import SHARE


def load(path: Path, *, overrides: Mapping[str, str] = {}, flags: Mapping[str, str] = {}) -> Scenario:
    """Read a scenario file, override some of it, validate.

    `overrides` maps paths to values as YAML, as in `--set workload.requests=500`; `flags` does the same for flags with
    a name of their own, which win: `{"budget.max_cost": "$2"}` is `--max-cost`.  ScenarioError has every problem of
    the file; UsageError says that it cannot be read.
    """
    document = read(_text(path), str(path))
    for key, text in overrides.items():
        _override(document, key, text, f"--set {key}")
    for key, text in flags.items():
        _override(document, key, text, f"--{key.rpartition('.')[2].replace('_', '-')}")
    return _validated(document, path)


def _override(document: Document, key: str, text: str, flag: str) -> None:
    """Set a value, unless a case would replace it again: then nobody can know what is meant."""
    if hiding := cases.hiding(document, key):
        message = (
            f"replaced again by {'case' if len(hiding) == 1 else 'cases'} {', '.join(hiding)}; choose with --case, "
            f"change one with --set cases.{hiding[0]}.{key}=..., or drop all with --set cases={{}}"
        )
        document.problems.append(Problem(flag, 0, 0, key, message))
    document.override(key, text, flag)


def select(scenario: Scenario, strategies: Sequence[str] = (), cases: Sequence[str] = ()) -> Scenario:
    """The scenario with only the named strategies and cases, in the order of the file; none named is all.  A case that
    has none of the strategies is left out.  UsageError for an unknown name."""
    _refuse_unknown("case", cases, [case.name for case in scenario.cases])
    chosen = [case for case in scenario.cases if not cases or case.name in cases]
    if not strategies:
        return scenario.model_copy(update={"cases": tuple(chosen)})
    variants = [case.scenario for case in chosen] or [scenario]
    _refuse_unknown("strategy", strategies, dict.fromkeys(one.name for each in variants for one in each.strategies))
    kept = [case.model_copy(update={"scenario": _only(case.scenario, strategies)}) for case in chosen]
    return _only(scenario, strategies).model_copy(
        update={"cases": tuple(case for case in kept if case.scenario.strategies)}
    )


def _only(scenario: Scenario, strategies: Sequence[str]) -> Scenario:
    chosen = tuple(strategy for strategy in scenario.strategies if strategy.name in strategies)
    return scenario.model_copy(update={"strategies": chosen})


def _refuse_unknown(kind: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            hint = f"The scenario has {', '.join(known)}." if known else "The scenario has no cases."
            raise UsageError(f"--{kind}: no {kind} `{name}`.{nearest(name, known)}", hint)


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
    cases: tuple[str, ...]


def shipped() -> list[Shipped]:
    """The scenarios that come with claude-bench, by name."""
    return [_shipped(name, path) for name, path in _shipped_files().items()]


def _shipped_files() -> dict[str, Path]:
    """By name.  A wheel has them inside the package, a checkout beside it."""
    package = Path(__file__).parents[1]
    folder = next(
        (folder for folder in (package / "shipped", package.parent / "scenarios") if folder.is_dir()), package
    )
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _shipped(name: str, path: Path) -> Shipped:
    match read(_text(path), str(path)).value:
        case {"question": str(question), **rest}:
            written = rest.get("cases")
            return Shipped(name, question, path, tuple(written) if isinstance(written, dict) else ())
    return Shipped(name, "", path, ())


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
    target = document.value.get("target")
    if isinstance(target, str) and _costs(target) and target not in document.told:
        document.refuse(("target",), f"a file cannot say who gets your key and your money: give --target {target}")
    scenario = _checked(document, path)
    variants = []
    for name, variant in cases.variants(document):
        variants.append((name, _checked(variant, path)))
        document.problems += _own_problems(name, variant, document)
    found = [Case(name=name, scenario=each) for name, each in variants if each is not None]
    if scenario is not None and len(found) == len(variants):
        for loc, message in unknown_tags(scenario.model_copy(update={"cases": tuple(found)})):
            document.refuse(loc, message)
    if scenario is None or document.problems:
        raise ScenarioError(document.problems)
    scenario = _with_lines(scenario, document)
    update = {"thresholds": scenario.thresholds}
    found = [one.model_copy(update={"scenario": one.scenario.model_copy(update=update)}) for one in found]
    return scenario.model_copy(update={"cases": tuple(found)})


def _costs(target: str) -> bool:
    return target == "api" or "://" in target


def _checked(document: Document, path: Path) -> Scenario | None:
    """The scenario a file holds, or None, and every problem of it with the document."""
    assert isinstance(document.value, dict)
    written = {"name": path.stem, **_first_model(document.value), **document.value}
    for loc, message in _contradictions(written):
        document.refuse(loc, message)
    try:
        scenario = Scenario.model_validate(written, context=Source(path.parent, frozenset(document.told)))
    except ValidationError as errors:
        document.problems += [problem for error in errors.errors() for problem in explain(error, document)]
        return None
    for message in _strangers(scenario):
        document.refuse(("streams",), message)
    for loc, message in (*misfits(scenario), *unfit_for_batches(scenario)):
        document.refuse(loc, message)
    scenario._source = path
    return scenario


def _own_problems(name: str, variant: Document, document: Document) -> Iterator[Problem]:
    """What is wrong with a case alone, named as the case's; what is in another file keeps its name."""
    known = {(problem.path, problem.message) for problem in document.problems}
    places = set(variant.places.values())
    for problem in variant.problems:
        if (problem.path, problem.message) not in known:
            here = Place(problem.file, problem.line, problem.column) in places
            yield replace(problem, path=f"cases.{name}.{problem.path}".rstrip(".")) if here else problem


def _first_model(written: Mapping[str, Any]) -> dict[str, str]:
    """Where several models are asked each prompt, the first of them is the one that sizes are counted by."""
    match written:
        case {"fan_out": {"models": [str(first), *_]}}:
            return {"model": first}
    return {}


def _strangers(scenario: Scenario) -> Iterator[str]:
    """Where streams are the rows of a trace: names that only the streams or only the rows have."""
    names = {one.name for one in scenario.streams if one.arrivals is None and one.share is None}
    if names and isinstance(scenario.arrivals, Trace):
        found = traces.streams(scenario.arrivals.file)
        yield from (f"the trace has no row of `{name}`" for name in sorted(names - found))
        strange = sorted(name or "no stream" for name in found - names)
        yield from (f"the trace has rows of `{name}`, which none of the streams is" for name in strange)


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
    written = {key: value for key, value in written.items() if value is not None}
    arrivals, streams = written.get("arrivals", "backlog"), written.get("streams")
    yield from _of_hedges(written.get("strategies"), written.get("budget"))
    if written.get("client") == "wire" and "transport" in written:
        yield ("transport",), "not with `client: wire`, which has none but its own"
    if "fan_out" in written:
        yield from _of_fan_out(written)
    if streams is None:
        if "workload" not in written:
            yield ("workload",), "missing (or `streams`, each with a workload of its own)"
        yield from _of_workload(("workload",), written.get("workload"), arrivals)
        return
    if "workload" in written:
        yield ("workload",), "not with `streams`, each of which has a workload of its own"
    if isinstance(streams, list):
        yield from _of_streams([stream for stream in streams if isinstance(stream, dict)], arrivals)


def _of_fan_out(written: Mapping[str, object]) -> Iterator[tuple[Loc, str]]:
    """Between a fan-out and what it takes the place of, or cannot be combined with."""
    match written:
        case {"model": str(model), "fan_out": {"models": [str(first), *_]}} if model != first:
            yield ("model",), "not with `fan_out`, which names the models"
    if "streams" in written:
        yield ("streams",), "not with `fan_out`: a prompt goes to all of its models"
    match written.get("workload"):
        case {"conversations": _}:
            yield ("workload", "conversations"), "not with `fan_out`: one answer has to be the next turn's context"
        case {"cache": {"warm": True}}:
            yield ("workload", "cache", "warm"), "not with `fan_out`, whose models have caches of their own"


def _of_workload(loc: Loc, workload: object, arrivals: object) -> Iterator[tuple[Loc, str]]:
    """Between a workload and the arrivals it has."""
    if not isinstance(workload, dict):
        return
    workload = {key: value for key, value in workload.items() if value is not None}
    kind = _kind(arrivals)
    if "dataset" not in workload and "input_tokens" not in workload:
        yield loc, "expected `input_tokens` for synthetic prompts, or a `dataset`"
    if "dataset" in workload and "input_tokens" in workload:
        yield (*loc, "input_tokens"), "not with a `dataset`, whose prompts have their own sizes"
    for size, column in (("input_tokens", "input"), ("output_tokens", "output")):
        if workload.get(size) == "trace" and kind != "trace":
            yield (*loc, size), "`trace` needs arrivals from a trace"
        elif workload.get(size) == "trace" and not _has_column(arrivals, column):
            yield (*loc, size), f"the trace's `columns` name no `{column}`"
    counted = isinstance(arrivals, dict) and "backlog" in arrivals
    if counted and "requests" in workload:
        yield (*loc, "requests"), "not with {backlog: ...}, which says how many there are"
    if kind == "backlog" and "duration" in workload:
        yield (
            (*loc, "duration"),
            "a backlog is all there at once; give `requests`, or arrivals such as {poisson: 10/s}",
        )
    elif kind == "backlog" and not counted and not _counted(workload):
        yield loc, f"expected `{_count_key(workload)}`: how many the backlog has"
    elif kind not in ("backlog", "trace", "") and not _counted(workload) and "duration" not in workload:
        yield loc, f"expected `{_count_key(workload)}` or `duration`: {kind} arrivals have no end of their own"


def _counted(workload: Mapping[str, Any]) -> bool:
    """Whether a workload says how many requests or conversations it has."""
    conversations = workload.get("conversations")
    return "requests" in workload or (isinstance(conversations, dict) and "count" in conversations)


def _count_key(workload: Mapping[str, Any]) -> str:
    return "conversations.count" if "conversations" in workload else "requests"


def _of_streams(streams: Sequence[Mapping[str, Any]], arrivals: object) -> Iterator[tuple[Loc, str]]:
    """Among streams: their names, and which arrivals each has."""
    names = [stream.get("name") for stream in streams]
    for place, stream in enumerate(streams):
        loc: Loc = ("streams", place)
        own, share = stream.get("arrivals"), stream.get("share")
        if names.index(names[place]) < place:
            yield (*loc, "name"), f"a second stream called `{names[place]}`"
        if own is not None and share is not None:
            yield (*loc, "share"), "not with `arrivals` of its own: a share is one of the scenario's `arrivals`"
        elif own is None and share is None and not _has_column(arrivals, "stream"):
            yield loc, "expected `arrivals` of its own, or a `share` of the scenario's `arrivals`"
        elif share is not None and arrivals == "backlog":
            yield (*loc, "share"), "of how many?  Give `arrivals: {backlog: 1000}`, or each stream a backlog of its own"
        elif share is not None and _kind(arrivals) == "users":
            yield (*loc, "share"), "users cannot be shared out; give each stream `arrivals` of its own"
        yield from _of_workload((*loc, "workload"), stream.get("workload"), arrivals if own is None else own)
    shares = [_share(stream["share"]) for stream in streams if "share" in stream]
    if shares and None not in shares and abs(sum(filter(None, shares)) - 1) > 1e-9:
        yield ("streams",), f"the shares come to {sum(filter(None, shares)):.4%}; expected 100%"


def _of_hedges(strategies: object, budget: object) -> Iterator[tuple[Loc, str]]:
    """Hedges that nothing bounds."""
    if isinstance(budget, dict) and {"max_cost", "max_requests"} & budget.keys():
        return
    for place, strategy in enumerate(strategies if isinstance(strategies, list) else ()):
        if isinstance(strategy, dict) and strategy.get("hedge") is not None:
            yield (
                ("strategies", place, "hedge"),
                "sends some requests twice, so it needs a budget: add budget: {max_cost: $2} or {max_requests: 5000}",
            )


def _share(written: object) -> float | None:
    with suppress(ValueError):
        return SHARE.parse(written)
    return None


def _has_column(arrivals: object, column: str) -> bool:
    """Whether arrivals are a trace that says so much of its requests, as far as the file's words tell."""
    match arrivals:
        case {"trace": {"columns": dict(columns)}} if column in columns:
            return True
        case {"trace": {"path": str(path), **options}}:
            ours = path.endswith(RECORDS) or not Path(path).suffix
            return ours or (column != "stream" and (path.endswith(".json") or "columns" not in options))
        case _:
            return False


def _kind(arrivals: object) -> str:
    """The kind of arrivals, or an empty word where it is written wrongly."""
    match arrivals:
        case "backlog":
            return "backlog"
        case dict():
            return next((kind for kind in KINDS if kind in arrivals), "")
    return ""
