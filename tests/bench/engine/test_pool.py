"""Fixed workers on a bounded queue."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import always, play

from bench.request import RequestSpec
from bench.scenario.strategies import Pool


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 20), st.sampled_from([0.0, 0.25]))
def test_workers_are_as_many_as_asked_and_requests_are_made_only_so_far_ahead(
    n: int, workers: int, queue: int, every: float
) -> None:
    result = play(n, None, always(2.0), every=every, workers=Pool(workers=workers, queue=queue))
    assert result.seqs == list(range(n))
    assert result.most_in_flight <= workers
    assert result.made_ahead <= queue + 1  # the reader holds the next one
    assert result.left_in_flight == 0
    if every == 0:
        assert result.ended == math.ceil(n / workers) * 2.0
        assert result.most_in_flight == min(n, workers)


def test_a_worker_stays_with_its_request_through_its_retries() -> None:
    def first_fails(spec: RequestSpec, attempt: int) -> tuple[float, str | None]:
        return 1.0, "requests" if spec.seq == 0 and attempt == 1 else None

    result = play(3, None, first_fails, retry_after=10, workers=Pool(workers=1, queue=5))
    assert [record.seq for record in result.records] == [0, 1, 2]
    assert result.ended == 1 + 10 + 1 + 1 + 1


@pytest.mark.parametrize(("interrupts", "done"), [((12.0,), 20.0), ((12.0, 14.0), 14.0)])
def test_an_interrupt_empties_the_queue(interrupts: tuple[float, ...], done: float) -> None:
    result = play(100, None, always(10.0), workers=Pool(workers=5, queue=20), interrupts=interrupts)
    assert result.ended == done
    assert len(result.records) == 10
    assert result.left_in_flight == 0
