"""Processes that simulate.

Not those of `multiprocessing`: they import the program that started them once more, and so run a script from its top
that has no `if __name__ == "__main__"`, as short scripts and notebooks have none.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, ParamSpec, Protocol, TypeVar, cast

from bench.planning.simulate import simulate
from bench.results.environment import machine
from bench.results.summary import Summary
from bench.scenario.model import Scenario

P = ParamSpec("P")
T = TypeVar("T")


class Workers(Protocol):
    """Processes that do what they are asked to: functions of a module, with arguments that can be pickled."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it done as soon as one of them is idle."""


def simulate_many(
    scenarios: Sequence[Scenario], *, processes: int | None = None
) -> Generator[tuple[int, Summary], None, None]:
    """The summaries of many scenarios, each with its place in the sequence, as they are done.

    In as many `processes` as the machine has cores, unless told.  Who stops listening stops what goes on.
    """
    processes = min(processes or machine().cores, len(scenarios))
    if processes <= 1:
        yield from ((place, _summary(scenario)) for place, scenario in enumerate(scenarios))
        return
    with workers(processes) as several:
        places = {several.submit(_summary, scenario): place for place, scenario in enumerate(scenarios)}
        for future in as_completed(places):
            yield places[future], future.result()


def _summary(scenario: Scenario) -> Summary:
    return simulate(scenario).summary


@contextmanager
def workers(processes: int | None = None, ray: str | None = None) -> Iterator[Workers]:
    """As many as the machine has cores, unless told; one is this very process.  At the end, what goes on is stopped.

    With the address of a Ray cluster those of its machines.
    """
    if ray is not None:
        from bench.scale.cluster import cluster

        with cluster(processes, ray) as up:
            yield up
        return
    processes = processes or machine().cores
    if processes == 1:
        yield _Here()
        return
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(processes, "claude-bench simulates"))
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for _ in range(processes):
            idle.put(stack.enter_context(_worker()))
        yield _There(threads, idle)


class _Here:
    """Does at once what it is asked to."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as problem:
            future.set_exception(problem)
        return future


@dataclass(frozen=True, slots=True)
class _There:
    """Passes on what it is asked to the next process that is idle; a thread waits for each."""

    threads: ThreadPoolExecutor
    idle: SimpleQueue[subprocess.Popen[bytes]]

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self.threads.submit(self._done, function, *args, **kwargs)

    def _done(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        worker = self.idle.get()
        try:
            return _ask(worker, function, *args, **kwargs)
        finally:
            self.idle.put(worker)


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does what it reads from its input until that ends.  Ctrl-C is for its parent alone."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "bench.planning.workers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    ) as process:
        assert process.stdin
        try:
            yield process
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what it was being asked goes to nobody
                process.stdin.close()


def _ask(worker: subprocess.Popen[bytes], function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    assert worker.stdin
    assert worker.stdout
    pickle.dump((function, args, kwargs), worker.stdin)
    worker.stdin.flush()
    answer, problem = pickle.load(worker.stdout)
    if problem is not None:
        raise problem
    return cast("T", answer)


def _serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nothing more is asked."""
    while True:
        try:
            function, args, kwargs = pickle.load(asked)
        except EOFError:
            return
        answer: tuple[object, Exception | None]
        try:
            answer = function(*args, **kwargs), None
        except Exception as problem:
            answer = None, problem
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed must not stand among the answers
    _serve(sys.stdin.buffer, answers)
