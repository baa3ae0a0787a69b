"""Processes that simulate.

Not those of `multiprocessing`: they import the program that started them once more, and so run a script from its top
that has no `if __name__ == "__main__"`, as short scripts and notebooks have none.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import bench
from bench.planning.simulate import simulate
from bench.results.environment import machine
from bench.results.summary import Summary
from bench.scenario.model import Scenario


def simulate_many(
    scenarios: Sequence[Scenario], *, processes: int | None = None
) -> Generator[tuple[int, Summary], None, None]:
    """The summaries of many scenarios, each with its place in the sequence, as they are done.

    In as many `processes` as the machine has cores, unless told.  Who stops listening stops what goes on.
    """
    processes = min(processes or machine().cores, len(scenarios))
    if processes <= 1:
        yield from ((place, simulate(scenario).summary) for place, scenario in enumerate(scenarios))
        return
    with ExitStack() as stack:
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        threads = stack.enter_context(ThreadPoolExecutor(processes, "claude-bench simulates"))
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        for _ in range(processes):
            idle.put(stack.enter_context(_worker()))

        def ask(scenario: Scenario) -> Summary:
            worker = idle.get()
            try:
                return _ask(worker, scenario)
            finally:
                idle.put(worker)

        places = {threads.submit(ask, scenario): place for place, scenario in enumerate(scenarios)}
        for future in as_completed(places):
            yield places[future], future.result()


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers scenarios with summaries until its input ends.  Ctrl-C is for its parent alone."""
    path = os.pathsep.join(filter(None, [str(Path(bench.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "bench.planning.workers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ask(worker: subprocess.Popen[bytes], scenario: Scenario) -> Summary:
    assert worker.stdin
    assert worker.stdout
    pickle.dump(scenario, worker.stdin)
    worker.stdin.flush()
    answer = pickle.load(worker.stdout)
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Summary)
    return answer


def _serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nothing more is asked."""
    while (scenario := _next(asked)) is not None:
        answer: Summary | Exception
        try:
            answer = simulate(scenario).summary
        except Exception as problem:
            answer = problem
        pickle.dump(answer, answers)
        answers.flush()


def _next(asked: IO[bytes]) -> Scenario | None:
    try:
        scenario = pickle.load(asked)
    except EOFError:
        return None
    assert isinstance(scenario, Scenario)
    return scenario


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed must not stand among the answers
    _serve(sys.stdin.buffer, answers)
