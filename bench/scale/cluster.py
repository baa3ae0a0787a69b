"""Ray: the processes of a run, on this machine or on a cluster.  Nothing else of the project imports it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar, cast

from bench.errors import UsageError
from bench.results.environment import machine, versions
from bench.results.sends import Send
from bench.scale import spool
from bench.scale.lender import Lender
from bench.scale.messages import Answer, Done, Job, Place, Report, Stopped
from bench.scale.shares import Shared
from bench.scale.worker import work

P = ParamSpec("P")
T = TypeVar("T")

Remote: TypeAlias = Any
"""Of Ray: a module that may not be installed, whose handles have the methods of what they stand for, without types."""

_LOOK, _LOOKS = 0.2, 150
"""Wall-clock seconds between two looks whether a process is gone, and how many there are."""

LOCAL = "local"
"""The address of a cluster that is started on this machine and ends with the run."""


class LostError(Exception):
    """A process or its machine is gone."""


class Hand:
    """A process that works; Ctrl-C is for the one that leads."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def measured_with(self) -> dict[str, str]:
        """Its versions, which must be those of all."""
        return versions()

    def has_key(self) -> bool:
        """Whether its environment has a key for the API."""
        return bool(os.environ.get("ANTHROPIC_API_KEY"))

    def work(self, job: Job, books: Remote) -> Done:
        """See `worker.work`."""
        import ray

        return work(job, Books(books), ray.get_runtime_context().get_node_id())


@dataclass(frozen=True, slots=True)
class Books:
    """A `Lender` in a process of its own, asked from an event loop."""

    actor: Remote

    async def now(self) -> float:
        """See `Lender`."""
        return cast("float", await _of(self.actor.now.remote()))

    async def ready(self, worker: int, place: Place) -> float | None:
        """See `Lender`."""
        return cast("float | None", await _of(self.actor.ready.remote(worker, place)))

    async def renew(self, worker: int, report: Report) -> Answer:
        """See `Lender`."""
        return cast("Answer", await _of(self.actor.renew.remote(worker, report)))

    async def leave(self, worker: int) -> None:
        """See `Lender`."""
        await _of(self.actor.leave.remote(worker))

    async def places(self) -> dict[int, Place]:
        """See `Lender`."""
        return cast("dict[int, Place]", await _of(self.actor.places.remote()))

    async def written_off(self) -> dict[str, float]:
        """See `Lender`."""
        return cast("dict[str, float]", await _of(self.actor.written_off.remote()))

    async def start(self, within: float) -> float:
        """See `Lender`."""
        return cast("float", await _of(self.actor.start.remote(within)))

    async def stop(self, stopped: Stopped) -> None:
        """See `Lender`."""
        await _of(self.actor.stop.remote(stopped))

    async def news(self) -> tuple[dict[int, bytes], int, Stopped | None]:
        """See `Lender`."""
        return cast("tuple[dict[int, bytes], int, Stopped | None]", await _of(self.actor.news.remote()))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up."""

    workers: int
    node: str
    """Ray's name for the machine of this process."""
    _ray: Remote

    def books(self, shared: dict[str, Shared]) -> Books:
        """Open the books of a pass, on this machine."""
        actor = self._ray.remote(Lender).options(num_cpus=0, scheduling_strategy=self._at(self.node))
        return Books(actor.remote(shared))

    def hire(self, *, beside_others: bool = False) -> Remote:
        """A process, where there is a processor for it; or, beside others, wherever there is a machine.

        In the place of one that was lost: its processor may be gone with its machine, and nobody would come.
        """
        return self._ray.remote(Hand).options(num_cpus=int(not beside_others), scheduling_strategy="SPREAD").remote()

    async def ask(self, call: Remote, *args: object) -> Remote:
        """Have one of its methods done.  Raises what that raises, and LostError when the process is gone."""
        return await _of(call.remote(*args))

    def dismiss(self, hand: Remote) -> None:
        """End a process."""
        self._ray.kill(hand)

    def is_up(self, node: str) -> bool:
        """Whether a machine of the cluster still answers."""
        return any(one["NodeID"] == node and one["Alive"] for one in self._ray.nodes())

    async def bury(self, hand: Remote) -> None:
        """Make sure that a process which does not answer any more is gone, as far as its machine can be told."""
        from ray.exceptions import ActorDiedError, RayError

        self.dismiss(hand)
        for _ in range(_LOOKS):
            try:
                await asyncio.wait_for(asyncio.wrap_future(hand.measured_with.remote().future()), _LOOK)
            except ActorDiedError:
                return
            except (RayError, TimeoutError):
                await asyncio.sleep(_LOOK)

    async def fetch(self, place: Place) -> tuple[bytes, list[Send]]:
        """What a worker has written on its machine.  LostError when that is gone."""
        from ray.exceptions import RayError

        if not self.is_up(place.node):
            raise LostError
        task = self._ray.remote(spool.read).options(num_cpus=0, scheduling_strategy=self._at(place.node))
        try:
            return cast("tuple[bytes, list[Send]]", await _of(task.remote(place.folder)))
        except RayError as error:  # it went down in this very moment
            raise LostError from error

    async def discard(self, place: Place) -> None:
        """Remove it there."""
        task = self._ray.remote(spool.discard).options(num_cpus=0, scheduling_strategy=self._at(place.node))
        await _of(task.remote(place.folder))

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function done as soon as there is a processor for it: a Ray task."""
        task = self._ray.remote(function).options(num_cpus=1, scheduling_strategy="SPREAD")
        asked = task.remote(*args, **kwargs)
        return _unwrapped(asked.future())

    def _at(self, node: str) -> Remote:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)


@contextmanager
def cluster(workers: int | None, address: str | None = None) -> Iterator[Cluster]:
    """Join the cluster at an address, or start one on this machine that ends with the context.

    `workers` are as many as there are processors, unless told.  UsageError when there is no Ray, no cluster there, or
    too few processors.
    """
    ray, own = imported(), False
    if not ray.is_initialized():
        own = True
        _start(ray, workers, address)
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        wanted = workers or there
        if wanted > there:
            raise UsageError(
                f"{wanted} workers want a processor each, and the cluster has {there}",
                "Ask for fewer, or for fewer processors each when the cluster is started.",
            )
        yield Cluster(wanted, ray.get_runtime_context().get_node_id(), ray)
    finally:
        if own:
            ray.shutdown()


def imported() -> Remote:
    """Ray itself.  UsageError when it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"several workers need Ray, which is not installed: {error}",
            "pip install 'claude-bench[ray]', on each machine of a cluster.",
        ) from None
    return ray


def _start(ray: Remote, workers: int | None, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address in (None, LOCAL):
        ray.init(address=LOCAL, num_cpus=workers or machine().cores, include_dashboard=False, **quiet)
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"cannot join a Ray cluster at {address}: {first}",
            "Start one with `ray start --head`, or give its address.",
        ) from None


async def _of(reference: Remote) -> Remote:
    """What a call on another process comes to."""
    try:
        return await asyncio.wrap_future(reference.future())
    except Exception as error:
        _raise(error)


def _unwrapped(asked: Future[Any]) -> Future[Any]:
    """A future that fails with what was raised, not with Ray's account of it."""
    answer: Future[Any] = Future()

    def pass_on(done: Future[Any]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(done.result())
        except Exception as error:
            try:
                _raise(error)
            except Exception as own:
                answer.set_exception(own)

    asked.add_done_callback(pass_on)
    return answer


def _raise(error: Exception) -> NoReturn:
    from ray.exceptions import RayActorError, RayTaskError, WorkerCrashedError

    if isinstance(error, RayActorError | WorkerCrashedError):
        raise LostError from error
    if isinstance(error, RayTaskError) and isinstance(error.cause, Exception):
        raise error.cause from None
    raise error


def differing(found: Sequence[dict[str, str]]) -> list[str]:
    """Packages of which not all have the same version."""
    return [name for name in found[0] if len({one.get(name) for one in found}) > 1]
