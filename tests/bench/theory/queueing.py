"""What queueing theory knows of places and queues: closed forms, and the recursion that is exact for every request.

Sources: Kleinrock, Queueing Systems I (1975); Erlang, Solution of some problems in the theory of probabilities (1917);
Kiefer and Wolfowitz, On the theory of queues with many servers (1955).  Rates are per second, times seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapreplace
from itertools import accumulate


def erlang_c(servers: int, offered: float) -> float:
    """The share of requests that wait in M/M/N, where `offered` (a = rate x service) servers are busy on average.

    C = B / (1 - rho (1 - B)) with Erlang's loss B by its recursion B(k) = a B(k-1) / (k + a B(k-1)), B(0) = 1
    (Kleinrock I, 3.40 and 3.43), which does not overflow as the sums of factorials do.
    """
    *_, lost = accumulate(range(1, servers + 1), lambda b, k: offered * b / (k + offered * b), initial=1.0)
    rho = offered / servers
    return lost / (1 - rho * (1 - lost))


def wait_with_exponential_service(servers: int, rate: float, service: float) -> float:
    """Mean wait in M/M/N: C(N, a) s / (N - a), a = rate x s (Erlang C; Kleinrock I, 3.41)."""
    offered = rate * service
    return erlang_c(servers, offered) * service / (servers - offered)


def wait_with_one_server(rate: float, service: float, variation: float) -> float:
    """Mean wait in M/G/1: rho s (1 + c^2) / 2 (1 - rho) (Pollaczek and Khinchine; Kleinrock I, 5.71).

    `variation` is c, the standard deviation of the service time over its mean: 0 is M/D/1, 1 is M/M/1.
    """
    rho = rate * service
    return rho * service * (1 + variation**2) / (2 * (1 - rho))


def waits(arrivals: Iterable[float], services: Iterable[float], servers: int) -> list[float]:
    """What each request waits, first come first served, in any G/G/N at all.

    The Kiefer-Wolfowitz recursion, kept as the moments at which servers become free: a request takes the one that is
    free first.  Exact, for these very arrivals and services.
    """
    free = [0.0] * servers
    found = []
    for arrived, service in zip(arrivals, services, strict=True):
        begins = max(arrived, free[0])
        heapreplace(free, begins + service)
        found.append(begins - arrived)
    return found


def throughput_of_users(users: int, servers: int, service: float, think: float) -> float:
    """Requests a second of a closed M/M/N: users who think and servers that serve, both exponential.

    The steady state of the machine-repairman model (Kleinrock I, 3.8): with k requests in the system, p(k+1) / p(k) =
    (users - k) / think x service / min(k + 1, servers); whoever is not in it thinks, so X = (users - E[k]) / think.
    """
    ratios = ((users - k) / think * service / min(k + 1, servers) for k in range(users))
    weights = list(accumulate(ratios, lambda weight, ratio: weight * ratio, initial=1.0))
    inside = sum(k * weight for k, weight in enumerate(weights)) / sum(weights)
    return (users - inside) / think
