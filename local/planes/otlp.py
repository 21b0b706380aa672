"""Reads spans in the form that OpenTelemetry's exporters send: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def spans_of(body: bytes) -> list[dict[str, Any]]:
    """Every span of an export, in the form that `local.planes.traces` stores.

    Raises:
        ValueError: when the body is not an export.
    """
    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError("not an ExportTraceServiceRequest") from error
    scopes = [scope for resource in export.resource_spans for scope in resource.scope_spans]
    return [_line(span) for scope in scopes for span in scope.spans]


def _line(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "start": span.start_time_unix_nano / 1e9,
        "end": span.end_time_unix_nano / 1e9,
        "error": span.status.code == Status.StatusCode.STATUS_CODE_ERROR,
        "attributes": {each.key: next(iter(MessageToDict(each.value).values()), None) for each in span.attributes},
    }
