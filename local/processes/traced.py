"""``python -m local.processes.traced MODULE``: runs a module, and exports its spans to the local run.

Uses the SDK and the exporter that ship with the agent, without automatic instrumentation, which takes a second at the
start. On AWS, ``runtime.telemetry`` turns on the export of the agent's spans.
"""

from __future__ import annotations

import logging
import os
import runpy
import sys
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""OpenTelemetry's own name (https://opentelemetry.io/docs/specs/otel/protocol/exporter/)."""

DELAY_MILLISECONDS = 100


class LoopbackExporter(SpanExporter):
    """The OTLP exporter over HTTP, imported when the first span is exported: its imports take most of a second."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._exporter: SpanExporter | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`; called on a thread of its own."""
        if self._exporter is None:
            import requests  # noqa: PLC0415 - see above
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

            session = requests.Session()
            session.trust_env = False  # else a developer's proxy would be used for loopback
            self._exporter = OTLPSpanExporter(self._endpoint, timeout=2, session=session)
        return self._exporter.export(spans)


def export_spans(endpoint: str) -> None:
    """Export the spans of this process to the endpoint, in the background; spans left at its exit are dropped."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # not each failed export while the receiver restarts
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(LoopbackExporter(endpoint), schedule_delay_millis=DELAY_MILLISECONDS)
    )
    trace.set_tracer_provider(provider)


def module_arguments(module: str, environment: Mapping[str, str]) -> list[str]:
    """The arguments with which Python runs a module, traced where its environment names an OTLP endpoint."""
    return ["-m", "local.processes.traced", module] if ENDPOINT in environment else ["-m", module]


if __name__ == "__main__":
    export_spans(os.environ[ENDPOINT])
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
