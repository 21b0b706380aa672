"""Which operations of AWS each type of resource stands for, and how its inputs become their parameters."""

from __future__ import annotations

import json
from typing import Any

from tests.infra.aws_models import Call

REST = {"restApi": "restApiId"}


def named(member: str) -> Any:
    """The provider makes a name from the resource's own where none is given."""
    return lambda name: {member: name}


def patch(*, path: str) -> Any:
    """API Gateway's updates are lists of patches; the value is what matters."""
    return lambda value: [{"op": "replace", "path": path, "value": json.dumps(value)}]


def pairs(given: dict[str, Any]) -> list[dict[str, Any]]:
    """A mapping as CloudWatch wants it."""
    return [{"name": name, "value": value} for name, value in given.items()]


def metric_query(query: dict[str, Any]) -> dict[str, Any]:
    """A query of an alarm: the provider puts period and statistic in with the metric, the API beside it."""
    rest = {name: value for name, value in query.items() if name != "metric"}
    if "metric" not in query:
        return rest
    metric = {**query["metric"]}
    statistic = {name: metric.pop(name) for name in ("period", "stat")}
    return {**rest, "metricStat": {"metric": {**metric, "dimensions": pairs(metric["dimensions"])}, **statistic}}


def behavior(given: dict[str, Any]) -> dict[str, Any]:
    """A cache behaviour: the methods whose answers are kept stand within those that are allowed."""
    rest = {name: value for name, value in given.items() if name not in ("allowedMethods", "cachedMethods")}
    methods = {"items": given["allowedMethods"], "cachedMethods": given["cachedMethods"]}
    return {**rest, "allowedMethods": methods}


def origin(given: dict[str, Any]) -> dict[str, Any]:
    """An origin, whose id and headers are named otherwise."""
    rest = {name: value for name, value in given.items() if name not in ("originId", "customHeaders")}
    headers = [{"headerName": each["name"], "headerValue": each["value"]} for each in given.get("customHeaders", ())]
    return {**rest, "id": given["originId"], "customHeaders": headers}


DISTRIBUTION = (
    *("aliases", "comment", "defaultCacheBehavior", "defaultRootObject", "enabled", "httpVersion", "isIpv6Enabled"),
    *("origins", "priceClass", "restrictions", "viewerCertificate", "webAclId"),
)

CALLS: dict[str, tuple[Call, ...]] = {
    "aws:acm/certificate:Certificate": (Call("acm", "RequestCertificate"),),
    "aws:apigateway/account:Account": (
        Call(
            "apigateway",
            "UpdateAccount",
            rename={"cloudwatchRoleArn": "patchOperations"},
            convert={"cloudwatchRoleArn": patch(path="/cloudwatchRoleArn")},
        ),
    ),
    "aws:apigateway/apiKey:ApiKey": (Call("apigateway", "CreateApiKey", supplied=named("name")),),
    "aws:apigateway/authorizer:Authorizer": (
        Call("apigateway", "CreateAuthorizer", rename=REST, supplied=named("name")),
    ),
    "aws:apigateway/basePathMapping:BasePathMapping": (
        Call("apigateway", "CreateBasePathMapping", rename={**REST, "stageName": "stage"}),
    ),
    # Triggers are Pulumi's: a hash that makes a new deployment.
    "aws:apigateway/deployment:Deployment": (
        Call("apigateway", "CreateDeployment", rename=REST, leave=frozenset({"triggers"})),
    ),
    "aws:apigateway/domainName:DomainName": (Call("apigateway", "CreateDomainName"),),
    "aws:apigateway/integration:Integration": (
        Call("apigateway", "PutIntegration", rename={**REST, "timeoutMilliseconds": "timeoutInMillis"}),
    ),
    "aws:apigateway/integrationResponse:IntegrationResponse": (
        Call("apigateway", "PutIntegrationResponse", rename=REST),
    ),
    "aws:apigateway/method:Method": (
        Call("apigateway", "PutMethod", rename={**REST, "authorization": "authorizationType"}),
    ),
    "aws:apigateway/methodResponse:MethodResponse": (Call("apigateway", "PutMethodResponse", rename=REST),),
    "aws:apigateway/methodSettings:MethodSettings": (
        Call(
            "apigateway",
            "UpdateStage",
            rename={**REST, "settings": "patchOperations"},
            convert={"settings": patch(path="/*/*")},
            leave=frozenset({"methodPath"}),  # part of each patch's path
        ),
    ),
    "aws:apigateway/model:Model": (Call("apigateway", "CreateModel", rename=REST),),
    "aws:apigateway/requestValidator:RequestValidator": (Call("apigateway", "CreateRequestValidator", rename=REST),),
    "aws:apigateway/resource:Resource": (Call("apigateway", "CreateResource", rename=REST),),
    "aws:apigateway/response:Response": (Call("apigateway", "PutGatewayResponse"),),
    "aws:apigateway/restApi:RestApi": (Call("apigateway", "CreateRestApi", supplied=named("name")),),
    "aws:apigateway/stage:Stage": (
        Call(
            "apigateway",
            "CreateStage",
            rename={**REST, "deployment": "deploymentId", "xrayTracingEnabled": "tracingEnabled"},
            leave=frozenset({"accessLogSettings"}),
        ),
        Call(
            "apigateway",
            "UpdateStage",
            only=frozenset({"restApi", "stageName", "accessLogSettings"}),
            rename={**REST, "accessLogSettings": "patchOperations"},
            convert={"accessLogSettings": patch(path="/accessLogSettings/format")},
        ),
    ),
    "aws:apigateway/usagePlan:UsagePlan": (
        Call(
            "apigateway",
            "CreateUsagePlan",
            rename={"throttleSettings": "throttle", "quotaSettings": "quota"},
            supplied=named("name"),
        ),
    ),
    "aws:apigateway/usagePlanKey:UsagePlanKey": (Call("apigateway", "CreateUsagePlanKey"),),
    "aws:apigatewayv2/vpcLink:VpcLink": (Call("apigatewayv2", "CreateVpcLink", supplied=named("Name")),),
    "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime": (
        # platformVersion is newer than the botocore that is pinned here.
        Call("bedrock-agentcore-control", "CreateAgentRuntime", leave=frozenset({"platformVersion"})),
    ),
    "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint": (
        Call("bedrock-agentcore-control", "CreateAgentRuntimeEndpoint"),
    ),
    "aws:bedrock/agentcoreMemory:AgentcoreMemory": (Call("bedrock-agentcore-control", "CreateMemory"),),
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": (
        Call("bedrock-agentcore-control", "PutResourcePolicy"),
    ),
    "aws:cloudfront/distribution:Distribution": (
        Call(
            "cloudfront",
            "CreateDistribution",
            rename={
                **{name: f"DistributionConfig.{name[0].upper()}{name[1:]}" for name in DISTRIBUTION},
                "orderedCacheBehaviors": "DistributionConfig.CacheBehaviors",
            },
            convert={
                "defaultCacheBehavior": behavior,
                "origins": lambda given: [origin(each) for each in given],
                "orderedCacheBehaviors": lambda given: [behavior(each) for each in given],
            },
            leave=frozenset({"tags"}),  # another operation's
            supplied=lambda name: {"DistributionConfig": {"CallerReference": name}},
        ),
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": (
        Call(
            "cloudfront",
            "CreateOriginAccessControl",
            rename={
                "description": "OriginAccessControlConfig.Description",
                "originAccessControlOriginType": "OriginAccessControlConfig.OriginAccessControlOriginType",
                "signingBehavior": "OriginAccessControlConfig.SigningBehavior",
                "signingProtocol": "OriginAccessControlConfig.SigningProtocol",
            },
            supplied=lambda name: {"OriginAccessControlConfig": {"Name": name}},
        ),
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        Call(
            "cloudfront",
            "CreateResponseHeadersPolicy",
            rename={
                name: f"ResponseHeadersPolicyConfig.{name[0].upper()}{name[1:]}"
                for name in ("comment", "securityHeadersConfig", "customHeadersConfig")
            },
            supplied=lambda name: {"ResponseHeadersPolicyConfig": {"Name": name}},
        ),
    ),
    "aws:cloudwatch/dashboard:Dashboard": (Call("cloudwatch", "PutDashboard"),),
    "aws:cloudwatch/logGroup:LogGroup": (
        Call("logs", "CreateLogGroup", rename={"name": "logGroupName"}, leave=frozenset({"retentionInDays"})),
        Call(
            "logs",
            "PutRetentionPolicy",
            rename={"name": "logGroupName"},
            only=frozenset({"name", "retentionInDays"}),
        ),
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": (
        Call(
            "logs",
            "PutMetricFilter",
            rename={"name": "filterName", "pattern": "filterPattern"},
            convert={
                "metricTransformation": lambda one: [
                    {
                        "metricName": one["name"],
                        "metricNamespace": one["namespace"],
                        "metricValue": one["value"],
                        "unit": one["unit"],
                        "defaultValue": None if one.get("defaultValue") is None else float(one["defaultValue"]),
                    }
                ]
            },
        ),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        Call(
            "cloudwatch",
            "PutMetricAlarm",
            rename={"name": "AlarmName", "metricQueries": "Metrics"},
            convert={"dimensions": pairs, "metricQueries": lambda queries: [metric_query(each) for each in queries]},
        ),
    ),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": (Call("cognito-idp", "CreateManagedLoginBranding"),),
    "aws:cognito/userGroup:UserGroup": (Call("cognito-idp", "CreateGroup", rename={"name": "GroupName"}),),
    "aws:cognito/userPool:UserPool": (
        Call(
            "cognito-idp",
            "CreateUserPool",
            rename={"passwordPolicy": "Policies.PasswordPolicy", "tags": "UserPoolTags"},
            supplied=named("PoolName"),
            leave=frozenset({"softwareTokenMfaConfiguration"}),
        ),
        Call(
            "cognito-idp",
            "SetUserPoolMfaConfig",
            only=frozenset({"softwareTokenMfaConfiguration", "mfaConfiguration"}),
            supplied=lambda _name: {"UserPoolId": "us-east-1_a"},
        ),
    ),
    "aws:cognito/userPoolClient:UserPoolClient": (
        Call("cognito-idp", "CreateUserPoolClient", supplied=named("ClientName")),
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": (Call("cognito-idp", "CreateUserPoolDomain"),),
    "aws:ec2/securityGroup:SecurityGroup": (
        # Tags are a member of TagSpecifications.
        Call("ec2", "CreateSecurityGroup", supplied=named("GroupName"), leave=frozenset({"tags"})),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        Call("ec2", "CreateVpcEndpoint", rename={"policy": "PolicyDocument"}, leave=frozenset({"tags"})),
    ),
    "aws:iam/role:Role": (
        Call("iam", "CreateRole", rename={"assumeRolePolicy": "AssumeRolePolicyDocument"}, supplied=named("RoleName")),
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        Call(
            "iam",
            "PutRolePolicy",
            rename={"role": "RoleName", "policy": "PolicyDocument"},
            supplied=named("PolicyName"),
        ),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        Call("iam", "AttachRolePolicy", rename={"role": "RoleName"}),
    ),
    "aws:lb/listener:Listener": (
        # The idle timeout is an attribute of its own call.
        Call("elbv2", "CreateListener", leave=frozenset({"tcpIdleTimeoutSeconds"})),
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        Call(
            "elbv2",
            "CreateLoadBalancer",
            rename={"loadBalancerType": "Type", "internal": "Scheme", "namePrefix": "Name"},
            convert={"internal": lambda internal: "internal" if internal else "internet-facing"},
            leave=frozenset({"enableCrossZoneLoadBalancing", "enableDeletionProtection"}),  # attributes: another call
        ),
    ),
    "aws:lb/targetGroup:TargetGroup": (
        Call(
            "elbv2",
            "CreateTargetGroup",
            rename={"namePrefix": "Name"},
            leave=frozenset({"preserveClientIp", "healthCheck"}),  # an attribute; flattened below
        ),
        Call(
            "elbv2",
            "CreateTargetGroup",
            only=frozenset({"namePrefix", "healthCheck"}),
            rename={"namePrefix": "Name", "healthCheck": "HealthCheckProtocol"},
            convert={"healthCheck": lambda check: check["protocol"]},
        ),
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": (
        Call(
            "elbv2",
            "RegisterTargets",
            rename={"targetId": "Targets"},
            convert={"targetId": lambda address: [{"id": address, "port": 443}]},
            leave=frozenset({"port"}),
        ),
    ),
    "aws:route53/record:Record": (
        Call(
            "route53",
            "ChangeResourceRecordSets",
            rename={"zoneId": "HostedZoneId", "name": "ChangeBatch"},
            convert={
                "name": lambda name: {
                    "changes": [{"action": "CREATE", "resourceRecordSet": {"name": name, "type": "A"}}]
                }
            },
            leave=frozenset({"type", "ttl", "records", "aliases"}),  # members of the change
        ),
    ),
    "aws:s3/bucket:Bucket": (
        # Whether it is emptied before it is deleted is the provider's affair.
        Call("s3", "CreateBucket", supplied=named("Bucket"), leave=frozenset({"tags", "forceDestroy"})),
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": (
        # The body is the content, or read from the file; tags travel as a header.
        Call("s3", "PutObject", leave=frozenset({"source", "content", "tags"})),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": (Call("s3", "PutBucketPolicy"),),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        Call(
            "s3",
            "PutPublicAccessBlock",
            rename={
                name: f"PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}"
                for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
            },
        ),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        Call(
            "s3",
            "PutBucketEncryption",
            rename={"rules": "ServerSideEncryptionConfiguration.Rules"},
            convert={
                "rules": lambda rules: [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
                        }
                    }
                    for rule in rules
                ]
            },
        ),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (Call("s3", "PutBucketVersioning"),),
    "aws:kms/alias:Alias": (Call("kms", "CreateAlias", rename={"name": "AliasName"}),),
    "aws:kms/key:Key": (
        Call("kms", "CreateKey", leave=frozenset({"enableKeyRotation", "deletionWindowInDays", "tags"})),
    ),
    # The key is one of the topic's attributes, a map of texts.
    "aws:sns/topic:Topic": (Call("sns", "CreateTopic", leave=frozenset({"kmsMasterKeyId"}), supplied=named("Name")),),
    "aws:sns/topicSubscription:TopicSubscription": (Call("sns", "Subscribe", rename={"topic": "TopicArn"}),),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        Call(
            "ec2",
            "AuthorizeSecurityGroupEgress",
            rename={"securityGroupId": "GroupId"},
            leave=frozenset({"referencedSecurityGroupId", "tags"}),  # members of IpPermissions and TagSpecifications
        ),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        Call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            rename={"securityGroupId": "GroupId"},
            leave=frozenset({"referencedSecurityGroupId", "tags"}),
        ),
    ),
    "aws:wafv2/ipSet:IpSet": (Call("wafv2", "CreateIPSet", supplied=named("Name")),),
    "aws:wafv2/webAcl:WebAcl": (
        Call(
            "wafv2",
            "CreateWebACL",
            supplied=named("Name"),
            rename={"associationConfig": "AssociationConfig.RequestBody"},
            convert={
                "associationConfig": lambda config: {
                    "API_GATEWAY": config["requestBodies"][0]["apiGateway"],
                },
                "customResponseBodies": lambda bodies: {
                    body["key"]: {name: value for name, value in body.items() if name != "key"} for body in bodies
                },
            },
        ),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": (Call("wafv2", "AssociateWebACL"),),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": (
        Call(
            "wafv2",
            "PutLoggingConfiguration",
            rename={
                name: f"LoggingConfiguration.{name[0].upper()}{name[1:]}"
                for name in ("resourceArn", "logDestinationConfigs", "redactedFields", "loggingFilter")
            },
        ),
    ),
}

NOT_MAPPED = {
    "aws:acm/certificateValidation:CertificateValidation": "waits for a certificate and calls nothing that creates",
    "awsx:ec2:Vpc": "made of resources that its own provider declares",
    "awsx:ecr:Image": "built and pushed by Docker",
    "awsx:ecr:Repository": "made of resources that its own provider declares",
    "random:index/randomPassword:RandomPassword": "not of AWS",
}
