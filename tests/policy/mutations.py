"""The ways to undo a mechanism that the guard rails must notice: edits of a stack, by the rule that they wake."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from contract import ORIGIN_HEADER, SESSION_HEADER, Kind
from policy import graph as kinds
from policy.graph import SESSION_VARIABLE, Declared
from tests.policy.edits import Edit, Outputs, added, changed, copied, drop, put, removed, statement, text, together
from tests.policy.stacks import UNKNOWN


def web_acl_rules(change: Callable[[list[Outputs]], list[Outputs]]) -> Edit:
    return changed(Kind.WEB_ACL, lambda outputs: outputs.update(rules=change(outputs["rules"])))


def without_rules(*names: str) -> Edit:
    return web_acl_rules(lambda rules: [rule for rule in rules if rule["name"] not in names])


def every_group_counts(rules: list[Outputs]) -> list[Outputs]:
    return [{**rule, "overrideAction": {"count": {}}} if "overrideAction" in rule else rule for rule in rules]


def every_rate_counts(rules: list[Outputs]) -> list[Outputs]:
    return [{**rule, "action": {"count": {}}} if "rateBasedStatement" in rule["statement"] else rule for rule in rules]


def one_more_counts(rules: list[Outputs]) -> list[Outputs]:
    rules = copy.deepcopy(rules)
    group = next(rule["statement"] for rule in rules if rule["name"] == "AWSManagedRulesSQLiRuleSet")
    override = {"name": "SQLi_COOKIE", "actionToUse": {"count": {}}}
    group["managedRuleGroupStatement"]["ruleActionOverrides"].append(override)
    return rules


def one_more_allows(rules: list[Outputs]) -> list[Outputs]:
    rules = copy.deepcopy(rules)
    group = next(rule["statement"] for rule in rules if rule["name"] == "AWSManagedRulesCommonRuleSet")
    group["managedRuleGroupStatement"]["ruleActionOverrides"][0]["actionToUse"] = {"allow": {}}
    return rules


def narrowed(kind: str) -> Callable[[list[Outputs]], list[Outputs]]:
    """The statements of a kind look at requests from one country only."""

    def change(rules: list[Outputs]) -> list[Outputs]:
        rules = copy.deepcopy(rules)
        for rule in rules:
            if kind in rule["statement"]:
                rule["statement"][kind]["scopeDownStatement"] = {"geoMatchStatement": {"countryCodes": ["AQ"]}}
        return rules

    return change


def data_protection_with(exception: str) -> Edit:
    def change(outputs: Outputs) -> None:
        for entry in outputs["dataProtectionConfig"]["dataProtections"]:
            entry[exception] = True

    return changed(Kind.WEB_ACL, change)


def bodies_unprotected(outputs: Outputs) -> None:
    protections = outputs["dataProtectionConfig"]["dataProtections"]
    kept = [each for each in protections if each["field"]["fieldType"] != "BODY"]
    outputs["dataProtectionConfig"]["dataProtections"] = kept


def size_rule(change: Callable[[Outputs], None]) -> Edit:
    def edited(rules: list[Outputs]) -> list[Outputs]:
        rules = copy.deepcopy(rules)
        change(next(rule for rule in rules if rule["name"] == "body-size"))
        return rules

    return web_acl_rules(edited)


def private_way(effect: str, *, own: bool) -> Edit:
    """A statement about a VPC endpoint in place of the origin secret: in the runtime's policy, or in another's."""
    members = {"Effect": effect, "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}
    edit = runtime_policy(lambda found: [*(found or [ASKING, REFUSING]), members])
    if not own:
        document = json.dumps({"Statement": [members, ASKING, REFUSING]})
        edit = added(Kind.RESOURCE_POLICY, resourceArn="arn:another", policy=document)
    return together(runtime(drop("environmentVariables", "AGENT_ORIGIN_SECRET")), edit)


def runtime_policy(change: Callable[[list[Outputs]], list[Outputs]]) -> Edit:
    """The statements of the runtime's resource policy, changed."""

    def edit(outputs: Outputs) -> None:
        known = [] if outputs["policy"] == UNKNOWN else json.loads(outputs["policy"])["Statement"]
        outputs["policy"] = json.dumps({"Statement": change(known)})

    return changed(Kind.RESOURCE_POLICY, edit)


def only_in_office_hours(statements: list[Outputs]) -> list[Outputs]:
    bounds = {"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
    return [{**each, "Condition": bounds} if each["Effect"] == "Deny" else each for each in statements]


def everybody_allowed(rules: list[Outputs]) -> list[Outputs]:
    all_countries = {"notStatement": {"statement": {"geoMatchStatement": {"countryCodes": ["AQ"]}}}}
    return [{"name": "friends", "priority": -1, "action": {"allow": {}}, "statement": all_countries}, *rules]


def calling_agentcore(outputs: Outputs) -> bool:
    return "bedrock-agentcore" in outputs.get("uri", "") or outputs.get("uri") == UNKNOWN


def retagged(environment: str) -> Edit:
    """Every resource says that the stack is of another kind."""
    return changed("", put(environment, "tags", "environment"), where=lambda outputs: bool(outputs.get("tags")))


def trusted(principal: Any, **condition: Any) -> Edit:
    document = {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **condition}]}
    return changed(Kind.ROLE, put(json.dumps(document), "assumeRolePolicy"))


def allowed(action: Any, resource: Any) -> Edit:
    return changed(ROLE_POLICY, statement("policy", Action=action, Resource=resource))


def own_bucket_allowed(resources: list[Declared]) -> list[Declared]:
    (bucket,) = (each for each in resources if each.type == Kind.BUCKET)
    return allowed("s3:GetObject", f"{bucket.outputs['arn']}/*")(resources)


ASKING = {"Effect": "Allow", "Principal": "*", "Action": "bedrock-agentcore:InvokeAgentRuntime"}
COMMAND = "bedrock-agentcore:InvokeAgentRuntimeCommand"
REFUSING = {"Effect": "Deny", "Principal": "*", "Action": [COMMAND, f"{COMMAND}Shell"]}

stream = partial(changed, Kind.INTEGRATION, where=calling_agentcore)
post = partial(changed, Kind.METHOD, where=lambda outputs: outputs["httpMethod"] == "POST")
runtime = partial(changed, Kind.RUNTIME)
authorizer = partial(changed, Kind.AUTHORIZER)
paces_all = partial(changed, Kind.METHOD_SETTINGS, where=lambda outputs: outputs["methodPath"] == "*/*")
paces_post = partial(changed, Kind.METHOD_SETTINGS, where=lambda outputs: outputs["methodPath"] != "*/*")
second_stage = copied(Kind.STAGE, put("second", "stageName"), put("arn:second", "arn"))

linked = stream(put("VPC_LINK", "connectionType"))

ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
PARAMETERS = "requestParameters"
QUERY = "integration.request.querystring"
HEADER = "integration.request.header"
JWT = ("authorizerConfiguration", "customJwtAuthorizer")
ALLOWLIST = ("requestHeaderConfiguration", "requestHeaderAllowlists")
RATE, BURST = ("settings", "throttlingRateLimit"), ("settings", "throttlingBurstLimit")
ACCOUNT = "us-east-1:000000000000"
OTHER_POOL = "us-east-1_other"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
AGENTCORE = "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes"

MUTATIONS: Mapping[str, Mapping[str, Edit]] = {
    "stream-to-agentcore": {
        "BUFFERED": stream(put("BUFFERED", "responseTransferMode")),
        "no transfer mode": stream(drop("responseTransferMode")),
        "not a raw proxy": stream(put("HTTP", "type")),
    },
    "timeout-is-raised": {
        "no timeout": stream(drop("timeoutMilliseconds")),
        "29 s": stream(put(29_000, "timeoutMilliseconds")),
    },
    "invocations-address": {
        "another path": stream(text("uri", "/invocations", f"{AGENTCORE}/agent-0123456789/invoke")),
        "an escaped ARN": stream(put(f"{AGENTCORE}/arn%3Aaws%3Abedrock-agentcore%3Aruntime%2Fx/invocations", "uri")),
        "another runtime": stream(put(f"{AGENTCORE}/agent-0123456789/invocations", "uri")),
        "a host of one's own": stream(
            put("https://agent.internal.example/runtimes/x/invocations", "uri"),
            put("BUFFERED", "responseTransferMode"),
            put(29_000, "timeoutMilliseconds"),
        ),
        "no qualifier": stream(drop(PARAMETERS, f"{QUERY}.qualifier")),
        "an endpoint that nobody declares": stream(put("'nosuch'", PARAMETERS, f"{QUERY}.qualifier")),
        "DEFAULT beside an endpoint": stream(put("'DEFAULT'", PARAMETERS, f"{QUERY}.qualifier")),
        "a qualifier of the caller's": stream(
            put("method.request.querystring.qualifier", PARAMETERS, f"{QUERY}.qualifier")
        ),
        "a qualifier without its quotes": stream(put("live", PARAMETERS, f"{QUERY}.qualifier")),
        "no account": stream(drop(PARAMETERS, f"{QUERY}.accountId")),
        "another account": stream(put("'999999999999'", PARAMETERS, f"{QUERY}.accountId")),
    },
    "nothing-holds-the-stream": {
        "content handling": stream(put("CONVERT_TO_TEXT", "contentHandling")),
        "response template": changed(
            Kind.INTEGRATION_RESPONSE,
            put("POST", "httpMethod"),
            put({"application/json": "$input.body"}, "responseTemplates"),
        ),
        "compression": changed(Kind.REST_API, put("1024", "minimumCompressionSize")),
        "stage cache": changed(Kind.STAGE, put(True, "cacheClusterEnabled")),
        "method cache": changed(Kind.METHOD_SETTINGS, put(True, "settings", "cachingEnabled")),
    },
    "endpoint-follows-the-runtime": {
        "no version": changed(Kind.RUNTIME_ENDPOINT, drop("agentRuntimeVersion")),
        "a version written down": together(
            changed(Kind.RUNTIME_ENDPOINT, put("1", "agentRuntimeVersion")),
            runtime(put(UNKNOWN, "agentRuntimeVersion")),
        ),
        "an old version": together(
            changed(Kind.RUNTIME_ENDPOINT, put("1", "agentRuntimeVersion")),
            runtime(put("2", "agentRuntimeVersion")),
        ),
    },
    "id-token-required": {
        "open method": post(put("NONE", "authorization")),
        "IAM method": post(put("AWS_IAM", "authorization")),
        "no authorizer": post(drop("authorizerId")),
        "scopes": post(put(["openid"], "authorizationScopes")),
        "OPTIONS passed on": copied(Kind.INTEGRATION, put("OPTIONS", "httpMethod"), where=calling_agentcore),
        "a function decides": authorizer(put("TOKEN", "type")),
        "no kind of authorizer": authorizer(drop("type")),
        "methods in a document": changed(Kind.REST_API, put('{"openapi": "3.0.1", "paths": {}}', "body")),
        "another header": authorizer(put("method.request.header.X-Other", "identitySource")),
    },
    "app-client-pinned": {
        "any client": authorizer(drop("identityValidationExpression")),
        "client not anchored": authorizer(put(".*", "identityValidationExpression")),
    },
    "runtime-agrees": {
        "SigV4 runtime": runtime(drop("authorizerConfiguration")),
        "allowed clients": runtime(put(["x"], *JWT, "allowedClients")),
        "allowed scopes": runtime(put(["openid"], *JWT, "allowedScopes")),
        "no audience": runtime(drop(*JWT, "allowedAudiences")),
        "another audience": runtime(put(["x"], *JWT, "allowedAudiences")),
        "another pool": runtime(
            put(
                f"https://cognito-idp.us-east-1.amazonaws.com/{OTHER_POOL}/.well-known/openid-configuration",
                *JWT,
                "discoveryUrl",
            )
        ),
        "gateway on another pool": authorizer(
            put([f"arn:aws:cognito-idp:{ACCOUNT}:userpool/{OTHER_POOL}"], "providerArns")
        ),
    },
    "token-reaches-agent": {
        "token stripped": runtime(put([ORIGIN_HEADER], *ALLOWLIST)),
        "nothing forwarded": runtime(drop("requestHeaderConfiguration")),
        "origin secret stripped": runtime(put(["Authorization"], *ALLOWLIST)),
        "token not sent": stream(drop(PARAMETERS, f"{HEADER}.Authorization")),
        "another token sent": stream(
            put("method.request.header.X-Other", PARAMETERS, f"{HEADER}.Authorization"),
        ),
    },
    "session-is-named": {
        "callers name sessions": stream(
            put(f"method.request.header.{SESSION_HEADER}", PARAMETERS, f"{HEADER}.{SESSION_HEADER}")
        ),
        "nothing names the session": stream(drop(PARAMETERS, f"{HEADER}.{SESSION_HEADER}")),
        "everybody shares one": stream(put("'one-for-all'", PARAMETERS, f"{HEADER}.{SESSION_HEADER}")),
        "the agent expects another way": runtime(put("header", "environmentVariables", SESSION_VARIABLE)),
        "the agent expects what nobody knows": runtime(put("cookie", "environmentVariables", SESSION_VARIABLE)),
        "threads that need not be there": together(
            stream(put("method.request.body.threadId", PARAMETERS, f"{HEADER}.{SESSION_HEADER}")),
            runtime(put("thread", "environmentVariables", SESSION_VARIABLE)),
        ),
    },
    "public-client": {
        "client secret": changed(Kind.USER_POOL_CLIENT, put(True, "generateSecret")),
        "password flow": changed(Kind.USER_POOL_CLIENT, put(["ALLOW_USER_PASSWORD_AUTH"], "explicitAuthFlows")),
    },
    "web-acl-on-stage": {
        "no web ACL": removed(Kind.WEB_ACL_ASSOCIATION),
        "web ACL of another stack": changed(Kind.WEB_ACL_ASSOCIATION, put("arn:another", "webAclArn")),
        "web ACL on another stage": changed(Kind.WEB_ACL_ASSOCIATION, text("resourceArn", "/stages/", "/stages/old-")),
        "a second stage": together(
            second_stage, copied(Kind.METHOD_SETTINGS, put("second", "stageName"), put("*/*", "methodPath"))
        ),
    },
    "web-acl-refuses": {
        "no managed group": without_rules(
            "AWSManagedRulesAmazonIpReputationList",
            "AWSManagedRulesCommonRuleSet",
            "AWSManagedRulesKnownBadInputsRuleSet",
            "AWSManagedRulesSQLiRuleSet",
        ),
        "one group less": without_rules("AWSManagedRulesSQLiRuleSet"),
        "groups only count": web_acl_rules(every_group_counts),
        "a rule about cookies only counts": web_acl_rules(one_more_counts),
        "no rate rule by address": without_rules("rate-per-address"),
        "no rate rule": without_rules("rate-per-address", "rate-per-token"),
        "rate rules only count": web_acl_rules(every_rate_counts),
        "groups look at some requests": web_acl_rules(narrowed("managedRuleGroupStatement")),
        "rate rules look at some requests": web_acl_rules(narrowed("rateBasedStatement")),
        "what a group's rule finds is let in": web_acl_rules(one_more_allows),
        "everybody is let in": web_acl_rules(everybody_allowed),
    },
    "large-bodies-are-seen": {
        "no size rule": without_rules("body-size"),
        "what WAF could not read passes": size_rule(
            put("CONTINUE", "statement", "sizeConstraintStatement", "fieldToMatch", "body", "oversizeHandling")
        ),
        "default inspection": changed(Kind.WEB_ACL, drop("associationConfig")),
    },
    "logs-on": {
        "no access log": changed(Kind.STAGE, drop("accessLogSettings")),
        "no WAF log": removed(kinds.WEB_ACL_LOGGING),
        "a second web ACL without a log": copied(Kind.WEB_ACL, put("arn:second", "arn")),
    },
    "no-secret-in-logs": {
        "data trace": changed(Kind.METHOD_SETTINGS, put(True, "settings", "dataTraceEnabled")),
        "execution log": changed(Kind.METHOD_SETTINGS, put("INFO", "settings", "loggingLevel")),
        "token in access log": changed(
            Kind.STAGE, put("$context.requestOverride.header.Authorization", "accessLogSettings", "format")
        ),
        "origin secret in access log": changed(
            Kind.STAGE, put(f"$context.requestOverride.header.{ORIGIN_HEADER}", "accessLogSettings", "format")
        ),
        "token in access log by its own name": changed(
            Kind.STAGE, put("$method.request.header.Authorization", "accessLogSettings", "format")
        ),
        "API key in samples": changed(
            Kind.WEB_ACL,
            put(
                [{"field": {"fieldType": "SINGLE_HEADER", "fieldKeys": ["authorization"]}}],
                "dataProtectionConfig",
                "dataProtections",
            ),
        ),
        "prompts in WAF log": changed(Kind.WEB_ACL, bodies_unprotected),
        "token in WAF log": changed(kinds.WEB_ACL_LOGGING, drop("redactedFields")),
        "API key in WAF log": changed(
            kinds.WEB_ACL_LOGGING, put([{"singleHeader": {"name": "Authorization"}}], "redactedFields")
        ),
        "API key in access log": changed(Kind.STAGE, put("$context.identity.apiKey", "accessLogSettings", "format")),
        "token in rate-based details": data_protection_with("excludeRateBasedDetails"),
        "token in match details": data_protection_with("excludeRuleMatchDetails"),
        "token in samples": changed(Kind.WEB_ACL, drop("dataProtectionConfig")),
    },
    "throttled": {
        "no throttle": removed(Kind.METHOD_SETTINGS, lambda outputs: outputs["methodPath"] == "*/*"),
        "throttle of 10,000": paces_all(put(10_000, *RATE)),
        "burst of 5,000": paces_all(put(5_000, *BURST)),
        "unlimited burst": paces_all(put(-1, *BURST)),
        "the agent's method unlimited": paces_post(put(-1, *RATE), put(-1, *BURST)),
        "the agent's method at 10,000": paces_post(put(10_000, *RATE), put(5_000, *BURST)),
        "the agent's method not bounded": paces_post(drop(*RATE), drop(*BURST)),
        "a second stage": together(second_stage, copied(Kind.WEB_ACL_ASSOCIATION, put("arn:second", "resourceArn"))),
    },
    "buckets-are-private": {
        "nothing is blocked": removed(kinds.PUBLIC_ACCESS_BLOCK),
        "policies are not blocked": changed(kinds.PUBLIC_ACCESS_BLOCK, put(False, "blockPublicPolicy")),
        "lists are ignored, and not refused": changed(kinds.PUBLIC_ACCESS_BLOCK, drop("blockPublicAcls")),
        "anybody may read": changed(kinds.BUCKET_POLICY, statement("policy", Principal="*", Action="s3:GetObject")),
        "any account may read": changed(
            kinds.BUCKET_POLICY, statement("policy", Principal={"AWS": "*"}, Action="s3:GetObject")
        ),
        "CloudFront may read, for whomever": changed(
            kinds.BUCKET_POLICY,
            statement("policy", Principal={"Service": "cloudfront.amazonaws.com"}, Action="s3:GetObject"),
        ),
    },
    "least-privilege": {
        "wildcard action": allowed("s3:*", "arn:aws:s3:::one"),
        "all actions but one": changed(
            ROLE_POLICY, statement("policy", NotAction="iam:*", Resource="arn:aws:s3:::one")
        ),
        "wildcard resource": allowed(["s3:GetObject"], "*"),
        "all resources but one": changed(
            ROLE_POLICY, statement("policy", Action="s3:GetObject", NotResource="arn:aws:s3:::one")
        ),
        "every model": allowed("bedrock:InvokeModel", "arn:aws:bedrock:us-east-1::foundation-model/*"),
        "every secret": allowed("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{ACCOUNT}:secret:*"),
        "every table": allowed(["dynamodb:GetItem"], [f"arn:aws:dynamodb:{ACCOUNT}:table/*"]),
        "every role": allowed("iam:PassRole", "arn:aws:iam::000000000000:role/*"),
        "a role of any account": allowed("sts:AssumeRole", "arn:aws:iam::*:role/x"),
        "every memory": allowed("bedrock-agentcore:GetEvent", f"arn:aws:bedrock-agentcore:{ACCOUNT}:memory/*"),
        "every bucket": allowed("s3:GetObject", "arn:aws:s3:::*/*"),
        "the packages of another bucket": allowed("s3:GetObject", "arn:aws:s3:::another/agent-*.zip"),
        "whatever is put into the stack's bucket": own_bucket_allowed,
        "every log group": allowed("logs:GetLogEvents", f"arn:aws:logs:{ACCOUNT}:log-group:*"),
        "a role's own document": changed(
            Kind.ROLE,
            put(
                [
                    {
                        "name": "all",
                        "policy": json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
                    }
                ],
                "inlinePolicies",
            ),
        ),
        "a policy by itself": added(
            kinds.POLICY,
            arn="arn:own",
            policy=json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
        ),
        "not a policy at all": changed(ROLE_POLICY, put("{", "policy")),
        "administrator, attached": added(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment", role="x", policyArn=ADMINISTRATOR
        ),
        "administrator, on the role": changed(Kind.ROLE, put([ADMINISTRATOR], "managedPolicyArns")),
        "somebody's policy": changed(Kind.ROLE, put(["arn:aws:iam::000000000000:policy/own"], "managedPolicyArns")),
        "anybody becomes the agent": trusted("*"),
        "any account becomes the agent": trusted({"AWS": "*"}),
        "another account becomes the agent": trusted({"AWS": "arn:aws:iam::999999999999:root"}),
        "AgentCore for any account": trusted({"Service": "bedrock-agentcore.amazonaws.com"}),
    },
    "questions-only": {
        "no policy": removed(Kind.RESOURCE_POLICY),
        "two policies": copied(Kind.RESOURCE_POLICY),
        "the policy of another runtime": changed(Kind.RESOURCE_POLICY, put("arn:another", "resourceArn")),
        "a policy on an endpoint too": added(
            Kind.RESOURCE_POLICY,
            resourceArn=f"arn:aws:bedrock-agentcore:{ACCOUNT}:runtime/x-1/runtime-endpoint/live",
            policy=json.dumps({"Statement": [ASKING, REFUSING]}),
        ),
        "nobody may ask": runtime_policy(lambda found: [each for each in found if each["Effect"] == "Deny"]),
        "nothing is denied": runtime_policy(lambda _: [ASKING]),
        "a shell is not denied": runtime_policy(lambda _: [ASKING, {**REFUSING, "Action": [COMMAND]}]),
        "denied to one account": runtime_policy(
            lambda _: [ASKING, {**REFUSING, "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}]
        ),
        "denied at times": runtime_policy(only_in_office_hours),
    },
    "no-way-round": {
        "the private way of another runtime": together(linked, private_way("Deny", own=False)),
        "a private way that refuses nobody": together(linked, private_way("Allow", own=True)),
        "a refusal without a way for the API": private_way("Deny", own=True),
        "secret not asked for": runtime(drop("environmentVariables", "AGENT_ORIGIN_SECRET")),
        "secret not sent": stream(drop(PARAMETERS, f"{HEADER}.{ORIGIN_HEADER}")),
        "production that says it is none": together(
            retagged("dev"), runtime(drop("environmentVariables", "AGENT_ORIGIN_SECRET"))
        ),
    },
}
