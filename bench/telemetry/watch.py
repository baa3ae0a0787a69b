"""The observers that a person asked for: Prometheus, OpenTelemetry, both or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec

from bench.errors import UsageError
from bench.results import semconv
from bench.telemetry.observer import Telemetry


@contextmanager
def telemetry(
    *, scenario: str, target: str, prometheus: int | None, otel: bool, say: Callable[[str], None]
) -> Iterator[list[Telemetry]]:
    """Observers for as long as a run goes on.  `prometheus` is a port.  UsageError before anything is sent when an
    extra is not installed or a port cannot be had."""
    ours = version("claude-bench")
    facts = ((semconv.SCENARIO, scenario), (semconv.TARGET, target), (semconv.VERSION, ours))
    observers = []
    with ExitStack() as stack:
        if prometheus is not None:
            _need("prometheus_client", "--prometheus", "prometheus")
            from bench.telemetry.prometheus import PrometheusMeter, serving

            scraped = PrometheusMeter()
            stack.enter_context(serving(scraped, prometheus, say))
            observers.append(Telemetry(scraped, facts=facts))
        if otel:
            _need("opentelemetry.exporter.otlp.proto.http", "--otel", "otel")
            from bench.telemetry.otel import pushing

            observers.append(Telemetry(stack.enter_context(pushing(ours)), facts=facts))
        yield observers


def _need(module: str, flag: str, extra: str) -> None:
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        found = False
    if not found:
        raise UsageError(f"{flag} needs the extra `{extra}`", f"pip install 'claude-bench[{extra}]'")
