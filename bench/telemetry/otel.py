"""OpenTelemetry metrics while a run goes on, pushed over OTLP as the standard OTEL_ variables say."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from bench.errors import UsageError
from bench.results.measurements import Attributes
from bench.results.semconv import INSTRUMENTS, Instrument

_log = logging.getLogger(__name__)

PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"


class OtelMeter:
    """Passes on what it is told to OpenTelemetry's SDK."""

    def __init__(self, provider: MeterProvider, version: str) -> None:
        meter = provider.get_meter("claude-bench", version)
        self._take: dict[str, Callable[[float, dict[str, str]], None]] = {}
        for one in INSTRUMENTS:
            match one.kind:
                case "counter":
                    self._take[one.name] = meter.create_counter(one.name, one.unit, one.meaning).add
                case "gauge":
                    self._take[one.name] = meter.create_gauge(one.name, one.unit, one.meaning).set
                case "histogram":
                    self._take[one.name] = meter.create_histogram(
                        one.name, one.unit, one.meaning, explicit_bucket_boundaries_advisory=one.buckets
                    ).record

    def tell(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        """Add to a counter, set a gauge, or take into a histogram."""
        self._take[instrument.name](value, dict(attributes))


@contextmanager
def pushing(version: str, reader: MetricReader | None = None) -> Iterator[OtelMeter]:
    """A meter whose values go to the endpoint of the environment every OTEL_METRIC_EXPORT_INTERVAL and at the end.

    `reader` takes them instead where one is given.  UsageError for a protocol other than http/protobuf.
    """
    asked = next((value for name in PROTOCOLS if (value := os.environ.get(name))), PROTOCOL)
    if asked != PROTOCOL:
        raise UsageError(f"--otel speaks {PROTOCOL}, and the environment asks for {asked}", f"Unset {PROTOCOLS[1]}.")
    reader = reader or PeriodicExportingMetricReader(OTLPMetricExporter())
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "claude-bench")})
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    try:
        yield OtelMeter(provider, version)
    finally:
        try:
            provider.shutdown()  # pushes what is left
        except Exception:
            _log.exception("the last metrics could not be pushed")
