"""A security review's checklist over the whole graph: each deliberate exception stands here with its reason.

An exception that no resource needs any more fails too, so that the list does not outlive what it excuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from local.program.graph import Graph, Resource
from tests.infra.graphs import ENVIRONMENTS, VARIATIONS, WEBSITE, any_stack, variation

Broken = Iterator[Resource]
DATA = ("UserPool", "RestApi", "AgentcoreMemory", "Key")
"""What cannot be made again."""


def of(graph: Graph, kind: str) -> list[Resource]:
    return [each for each in graph.resources if each.type.endswith(f":{kind}")]


def about(graph: Graph, one: Resource, kind: str) -> list[Resource]:
    """The resources of a kind that name this one's id, whatever they call it."""
    return [each for each in of(graph, kind) if one.id in json.dumps(dict(each.inputs))]


def log_groups_end(graph: Graph) -> Broken:
    return (each for each in of(graph, "LogGroup") if not each.inputs.get("retentionInDays"))


def log_groups_under_own_key(graph: Graph) -> Broken:
    return (each for each in of(graph, "LogGroup") if not each.inputs.get("kmsKeyId"))


def buckets_encrypted(graph: Graph) -> Broken:
    return (each for each in of(graph, "Bucket") if not about(graph, each, "BucketServerSideEncryptionConfiguration"))


def buckets_closed(graph: Graph) -> Broken:
    return (each for each in of(graph, "Bucket") if not about(graph, each, "BucketPublicAccessBlock"))


def buckets_keep_versions(graph: Graph) -> Broken:
    return (each for each in of(graph, "Bucket") if not about(graph, each, "BucketVersioning"))


def buckets_log_access(graph: Graph) -> Broken:
    return (each for each in of(graph, "Bucket") if not about(graph, each, "BucketLogging"))


def topics_encrypted(graph: Graph) -> Broken:
    return (each for each in of(graph, "Topic") if not each.inputs.get("kmsMasterKeyId"))


def keys_rotate(graph: Graph) -> Broken:
    return (each for each in of(graph, "Key") if not each.inputs.get("enableKeyRotation"))


def stages_traced(graph: Graph) -> Broken:
    return (each for each in of(graph, "Stage") if not each.inputs.get("xrayTracingEnabled"))


def stages_with_client_certificate(graph: Graph) -> Broken:
    return (each for each in of(graph, "Stage") if not each.inputs.get("clientCertificateId"))


def tls_of_today(graph: Graph) -> Broken:
    return (each for each in of(graph, "RestApi") if "TLS1" not in str(each.inputs.get("securityPolicy", "")))


def distributions_of_today(graph: Graph) -> Broken:
    old = ("SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016", "TLSv1.2_2018", "TLSv1.2_2019")
    return (
        each
        for each in of(graph, "Distribution")
        if each.inputs.get("viewerCertificate", {}).get("minimumProtocolVersion", old[0]) in old
    )


def distributions_guarded(graph: Graph) -> Broken:
    return (each for each in of(graph, "Distribution") if not each.inputs.get("webAclId"))


def distributions_log_access(graph: Graph) -> Broken:
    return (each for each in of(graph, "Distribution") if not each.inputs.get("loggingConfig"))


def mfa_possible(graph: Graph) -> Broken:
    return (each for each in of(graph, "UserPool") if each.inputs.get("mfaConfiguration") not in ("ON", "OPTIONAL"))


def passwords_remembered(graph: Graph) -> Broken:
    return (each for each in of(graph, "UserPool") if not each.inputs["passwordPolicy"].get("passwordHistorySize"))


def pools_behind_the_web_acl(graph: Graph) -> Broken:
    guarded = {each.inputs["resourceArn"] for each in of(graph, "WebAclAssociation")}
    return (each for each in of(graph, "UserPool") if each.outputs["arn"] not in guarded)


def networks_watched(graph: Graph) -> Broken:
    return iter([] if of(graph, "FlowLog") else of(graph, "Vpc"))


def kept_in_production(graph: Graph) -> Broken:
    if graph.stack != "prod":
        return
    yield from (each for kind in DATA for each in of(graph, kind) if not each.protect)
    yield from (each for each in of(graph, "Bucket") if each.inputs.get("forceDestroy"))


Rule = Callable[[Graph], Broken]
RULES: tuple[Rule, ...] = (
    log_groups_end,
    log_groups_under_own_key,
    buckets_encrypted,
    buckets_closed,
    buckets_keep_versions,
    buckets_log_access,
    topics_encrypted,
    keys_rotate,
    stages_traced,
    stages_with_client_certificate,
    tls_of_today,
    distributions_of_today,
    distributions_guarded,
    distributions_log_access,
    mfa_possible,
    passwords_remembered,
    pools_behind_the_web_acl,
    networks_watched,
    kept_in_production,
)

# By rule and type: why it is as it is, wherever it is so.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("log_groups_under_own_key", "LogGroup"): "CloudWatch encrypts every group; a key of one's own is for data that a "
    "regulation names, and prompts stay out of these logs",
    ("buckets_log_access", "Bucket"): "holds packages built from the sources, which only the agent's role reads, "
    "or the page, which is everybody's: CloudTrail's data events tell of reads where that is asked for",
    ("distributions_log_access", "Distribution"): "what asks the agent is in the API's log, what is refused in the web "
    "ACL's, and the rest are reads of files that are the same for everybody",
    ("topics_encrypted", "Topic"): "alarms name metrics and no user; runtime.customerKey encrypts the topic. Under the "
    "key that AWS manages alarms would be lost",
    ("stages_with_client_certificate", "Stage"): "the backend is AgentCore, which asks for a token and no certificate",
    ("pools_behind_the_web_acl", "UserPool"): "Cognito throttles sign-ins itself and threatProtection judges them; "
    "identity.firewall adds the web ACL, whose rates then count sign-ins too",
    ("networks_watched", "Vpc"): "without a way to the internet, between three security groups; flow logs of a VPC are "
    "the network team's to ask for, and docs/security.md has the command",
}


def kind(resource: Resource) -> str:
    return resource.type.rpartition(":")[2]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("stack", [*ENVIRONMENTS, *VARIATIONS])
def test_every_resource_holds_the_rule_or_is_excused(stack: str, rule: Rule) -> None:
    graph = any_stack(stack)
    unexcused = [each.name for each in rule(graph) if (rule.__name__, kind(each)) not in EXCEPTIONS]
    assert unexcused == []


def test_every_excuse_is_needed() -> None:
    graphs = [*map(any_stack, (*ENVIRONMENTS, *VARIATIONS))]
    needed = {(rule.__name__, kind(each)) for rule in RULES for graph in graphs for each in rule(graph)}
    assert set(EXCEPTIONS) == needed


# One broken input for each rule, so that none of them passes whatever it is shown.
BREAKS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "log_groups_end": ("LogGroup", {"retentionInDays": None}),
    "buckets_encrypted": ("BucketServerSideEncryptionConfiguration", {"bucket": "another"}),
    "buckets_closed": ("BucketPublicAccessBlock", {"bucket": "another"}),
    "buckets_keep_versions": ("BucketVersioning", {"bucket": "another"}),
    "stages_traced": ("Stage", {"xrayTracingEnabled": False}),
    "tls_of_today": ("RestApi", {"securityPolicy": None}),
    "distributions_of_today": ("Distribution", {"viewerCertificate": {"minimumProtocolVersion": "TLSv1"}}),
    "distributions_guarded": ("Distribution", {"webAclId": None}),
    "mfa_possible": ("UserPool", {"mfaConfiguration": "OFF"}),
    "passwords_remembered": ("UserPool", {"passwordPolicy": {}}),
    "kept_in_production": ("Bucket", {"forceDestroy": True}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_rule_that_is_broken_says_so(name: str) -> None:
    type_, inputs = BREAKS[name]
    graph = variation("prod", **WEBSITE)
    for each in of(graph, type_):
        graph = graph.with_inputs(each.urn, **inputs)
    (rule,) = (each for each in RULES if each.__name__ == name)
    assert list(rule(graph))


class TestTheKey:
    def test_encrypts_bucket_and_topic_and_lets_alarms_use_it(self) -> None:
        graph = variation("prod", runtime={"customerKey": True})
        (key,), (bucket,), (topic,) = (
            of(graph, "Key"),
            of(graph, "BucketServerSideEncryptionConfiguration"),
            of(graph, "Topic"),
        )
        by_default = bucket.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        assert by_default == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key.outputs["arn"]}
        assert topic.inputs["kmsMasterKeyId"] == key.outputs["arn"]
        statements = {each["Sid"]: each for each in json.loads(key.inputs["policy"])["Statement"]}
        assert statements["Alarms"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert set(statements["Alarms"]["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}

    def test_the_agents_role_may_read_what_it_encrypts(self) -> None:
        graph = variation("prod", runtime={"customerKey": True})
        (key,) = of(graph, "Key")
        granted = [
            statement["Resource"]
            for each in of(graph, "RolePolicy")
            for statement in json.loads(each.inputs["policy"])["Statement"]
            if statement["Action"] == ["kms:Decrypt"]
        ]
        assert granted == [[key.outputs["arn"]]]
