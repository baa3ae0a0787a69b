"""`/metrics` for Prometheus while a run goes on, served from a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from bench.errors import UsageError
from bench.results.measurements import Attributes
from bench.results.semconv import INSTRUMENTS, Instrument, prometheus_label, prometheus_name

HOST = "OTEL_EXPORTER_PROMETHEUS_HOST"
"""OpenTelemetry's variable for the address to listen on; this machine alone where it is not set."""


class PrometheusMeter:
    """Keeps what it is told in a registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics = {one.name: _metric(one, self.registry) for one in INSTRUMENTS}
        self._taking: dict[tuple[str, Attributes], Callable[[float], None]] = {}

    def tell(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Add to a counter, set a gauge, or take into a histogram."""
        key = (instrument.name, attributes)
        if key not in self._taking:
            self._taking[key] = self._take(instrument, dict(attributes))
        self._taking[key](value)

    def _take(self, instrument: Instrument, attributes: dict[str, str]) -> Callable[[float], None]:
        """What takes values with these labels; to Prometheus a label that is absent is an empty one."""
        metric = self._metrics[instrument.name]
        labels = {prometheus_label(name): attributes.get(name, "") for name in instrument.attributes}
        if isinstance(metric, Counter):
            return metric.labels(**labels).inc
        if isinstance(metric, Gauge):
            return metric.labels(**labels).set
        return metric.labels(**labels).observe


def _metric(one: Instrument, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, labels = prometheus_name(one), tuple(map(prometheus_label, one.attributes))
    match one.kind:
        case "counter":
            return Counter(name, one.meaning, labels, registry=registry)
        case "gauge":
            return Gauge(name, one.meaning, labels, registry=registry)
        case "histogram":
            return Histogram(name, one.meaning, labels, registry=registry, buckets=one.buckets)


@contextmanager
def serving(meter: PrometheusMeter, port: int, say: Callable[[str], None]) -> Iterator[None]:
    """Serve what a meter keeps; port 0 takes a free one.  UsageError when the port cannot be had."""
    host = os.environ.get(HOST, "127.0.0.1")
    try:
        server, thread = start_http_server(port, host, meter.registry)
    except OSError as error:
        raise UsageError(
            f"--prometheus: cannot listen on {host}:{port}: {error.strerror or error}", "0 takes a free port."
        ) from error
    say(f"metrics at http://{host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
