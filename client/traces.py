"""Reads a run's spans from a local run's trace file, and shows them as a tree and as a summary of the latency."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text
from rich.tree import Tree

from client.errors import UsageError
from client.outputs import Outputs
from client.sanitize import quoted

PATIENCE = 5.0
"""Seconds to wait for the spans, which the agent exports a moment after the run has ended."""

PLANES = ("API Gateway", "AgentCore")

SHOWN = {
    "gen_ai.request.model": "",
    "gen_ai.tool.name": "",
    "gen_ai.usage.input_tokens": " tokens in",
    "gen_ai.usage.output_tokens": " tokens out",
    "run.outcome": "",
}
"""Attributes that are shown, and the suffix of their value. None of them contains text of the conversation."""


class Trace(NamedTuple):
    """The trace of one run.

    Attributes:
        spans: the agent's spans, by start time.
        planes: the seconds that each data plane took before it forwarded the question.
    """

    spans: Sequence[Mapping[str, Any]]
    planes: Mapping[str, float]

    @property
    def run(self) -> Mapping[str, Any]:
        """The root span, named `run`."""
        return next(span for span in self.spans if span["name"] == "run")


def trace_file(outputs: Outputs) -> Path:
    """Return the path of a local run's trace file.

    Raises:
        UsageError: when the outputs are those of a stack on AWS.
    """
    if outputs.folder is None or not outputs.is_local:
        raise UsageError(
            "--trace works for a local run only: docs/operations.md says where to find a stack's spans on AWS."
        )
    return outputs.folder / "traces.jsonl"


async def trace_of(path: Path, run_id: str, aws_trace_id: str) -> Trace:
    """Return the trace of an ended run; waits until its spans are in the file.

    Raises:
        UsageError: when they do not appear within `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while (found := _find(path, run_id, aws_trace_id)) is None:
        if time.monotonic() > deadline:
            raise UsageError(f"{path} has no spans of this run: restart the local run with this version.")
        await asyncio.sleep(0.1)
    return found


def _find(path: Path, run_id: str, aws_trace_id: str) -> Trace | None:
    lines = [*_lines(path)]
    run = next((line for line in lines if line.get("attributes", {}).get("run.id") == run_id), None)
    if run is None:
        return None
    spans = [line for line in lines if line.get("traceId") == run["traceId"]]
    own = {line["name"]: line["end"] - line["start"] for line in lines if line.get("awsTraceId") == aws_trace_id}
    return Trace(sorted(spans, key=lambda span: float(span["start"])), own if aws_trace_id else {})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last line is still being written
            continue


def tree(trace: Trace) -> Tree:
    """Return the spans as a tree, each with its duration and its start relative to the run's."""
    began = float(trace.run["start"])
    nodes: dict[str, Tree] = {}
    top = Tree(_label(trace.run, began))
    nodes[trace.run["spanId"]] = top
    for span in trace.spans:
        if span is not trace.run:
            nodes[span["spanId"]] = nodes.get(span["parentSpanId"], top).add(_label(span, began))
    return top


def _label(span: Mapping[str, Any], began: float) -> Text:
    start, end = float(span["start"]), float(span["end"])
    text = Text(quoted(str(span["name"])), style="red" if span.get("error") else "bold")
    text.append(f"  {_milliseconds(end - start)}, after {_milliseconds(start - began)}", style="default")
    told = [
        f"{quoted(str(span['attributes'][name]))}{unit}" for name, unit in SHOWN.items() if name in span["attributes"]
    ]
    return text.append(f"  {', '.join(told)}" if told else "", style="dim")


def reason(trace: Trace) -> str:
    """Return a line that splits the time before the first word."""
    parts = [f"{name} {_milliseconds(trace.planes[name])}" for name in PLANES if name in trace.planes]
    first = trace.run["attributes"].get("run.first_token_milliseconds")
    return ", ".join([*parts, f"the agent's first word after {float(first):.0f} ms" if first else "no word"])


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
