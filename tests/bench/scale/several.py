"""Workers as threads of this process, each with an event loop of its own, that ask the same lender."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from bench.results.record import Record, decode_lines
from bench.scale.leases import is_paced, shared_by
from bench.scale.lender import Lender
from bench.scale.messages import Answer, Done, Job, Place, Report
from bench.scale.worker import work
from bench.scenario.model import Scenario
from bench.workload.stripe import Stripe


@dataclass
class Desk:
    """A lender that threads ask one after another; the pass begins when all are ready."""

    lender: Lender
    workers: int
    lock: Lock = field(default_factory=Lock)

    async def now(self) -> float:
        return self.lender.now()

    async def ready(self, worker: int, place: Place) -> float | None:
        with self.lock:
            start = self.lender.ready(worker, place)
            if start is None and len(self.lender.places()) == self.workers:
                start = self.lender.start(0.05)
            return start

    async def renew(self, worker: int, report: Report) -> Answer:
        with self.lock:
            return self.lender.renew(worker, report)

    async def leave(self, worker: int) -> None:
        with self.lock:
            self.lender.leave(worker)


def send(scenario: Scenario, many: int, folder: Path, url: str | None = None) -> tuple[list[Done], list[Record]]:
    """Have `many` workers send the first strategy of a scenario; what they came to, and all records as reported."""
    strategy, budget = scenario.strategies[0], scenario.budget
    shared = shared_by(many, strategy, paced=is_paced(strategy), dollars=budget.max_cost, requests=budget.max_requests)
    desk = Desk(Lender(shared), many)
    jobs = [
        Job(scenario, None, strategy.name, 0, Stripe(first, many), "token", url, str(folder / str(first)), "here",
            budget.max_cost, budget.max_requests, budget.max_time, tuple(shared))
        for first in range(many)
    ]  # fmt: skip
    with ThreadPoolExecutor(many) as threads:
        done = list(threads.map(lambda job: work(job, desk, "here"), jobs))
    lines, _, _ = desk.lender.news()
    return done, [record for part in lines.values() for record in decode_lines(part)]
