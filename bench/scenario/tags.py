"""The tags of thresholds: whether what they name is there in what is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.scenario import traces
from bench.scenario.document import Loc
from bench.scenario.model import Scenario, Trace
from bench.scenario.problems import nearest


def unknown_tags(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """Tags of thresholds that name no case, strategy, stream or model of what they leave."""
    for written in dict.fromkeys(one.metric for one in scenario.thresholds):
        for message in dict.fromkeys(_unknown(written, scenario.variants)):
            yield ("thresholds", written), message


def _unknown(written: str, variants: Sequence[tuple[str | None, Scenario]]) -> Iterator[str]:
    from bench.results.thresholds import split_tags  # numpy comes with it; most scenarios do without

    _, tags = split_tags(written)
    cases = [name for name, _ in variants if name is not None]
    if "case" in tags and tags["case"] not in cases:
        yield _no("case", tags["case"], cases)
        return
    meant = [each for name, each in variants if tags.get("case", name) == name]
    strategy = tags.get("strategy")
    names = list(dict.fromkeys(one.name for each in meant for one in each.strategies))
    if strategy is not None and strategy not in names:
        yield _no("strategy", strategy, names)
        return
    for each in meant:
        if strategy is None or strategy in (one.name for one in each.strategies):
            yield from _unknown_in(each, tags.get("stream"), tags.get("model"))


def _unknown_in(scenario: Scenario, stream: str | None, model: str | None) -> Iterator[str]:
    """A stream has one model: what it does not ask is not there in it."""
    streams = _models_by_stream(scenario)
    if stream is not None and stream not in streams:
        yield _no("stream", stream, list(streams))
    elif model is not None:
        asked = {streams[stream]} if stream is not None else scenario.models_asked
        if model not in asked:
            yield _no("model", model, sorted(asked))


def _models_by_stream(scenario: Scenario) -> dict[str, str]:
    """The streams there are, of the scenario or of its trace, and the model each asks."""
    models = {one.name: scenario.model if one.model is None else one.model for one in scenario.streams}
    if not models and isinstance(scenario.arrivals, Trace):
        models = dict.fromkeys(sorted(name for name in traces.streams(scenario.arrivals.file) if name), scenario.model)
    return models


def _no(kind: str, name: str, known: Sequence[str]) -> str:
    there = (
        f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else f"the scenario has no `{kind}s`"
    )
    return f"no {kind} `{name}`; {there}.{nearest(name, known)}"
