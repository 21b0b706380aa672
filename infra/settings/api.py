"""Settings of the REST API that streams.

"Idle limit" is API Gateway's: how long a stream may stay silent before the gateway cuts it. It depends on the
endpoint type (https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from contract import DEFAULT_TIMEOUT_MILLISECONDS, IDLE_LIMIT_SECONDS, STREAM_LIMIT_SECONDS
from infra.settings.base import Contradiction, Settings, impossible
from infra.settings.patterns import Pattern, origin_of, web_address

EndpointType = Literal["REGIONAL", "EDGE", "PRIVATE"]
TransferMode = Literal["STREAM"]
SessionFrom = Literal["user", "thread", "header"]
SecurityPolicy = Literal[
    "SecurityPolicy_TLS13_1_3_2025_09",
    "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
    "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
    "SecurityPolicy_TLS13_1_2_2021_06",
    "SecurityPolicy_TLS13_2025_EDGE",
    "SecurityPolicy_TLS12_PFS_2025_EDGE",
]

HEARTBEAT_MARGIN = 2
"""The idle limit must be at least this many heartbeats long, so that one late heartbeat does not end the stream."""

DEFAULT_SECONDS = DEFAULT_TIMEOUT_MILLISECONDS // 1000
"""An integration's default timeout; a guard rail refuses it, because it would cut answers off."""


def _is_an_origin(text: str) -> None:
    if text in ("", "*"):
        return
    origin = origin_of(web_address(text))
    if text != origin:
        raise impossible("a browser sends only scheme, host and port, and compares them exactly", f"write {origin}")


ORIGIN = Pattern(
    "an origin like https://chat.example.com, *, or nothing",
    r"|\*|https?://[a-z0-9.-]+(:\d+)?",
    why="no browser sends it as an origin",
    check=_is_an_origin,
)
STAGE_NAME = Pattern(
    "at most 128 letters, digits and underscores",
    r"[A-Za-z0-9_]{0,128}",
    why="it is part of the API's address, and other characters may be refused",
)
TEAM = Pattern(
    "at most 32 lower-case letters, digits and hyphens, the first a letter",
    r"[a-z][a-z0-9-]{0,31}",
    why="a team's name becomes part of resource names",
)
VPC_ENDPOINT = Pattern("the id of a VPC endpoint, like vpce-0123456789abcdef0", r"vpce-([0-9a-f]{8}|[0-9a-f]{17})")
HOST_NAME = Pattern(
    "a host name in lower case, like agent.example.com", r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
HOSTED_ZONE = Pattern("the id of a Route 53 zone, like Z0123456789, or nothing", r"(Z[A-Z0-9]{1,31})?")
CERTIFICATE = Pattern(
    "the ARN of a certificate, arn:aws:acm:REGION:NUMBER:certificate/ID, or nothing",
    r"(arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+)?",
)


REQUEST_HEADER = Pattern(
    "a header's name, like X-Request-Id",
    r"[A-Za-z][A-Za-z0-9-]{0,79}",
    why="it is not a valid header name",
)


class TeamSettings(Settings):
    """A team's usage plan: its own API key, rate and quota."""

    rate: float = Field(5, gt=0, le=1_000, description="Steady requests per second.")
    burst: int = Field(10, ge=1, le=1_000, description="Requests accepted at once.")
    requests_per_day: int = Field(10_000, ge=1, le=100_000_000, description="Requests a day before the key is refused.")


class DomainSettings(Settings):
    """The API's custom domain."""

    name: Annotated[str, HOST_NAME] = Field(description="The host name at which the API answers.")
    hosted_zone_id: Annotated[str, HOSTED_ZONE] = Field(
        "", description="The Route 53 zone for the DNS record. Empty: you create the record yourself."
    )
    certificate_arn: Annotated[str, CERTIFICATE] = Field(
        "",
        description="A certificate in ACM: in us-east-1 for EDGE, otherwise in the stack's Region. Empty: one is "
        "declared, and validated by a record in the zone.",
    )
    only_this_name: bool = Field(
        False,
        description="Disable the execute-api address, so that the API answers at this name only. A second step: deploy "
        "the name, check that it answers, then write true.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        if not (self.certificate_arn or self.hosted_zone_id):
            yield Contradiction(
                ("certificateArn", "hostedZoneId"),
                "a certificate is validated by a record in a hosted zone, and neither is given",
                "write hostedZoneId, or the certificateArn of an issued certificate",
            )


class ApiSettings(Settings):
    """The REST API that streams."""

    endpoint_type: EndpointType = Field(
        "REGIONAL", description="API Gateway's endpoint type. EDGE cuts a stream after 30 s of silence."
    )
    vpc_endpoint_ids: list[Annotated[str, VPC_ENDPOINT]] = Field(
        [], max_length=20, description="With PRIVATE: the execute-api interface endpoints that may call the API."
    )
    security_policy: SecurityPolicy = Field(
        "SecurityPolicy_TLS13_1_2_2021_06", description="Which TLS versions and ciphers the API accepts."
    )
    strict_host: bool = Field(
        False,
        description="The API answers only when SNI and Host agree (endpoint access mode STRICT). A change takes "
        "about 15 minutes, and the endpoint type is fixed while it is on.",
    )
    stage_name: Annotated[str, STAGE_NAME] = Field("", description="Empty: the stack's name.")
    session_from: SessionFrom = Field(
        "user",
        description="The source of the session id, which selects the microVM. user: the user's own id, from the token. "
        "thread: the body's threadId, a microVM for each conversation. header: the client's session header. "
        "docs/security.md compares them.",
    )
    response_transfer_mode: TransferMode = Field(
        "STREAM", description="BUFFERED, which sends nothing until the answer is complete, is refused."
    )
    timeout_seconds: int = Field(
        900, ge=DEFAULT_SECONDS + 1, le=STREAM_LIMIT_SECONDS, description="Longest response, first to last byte."
    )
    heartbeat_seconds: float = Field(
        10,
        gt=0,
        description="Silence after which the agent sends an SSE comment, so that no limit cuts the stream.",
    )
    allowed_origin: Annotated[str, ORIGIN] = Field(
        "",
        description="Origin of the page that calls the API from a browser, or * for any. Empty: no browser.",
    )
    agent_sends_cors: bool = Field(
        True,
        description="The agent sets Access-Control-Allow-Origin on its responses. false: AgentCore sets it, and "
        "browsers would refuse a response with two such headers. The doctor reports which it is.",
    )
    allowed_headers: list[Annotated[str, REQUEST_HEADER]] = Field(
        ["Cache-Control", "Last-Event-ID", "traceparent", "tracestate", "X-Amzn-Trace-Id", "X-Request-Id"],
        max_length=50,
        description="Request headers that a page may send besides those that the API needs.",
    )
    authorizer_cache_seconds: int = Field(
        0,
        ge=0,
        le=3600,
        description="Seconds for which the API accepts a token again without a check. 0 checks every time, so that an "
        "expired token is always refused; AWS's own default is 300.",
    )
    throttle_rate: float = Field(
        20,
        gt=0,
        le=1_000,
        description="Steady requests per second of each method without a rate of its own: OPTIONS, the CORS preflight. "
        "It does not limit the calls of the agent; invocationRate does.",
    )
    throttle_burst: int = Field(40, ge=1, le=1_000, description="Requests that such a method accepts at once.")
    invocation_rate: float = Field(
        10,
        gt=0,
        le=200,
        description="Steady requests per second that reach the agent (POST), all callers and teams together; AgentCore "
        "allows 200 for an account.",
    )
    invocation_burst: int = Field(20, ge=1, le=200, description="Requests that reach the agent at once.")
    teams: dict[Annotated[str, TEAM], TeamSettings] = Field(
        {}, max_length=100, description="API keys and usage plans by team. When there are any, every call needs a key."
    )
    domain: DomainSettings | None = Field(None, description="A custom domain.")
    account_log_role: bool = Field(
        False,
        description="Declare the role with which API Gateway writes logs: one for an account and Region, without which "
        "the stage cannot be created. Write true in one stack only; the role is kept when that stack is destroyed.",
    )

    @field_validator("response_transfer_mode", mode="before")
    @classmethod
    def _streams(cls, mode: object) -> object:
        if mode == "BUFFERED":
            raise impossible("users would see nothing until the answer is complete", "write STREAM, or leave it out")
        return mode

    @property
    def idle_limit_seconds(self) -> int:
        """Seconds of silence after which API Gateway cuts the stream."""
        return IDLE_LIMIT_SECONDS[self.endpoint_type]

    @property
    def access_mode(self) -> Literal["BASIC", "STRICT"]:
        """The endpoint access mode, which every ``SecurityPolicy_…`` requires.

        Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html
        """
        return "STRICT" if self.strict_host else "BASIC"

    @property
    def run_timeout_seconds(self) -> float:
        """When the agent ends a run: early enough to report it in the stream before the gateway ends that."""
        return self.timeout_seconds - min(30, self.timeout_seconds / 10)

    def contradictions(self) -> Iterator[Contradiction]:
        """See `Settings.contradictions`."""
        yield from self._streaming_contradictions()
        yield from self._endpoint_contradictions()
        yield from self._team_contradictions()
        if self.domain is not None:
            yield from (each.below("domain") for each in self.domain.contradictions())

    def _team_contradictions(self) -> Iterator[Contradiction]:
        # A stage's limits apply to each method separately, and not to a method with limits of its own
        # (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html), so only
        # the limits of POST bound a team.
        for name, team in self.teams.items():
            for key, share, whole in (
                ("rate", team.rate, self.invocation_rate),
                ("burst", team.burst, self.invocation_burst),
            ):
                if share > whole:
                    yield Contradiction(
                        (f"teams.{name}.{key}", f"invocation{key.capitalize()}"),
                        f"all teams together have {whole:g}, so it would never be reached",
                        f"write {whole:g} or less, or raise invocation{key.capitalize()}",
                    )

    def _streaming_contradictions(self) -> Iterator[Contradiction]:
        longest = self.idle_limit_seconds / HEARTBEAT_MARGIN
        if self.heartbeat_seconds > longest:
            yield Contradiction(
                ("heartbeatSeconds", "endpointType"),
                f"a {self.endpoint_type} endpoint cuts a stream after {self.idle_limit_seconds} s of silence",
                f"write {longest:g} or less",
            )

    def _endpoint_contradictions(self) -> Iterator[Contradiction]:
        at_the_edge = self.security_policy.endswith("_EDGE")
        if at_the_edge != (self.endpoint_type == "EDGE"):
            fitting = "SecurityPolicy_TLS13_2025_EDGE" if not at_the_edge else "SecurityPolicy_TLS13_1_2_2021_06"
            yield Contradiction(
                ("securityPolicy", "endpointType"),
                f"{self.security_policy} does not exist for a {self.endpoint_type} endpoint",
                f"write {fitting}",
            )
        if (self.endpoint_type == "PRIVATE") != bool(self.vpc_endpoint_ids):
            yield Contradiction(
                ("vpcEndpointIds", "endpointType"),
                "a PRIVATE endpoint is reached through VPC endpoints, and no other endpoint is",
                "write the ids of the execute-api endpoints with endpointType: PRIVATE, and none otherwise",
            )
        if self.endpoint_type == "PRIVATE" and self.domain is not None:
            yield Contradiction(
                ("domain", "endpointType"),
                "this stack declares public host names only, and the API is PRIVATE",
                "remove domain, and call the API through its VPC endpoint",
            )
