"""The page of its own over the whole graph: what CloudFront passes on, what it keeps, and who may read the bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract import ROUTE
from local.program.evaluate import evaluate
from local.program.graph import Graph, Resource
from local.program.provider import MockProvider
from tests.infra.graphs import (
    ENVIRONMENTS,
    PROJECT,
    WEBSITE,
    a_built_page,
    changed_settings,
    environment_graph,
    stage_web_acl,
    variation,
    waits_for,
)

DISTRIBUTION = "aws:cloudfront/distribution:Distribution"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
PASSWORD = "random:index/randomPassword:RandomPassword"


def of_the_page(graph: Graph, type_: str) -> list[Resource]:
    return [each for each in graph.all(type_) if "-website" in each.name]


def objects(graph: Graph) -> dict[str, Resource]:
    return {each.inputs["key"]: each for each in of_the_page(graph, OBJECT)}


def edge_web_acl(graph: Graph) -> Resource:
    (found,) = (each for each in graph.all(WEB_ACL) if each.inputs["scope"] == "CLOUDFRONT")
    return found


def secrets(graph: Graph) -> dict[str, str]:
    """CloudFront's secrets by their generation."""
    return {each.name.rpartition("-")[2]: each.outputs["result"] for each in of_the_page(graph, PASSWORD)}


@pytest.mark.parametrize("stack", ENVIRONMENTS)
def test_without_the_section_nothing_of_it_is_declared(stack: str) -> None:
    graph = environment_graph(stack)
    assert [each.name for each in graph.resources if "website" in each.name or "cloudfront" in each.type] == []
    assert "websiteUrl" not in graph.outputs


def test_the_output_is_the_callback_address(website: Graph) -> None:
    assert website.outputs["websiteUrl"] == "https://chat.example.com/"
    client = website.one("aws:cognito/userPoolClient:UserPoolClient").inputs
    assert website.outputs["websiteUrl"] in client["callbackUrls"]
    assert website.outputs["websiteUrl"] in client["logoutUrls"]
    assert json.loads(objects(website)["config.json"].inputs["content"])["callbackUrl"] == website.outputs["websiteUrl"]


class TestTheStream:
    def test_what_asks_the_agent_is_neither_kept_nor_compressed_and_goes_whole_to_the_stage(
        self, website: Graph
    ) -> None:
        inputs = website.one(DISTRIBUTION).inputs
        (behavior,) = inputs["orderedCacheBehaviors"]
        assert behavior["pathPattern"] == ROUTE
        assert behavior["cachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        assert behavior["originRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
        assert behavior["compress"] is False
        assert behavior["viewerProtocolPolicy"] == "https-only"
        assert "POST" in behavior["allowedMethods"]
        (origin,) = (each for each in inputs["origins"] if each["originId"] == behavior["targetOriginId"])
        assert f"https://{origin['domainName']}{origin['originPath']}{ROUTE}" == website.outputs["invokeUrl"]

    def test_cloudfront_waits_for_two_heartbeats_at_least(self, website: Graph) -> None:
        (api,) = (each for each in website.one(DISTRIBUTION).inputs["origins"] if "customOriginConfig" in each)
        heartbeat = website.outputs["heartbeatSeconds"]
        assert api["customOriginConfig"]["originReadTimeout"] >= 2 * heartbeat
        assert "responseCompletionTimeout" not in api  # else it would bound the whole answer

    def test_no_page_stands_in_for_a_refusal(self, website: Graph) -> None:
        assert not website.one(DISTRIBUTION).inputs.get("customErrorResponses")


class TestTheFiles:
    def test_each_has_its_type_and_is_kept_as_long_as_its_name_allows(self, website: Graph) -> None:
        told = {
            key: (each.inputs["contentType"], each.inputs["cacheControl"]) for key, each in objects(website).items()
        }
        forever = "public, max-age=31536000, immutable"
        assert told == {
            "index.html": ("text/html", "no-cache"),
            "config.json": ("application/json", "no-cache"),
            "assets/index-0123abcd.js": ("text/javascript", forever),
            "assets/index-0123abcd.css": ("text/css", forever),
        }

    def test_the_page_is_changed_after_all_that_it_asks_for(self, website: Graph) -> None:
        files = objects(website)
        index = files.pop("index.html")
        assert {each.urn for each in files.values()} <= waits_for(website, index)

    def test_what_an_open_page_may_still_ask_for_outlives_its_successor_but_not_the_stack(self, website: Graph) -> None:
        assert {key for key, each in objects(website).items() if not each.retain_on_delete} == {"config.json"}
        (bucket,) = of_the_page(website, "aws:s3/bucket:Bucket")
        assert bucket.inputs["forceDestroy"] is True
        (kept,) = of_the_page(variation("prod", **WEBSITE), "aws:s3/bucket:Bucket")
        assert kept.inputs["forceDestroy"] is False

    def test_a_preview_without_the_built_page_has_everything_but_its_files(self, website: Graph) -> None:
        settings = changed_settings("dev", WEBSITE)
        with a_built_page(None):
            preview = evaluate("dev", MockProvider("us-east-1"), settings=settings)
        assert set(objects(preview)) == {"config.json", "index.html"}
        others = [each.urn for each in preview.resources if each.type != OBJECT]
        assert others == [each.urn for each in website.resources if each.type != OBJECT]

    def test_cloudfront_alone_reads_the_bucket_and_only_for_this_distribution(self, website: Graph) -> None:
        (bucket,) = of_the_page(website, "aws:s3/bucket:Bucket")
        (policy,) = of_the_page(website, "aws:s3/bucketPolicy:BucketPolicy")
        refused, allowed = json.loads(policy.inputs["policy"])["Statement"]
        assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        assert allowed == {
            "Sid": "ThisDistribution",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"{bucket.outputs['arn']}/*",
            "Condition": {"StringEquals": {"AWS:SourceArn": website.one(DISTRIBUTION).outputs["arn"]}},
        }


class TestAddresses:
    def test_cloudfront_has_the_rules_and_the_lists_of_its_own_scope(self, website: Graph) -> None:
        acl = edge_web_acl(website)
        assert website.one(DISTRIBUTION).inputs["webAclId"] == acl.outputs["arn"]
        assert [rule["name"] for rule in acl.inputs["rules"]] == [
            "blocked-addresses",
            "only-these-addresses",
            "rate-per-address",
            "AWSManagedRulesAmazonIpReputationList",
            "AWSManagedRulesAnonymousIpList",
        ]
        assert "scopeDownStatement" not in acl.inputs["rules"][2]["statement"]["rateBasedStatement"]
        for ip_set in website.all("aws:wafv2/ipSet:IpSet"):
            named = ip_set.outputs["arn"] in json.dumps(acl.inputs["rules"])
            assert named == (ip_set.inputs["scope"] == "CLOUDFRONT")

    def test_the_stage_leaves_out_what_carries_a_secret_of_cloudfronts_and_nothing_else(self, website: Graph) -> None:
        rules = {rule["name"]: rule["statement"] for rule in stage_web_acl(website).inputs["rules"]}
        skipped = rules["rate-per-address"]["rateBasedStatement"]["scopeDownStatement"]
        for name in ("blocked-addresses", "only-these-addresses"):
            assert rules[name]["andStatement"]["statements"][0] == skipped
        either = skipped["notStatement"]["statement"]["orStatement"]["statements"]
        found = [each["byteMatchStatement"] for each in either]
        assert {each["fieldToMatch"]["singleHeader"]["name"] for each in found} == {"x-origin-verify"}
        assert {each["positionalConstraint"] for each in found} == {"EXACTLY"}
        assert {each["searchString"] for each in found} == set(secrets(website).values())
        others = {name: rule for name, rule in rules.items() if "address" not in name}
        assert "x-origin-verify" not in json.dumps(others)

    def test_without_a_page_of_its_own_the_stage_leaves_nothing_out(self) -> None:
        rules = json.dumps(stage_web_acl(environment_graph("prod")).inputs["rules"])
        assert "scopeDownStatement" not in rules

    def test_the_secret_stands_in_no_log_and_in_no_sample(self, website: Graph) -> None:
        acl = stage_web_acl(website)
        (logging,) = (
            each
            for each in website.all("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration")
            if each.inputs["resourceArn"] == acl.outputs["arn"]
        )
        assert {"singleHeader": {"name": "x-origin-verify"}} in logging.inputs["redactedFields"]
        protected = json.dumps(acl.inputs["dataProtectionConfig"])
        assert "x-origin-verify" in protected

    def test_a_rotation_changes_what_is_sent_only_once_it_is_known(self) -> None:
        def state(**generations: int) -> tuple[str, set[str]]:
            graph = variation("dev", **{**WEBSITE, "website": {**WEBSITE["website"], "secret": generations}})
            text = json.dumps(stage_web_acl(graph).inputs["rules"])
            (api,) = (each for each in graph.one(DISTRIBUTION).inputs["origins"] if "customHeaders" in each)
            number = {value: key for key, value in secrets(graph).items()}
            return number[api["customHeaders"][0]["value"]], {key for value, key in number.items() if value in text}

        assert state(sent=1) == ("1", {"1"})
        assert state(sent=1, alsoAccepted=2) == ("1", {"1", "2"})
        assert state(sent=2, alsoAccepted=1) == ("2", {"1", "2"})
        assert state(sent=2) == ("2", {"2"})

    def test_cloudfront_sends_the_secret_only_once_the_web_acl_knows_it(self, website: Graph) -> None:
        """Else a list of addresses would refuse CloudFront's own."""
        assert stage_web_acl(website).urn in waits_for(website, website.one(DISTRIBUTION))


def abroad() -> Graph:
    """A stack in another Region."""
    settings = {
        key: value.replace("us-east-1", "eu-central-1") for key, value in changed_settings("dev", WEBSITE).items()
    }
    runtime: dict[str, Any] = json.loads(settings[f"{PROJECT}:runtime"])
    model = "arn:aws:bedrock:eu-central-1::foundation-model/m"
    settings[f"{PROJECT}:runtime"] = json.dumps({**runtime, "model": "bedrock:m", "modelArns": [model]})
    with a_built_page():
        return evaluate("dev", MockProvider("eu-central-1"), settings=settings)


class TestElsewhere:
    def test_what_cloudfront_needs_is_in_its_own_region_and_nothing_else_is(self) -> None:
        graph = abroad()
        there = {each.type.rpartition(":")[2] for each in graph.resources if each.inputs.get("region") == "us-east-1"}
        assert there == {
            *("Certificate", "CertificateValidation"),
            *("IpSet", "LogGroup", "WebAcl", "WebAclLoggingConfiguration"),
        }
        assert edge_web_acl(graph).outputs["arn"].startswith("arn:aws:wafv2:us-east-1:")
        assert stage_web_acl(graph).outputs["arn"].startswith("arn:aws:wafv2:eu-central-1:")

    def test_no_two_log_groups_have_one_name(self, website: Graph) -> None:
        names = [each.inputs["name"] for each in website.all("aws:cloudwatch/logGroup:LogGroup")]
        assert len(names) == len(set(names))
