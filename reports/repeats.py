"""A strategy that was run several times, as one: of each number the mean of the runs, and its interval over them.

The unit is the run.  Requests of one run share an hour, a region and a queue, so the interval within a run says little
about the next one; this one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from bench.results.intervals import Interval, typical
from bench.results.summary import Distribution, ModelSummary, PassSummary, Quantile, StreamSummary

NOTE = "over the runs: geometric mean, 95 % interval (t of the logarithms)"

_Part = TypeVar("_Part", PassSummary, StreamSummary, ModelSummary)
_Named = TypeVar("_Named", StreamSummary, ModelSummary)


@dataclass(frozen=True, slots=True)
class Repeated:
    """All runs of one strategy in one case."""

    summary: PassSummary
    """Each number that of a typical run, each percentile's interval that over the runs; of one run, as it was."""
    runs: int
    spread: Mapping[str, Interval] = field(default_factory=dict)
    """Of single numbers by metric: the interval over the runs."""


def over_runs(passes: Sequence[PassSummary]) -> list[Repeated]:
    """Each strategy of each case once, in the order of their first runs."""
    together: dict[tuple[str | None, str], list[PassSummary]] = {}
    for one in passes:
        together.setdefault((one.case, one.strategy), []).append(one)
    return [_together([one for one in own if one.stopped is None] or own) for own in together.values()]


def _together(runs: Sequence[PassSummary]) -> Repeated:
    """Of runs that came to their end, if any did: one that was cut short is no run like the others."""
    if len(runs) == 1:
        return Repeated(runs[0], 1)
    whole = msgspec.structs.replace(
        _merged(runs),
        streams=_by_name([own for one in runs for own in one.streams]),
        models=_by_name([own for one in runs for own in one.models]),
    )
    found = {name: typical(_known([one.values[name] for one in runs])) for name in whole.values}
    return Repeated(whole, len(runs), {name: one for name, one in found.items() if one is not None})


def _by_name(parts: Sequence[_Named]) -> tuple[_Named, ...]:
    return tuple(
        _merged([one for one in parts if one.name == name]) for name in dict.fromkeys(one.name for one in parts)
    )


def _merged(parts: Sequence[_Part]) -> _Part:
    """The first, with the numbers of all."""
    first = parts[0]
    values = {name: _middle([one.values[name] for one in parts]) for name in first.values}
    distributions = {name: _distribution([one.distributions[name] for one in parts]) for name in first.distributions}
    return msgspec.structs.replace(first, values=values, distributions=distributions)


def _distribution(runs: Sequence[Distribution]) -> Distribution:
    least, most = _known([one.min for one in runs]), _known([one.max for one in runs])
    return Distribution(
        sum(one.n for one in runs),
        _middle([one.mean for one in runs]),
        min(least, default=None),
        max(most, default=None),
        *(_quantile([getattr(one, part) for one in runs]) for part in ("p50", "p90", "p95", "p99")),
    )


def _quantile(runs: Sequence[Quantile]) -> Quantile:
    """Known where every run knows it: of those with enough samples alone it would be that of the long ones."""
    found = typical(_known([one.value for one in runs]))
    if found is None:
        return Quantile(None, None, None, runs[0].needed)
    return Quantile(found.estimate, found.lo, found.hi, runs[0].needed)


def _middle(values: Sequence[float | None]) -> float | None:
    found = typical(_known(values))
    return None if found is None else found.estimate


def _known(values: Sequence[float | None]) -> list[float]:
    """All of them, or none where one is not known."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []
