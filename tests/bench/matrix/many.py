"""Many cases in as many processes as there are cores."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

Case = TypeVar("Case")
Result = TypeVar("Result")


def results_of(function: Callable[[Case], Result], cases: Sequence[Case]) -> list[Result]:
    """What the function returns for every case.  AssertionError names all for which it raises, and why."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        results = list(pool.map(partial(_tried, function), cases, chunksize=10))
    failed = [f"{case}: {why}" for case, (_, why) in zip(cases, results, strict=True) if why]
    assert not failed, f"{len(failed)} of {len(cases)}\n" + "\n".join(failed)
    return [result for result, _ in results if result is not None]


def _tried(function: Callable[[Case], Result], case: Case) -> tuple[Result | None, str]:
    try:
        return function(case), ""
    except Exception:
        return None, " / ".join(line.strip() for line in traceback.format_exc().splitlines()[-3:])
