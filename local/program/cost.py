"""What a stack costs: ``python -m local cost --stack prod``, from what it declares and what a conversation takes.

An estimate, to see which part of a bill matters and what a setting changes; prices are in `prices.yaml`, each with its
page and the day it was read. ``python -m local.program.cost`` puts the tables into docs/cost.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from contract import Kind
from local import ROOT
from local.program.graph import Graph

HOUR = 3600
MONTH_HOURS = 730
MILLION = 1e6
GB = 1e9
FREE_USERS = 10_000
PAGE_FILES, PAGE_BYTES = 6, 150_000  # of the chat page; as if a browser cached nothing between conversations
LEAST_EVENT, MOST_EVENT = 12_000, 64_000  # bytes: AgentCore Memory bills an event as at least and at most this

SIZES = (1_000, 20_000, 500_000)
"""Conversations a month: a team, a department, a product."""


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What one conversation takes. The defaults are an ordinary chat; measure your own agent's.

    Attributes:
        turns: questions in a conversation.
        gap_seconds: between an answer and the next question.
        answer_seconds: how long an answer streams.
        cpu_seconds: processor time of the agent for one answer. Measured with the scripted model, 100 words: under 0.1.
        memory_gb: of the microVM. The agent's process had 0.1 resident under load here; the system's share is a guess.
        start_cpu_seconds: processor time of a microVM's start. Measured to the first ping: 5.0, without bytecode.
        input_tokens: of the instructions and tools, and of a question; earlier turns are added.
        output_tokens: of an answer.
        answer_bytes: on the wire, events and all.
        turn_bytes: of a question and its answer as they are kept in AgentCore Memory.
        log_bytes: of the access log and the agent's, for one request.
        preflights: the page calls from another origin, so a CORS preflight precedes each call.
        conversations_per_user: a month.
    """

    turns: int = 6
    gap_seconds: float = 45
    answer_seconds: float = 8
    cpu_seconds: float = 0.1
    memory_gb: float = 0.5
    start_cpu_seconds: float = 5.0
    input_tokens: int = 1_200
    output_tokens: int = 350
    answer_bytes: int = 60_000
    turn_bytes: int = 4_000
    log_bytes: int = 2_500
    preflights: bool = True
    conversations_per_user: int = 20

    @property
    def requests(self) -> int:
        """What reaches the API for one conversation."""
        return self.turns * (2 if self.preflights else 1)

    @property
    def model_input(self) -> int:
        """Input tokens of a whole conversation: every turn sends the earlier ones again."""
        earlier = sum(turn * self.output_tokens for turn in range(self.turns))
        return self.turns * self.input_tokens + earlier


class Line(NamedTuple):
    """One part of the bill: its name, fixed dollars a month, and dollars for each conversation."""

    what: str
    monthly: float
    each: float


@cache
def prices() -> Mapping[str, float]:
    """Dollars, by name; the unit is in the file."""
    content = _file()
    return {name: float(entry["price"]) for name, entry in content["prices"].items()}


@cache
def _file() -> Any:
    return yaml.safe_load((Path(__file__).parent / "prices.yaml").read_text(encoding="utf-8"))


def read_on() -> str:
    """The day on which the prices were read."""
    return str(_file()["read"])


def bill(graph: Graph, usage: Usage) -> list[Line]:
    """The parts of a stack's bill, without AWS's free tiers and without Cognito's users (see `users`)."""
    price = prices()
    by_cloudfront = _declared(graph, "Distribution") > 0
    if by_cloudfront:
        usage = dataclasses.replace(usage, preflights=False)  # page and API are one origin
    data = 0 if by_cloudfront else usage.turns * usage.answer_bytes / GB * price["data_out"]
    return [
        Line("Model (Claude Haiku 4.5)", 0, _model(usage)),
        Line("AgentCore Runtime", 0, session(graph, usage)),
        Line("AgentCore Memory", 0, _memory(graph, usage)),
        Line("API Gateway", 0, usage.requests * price["api_requests"] / MILLION),
        Line("Data to the internet", 0, data),
        Line("CloudFront (with website)", 0, _cloudfront(usage) if by_cloudfront else 0),
        _firewall(graph, usage),
        _observability(graph, usage),
        Line("Private path (load balancer, endpoint)", _private(graph), 0),
    ]


def _declared(graph: Graph, kind: str) -> int:
    return sum(each.type.endswith(f":{kind}") for each in graph.resources)


def _model(usage: Usage) -> float:
    price = prices()
    output = usage.turns * usage.output_tokens
    return (usage.model_input * price["model_input"] + output * price["model_output"]) / MILLION


def _runtime(graph: Graph) -> Mapping[str, Any]:
    return graph.one(Kind.RUNTIME).inputs


def idle_seconds(graph: Graph) -> int:
    """How long a microVM lives on after its last answer."""
    return int(_runtime(graph)["lifecycleConfigurations"][0]["idleRuntimeSessionTimeout"])


def session(graph: Graph, usage: Usage) -> float:
    """A microVM for one conversation: it starts, answers, waits for questions, and lives on after the last one."""
    talking = usage.turns * (usage.answer_seconds + usage.gap_seconds) - usage.gap_seconds
    cpu = usage.start_cpu_seconds + usage.turns * usage.cpu_seconds
    return microvm(graph, usage, cpu=cpu, seconds=talking + idle_seconds(graph))


def microvm(graph: Graph, usage: Usage, *, cpu: float, seconds: float) -> float:
    """Dollars of a microVM: processor seconds consumed, and memory for as long as it lives."""
    price, suffix = prices(), "_v2" if _runtime(graph).get("platformVersion") == "V2" else ""
    memory = seconds * usage.memory_gb * price[f"runtime_memory{suffix}"]
    return (cpu * price[f"runtime_cpu{suffix}"] + memory) / HOUR


def _memory(graph: Graph, usage: Usage) -> float:
    """A turn is one event, written once; a conversation that is taken up again reads them all once."""
    price = prices()
    counted = usage.turns * min(max(usage.turn_bytes, LEAST_EVENT), MOST_EVENT) / GB
    return sum(
        counted * (price["memory_written"] + price["memory_read"])
        + usage.turns * usage.turn_bytes / GB * price["memory_kept"] * int(memory.inputs["eventExpiryDuration"]) / 30
        for memory in graph.all("aws:bedrock/agentcoreMemory:AgentcoreMemory")
    )


def _cloudfront(usage: Usage) -> float:
    """The page and the answers; what CloudFront fetches from the API and the bucket is free."""
    price = prices()
    data = (PAGE_BYTES + usage.turns * usage.answer_bytes) / GB * price["cloudfront_data"]
    return data + (PAGE_FILES + usage.requests) * price["cloudfront_requests"] / MILLION


def _firewall(graph: Graph, usage: Usage) -> Line:
    price = prices()
    monthly = each = 0.0
    for acl in graph.all(Kind.WEB_ACL):
        rules = acl.inputs["rules"]
        monthly += price["web_acl"] + len(rules) * price["web_acl_rule"]
        files = PAGE_FILES if acl.inputs["scope"] == "CLOUDFRONT" else 0
        each += (usage.requests + files) * price["web_acl_requests"] / MILLION
        if "AWSManagedRulesBotControlRuleSet" in str(rules):
            monthly += price["bot_control"]
            each += usage.requests * price["bot_control_requests"] / MILLION
    return Line("AWS WAF", monthly, each)


def _observability(graph: Graph, usage: Usage) -> Line:
    price = prices()
    looked_at = sum(
        max(1, sum("metric" in query for query in alarm.inputs.get("metricQueries") or ()))
        for alarm in graph.all("aws:cloudwatch/metricAlarm:MetricAlarm")
    )
    monthly = (
        looked_at * price["alarm"]
        + _declared(graph, "LogMetricFilter") * price["metric"]
        + _declared(graph, "Dashboard") * price["dashboard"]
    )
    return Line("CloudWatch", monthly, usage.requests * usage.log_bytes / GB * price["log_bytes"])


def _private(graph: Graph) -> float:
    price = prices()
    zones = _declared(graph, "TargetGroupAttachment")
    return MONTH_HOURS * (_declared(graph, "LoadBalancer") * price["balancer"] + zones * price["endpoint"])


def users(conversations: int, usage: Usage) -> float:
    """Cognito's part of a month."""
    return max(0, conversations / usage.conversations_per_user - FREE_USERS) * prices()["users"]


def total(lines: list[Line], conversations: int, usage: Usage) -> float:
    """Dollars a month."""
    return sum(line.monthly + line.each * conversations for line in lines) + users(conversations, usage)


def rows(graph: Graph, usage: Usage) -> Iterator[tuple[str, ...]]:
    """The table: each part for 1,000 conversations and for a month of each size, then the whole."""
    lines = bill(graph, usage)
    for line in lines:
        months = (line.monthly + line.each * size for size in SIZES)
        yield (line.what, dollars(line.each * 1000), *(dollars(each) for each in months))
    yield ("Cognito users", dollars(0), *(dollars(users(size, usage)) for size in SIZES))
    whole = sum(line.each for line in lines) * 1000
    yield ("Together", dollars(whole), *(dollars(total(lines, size, usage)) for size in SIZES))


def mishaps(graph: Graph, usage: Usage) -> Iterator[tuple[str, str]]:
    """What goes wrong, and what that costs in microVMs alone."""
    idle = idle_seconds(graph)
    cpu = usage.start_cpu_seconds + usage.cpu_seconds
    one = microvm(graph, usage, cpu=cpu, seconds=usage.answer_seconds + idle)
    shared = microvm(graph, usage, cpu=1000 * usage.cpu_seconds, seconds=1000 * usage.answer_seconds + idle)
    day = microvm(graph, usage, cpu=0, seconds=8 * HOUR)
    yield "A tab that is left open, with nothing asked", dollars(0)
    yield "A session kept alive for its eight hours, by a `/ping` whose time always moves", dollars(day)
    yield "1,000 questions each in a session of its own, because no session header was sent", dollars(1000 * one)
    yield "… the same in one session", dollars(shared)
    yield "An hour of a caller with a token who bypasses the API: 25 new sessions a second", dollars(25 * HOUR * one)


def dollars(value: float) -> str:
    """A price for a reader: cents below a hundred dollars, whole dollars above."""
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


HEADINGS = ("", "1,000 conversations", *(f"{size:,} a month" for size in SIZES))

PAGE = ROOT / "docs" / "cost.md"


def with_tables(page: str, graph: Graph, usage: Usage) -> str:
    """docs/cost.md with its tables between the marks as they are now."""
    bill_rows = [HEADINGS, tuple("---" for _ in HEADINGS), *rows(graph, usage)]
    tables = {
        "bill": "\n".join(f"| {' | '.join(row)} |" for row in bill_rows),
        "mishaps": "\n".join(
            ["| what happens | costs |", "|---|---|", *(f"| {a} | {b} |" for a, b in mishaps(graph, usage))]
        ),
        "prices": "\n".join(
            ["| price | for | AWS's page | seen on " + read_on() + " |", "|---|---|---|---|"]
            + [
                f"| ${entry['price']:,} | {entry['per']} | [page]({entry['page']}) | [here]({entry['seen']}) |"
                for entry in _file()["prices"].values()
            ]
        ),
    }
    for name, table in tables.items():
        before, found, rest = page.partition(f"<!-- {name} -->\n")
        after = rest.partition("<!-- end -->")[2]
        page = f"{before}{found}{table}\n<!-- end -->{after}"
    return page


def main() -> None:
    """Put the tables of production into the page."""
    from local.program.evaluate import evaluate, read_settings  # noqa: PLC0415 - slow to import, and only this command needs it
    from local.program.provider import MockProvider  # noqa: PLC0415 - as above

    graph = evaluate("prod", MockProvider(read_settings("prod")["aws:region"]))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), graph, Usage()), encoding="utf-8")


if __name__ == "__main__":
    main()
