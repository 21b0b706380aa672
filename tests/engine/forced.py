"""Which changed inputs replace a resource: ``ForceNew`` of the Terraform provider that pulumi-aws 7 bridges.

Written down because the SDK's own documentation says it of few inputs. A type whose inputs are all changed in place
stands here with none, so that a type that is missing is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping

_GATEWAY_METHOD = ("restApi", "resourceId", "httpMethod")

FORCED: Mapping[str, tuple[str, ...]] = {
    "aws:acm/certificate:Certificate": ("domainName", "validationMethod"),
    "aws:acm/certificateValidation:CertificateValidation": ("certificateArn", "validationRecordFqdns"),
    "aws:apigateway/account:Account": (),
    "aws:apigateway/apiKey:ApiKey": ("value",),
    "aws:apigateway/authorizer:Authorizer": ("restApi",),
    "aws:apigateway/basePathMapping:BasePathMapping": ("domainName",),
    "aws:apigateway/deployment:Deployment": ("restApi", "triggers"),
    "aws:apigateway/domainName:DomainName": ("domainName",),
    "aws:apigateway/integration:Integration": (*_GATEWAY_METHOD, "type", "integrationHttpMethod"),
    "aws:apigateway/integrationResponse:IntegrationResponse": (*_GATEWAY_METHOD, "statusCode"),
    "aws:apigateway/method:Method": _GATEWAY_METHOD,
    "aws:apigateway/methodResponse:MethodResponse": (*_GATEWAY_METHOD, "statusCode"),
    "aws:apigateway/methodSettings:MethodSettings": ("restApi", "stageName", "methodPath"),
    "aws:apigateway/model:Model": ("restApi", "name", "contentType"),
    "aws:apigateway/requestValidator:RequestValidator": ("restApi",),
    "aws:apigateway/resource:Resource": ("restApi",),
    "aws:apigateway/response:Response": ("restApi", "responseType"),
    "aws:apigateway/restApi:RestApi": (),
    "aws:apigateway/stage:Stage": ("restApi", "stageName"),
    "aws:apigateway/usagePlan:UsagePlan": (),
    "aws:apigateway/usagePlanKey:UsagePlanKey": ("keyId", "keyType", "usagePlanId"),
    "aws:apigatewayv2/vpcLink:VpcLink": ("subnetIds", "securityGroupIds"),
    "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime": ("agentRuntimeName",),
    "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint": ("agentRuntimeId", "name"),
    "aws:bedrock/agentcoreMemory:AgentcoreMemory": ("name", "encryptionKeyArn"),
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": ("resourceArn",),
    "aws:cloudfront/distribution:Distribution": (),
    "aws:cloudfront/originAccessControl:OriginAccessControl": ("name",),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (),
    "aws:cloudwatch/dashboard:Dashboard": ("dashboardName",),
    "aws:cloudwatch/logGroup:LogGroup": ("name",),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": ("logGroupName", "name"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("name",),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": ("userPoolId", "clientId"),
    "aws:cognito/userGroup:UserGroup": ("userPoolId", "name"),
    "aws:cognito/userPool:UserPool": ("usernameAttributes", "usernameConfiguration"),
    "aws:cognito/userPoolClient:UserPoolClient": ("userPoolId", "generateSecret"),
    "aws:cognito/userPoolDomain:UserPoolDomain": ("domain", "userPoolId"),
    "aws:ec2/securityGroup:SecurityGroup": ("name", "description", "vpcId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("serviceName", "vpcEndpointType", "vpcId"),
    "aws:iam/role:Role": ("name", "path"),
    "aws:iam/rolePolicy:RolePolicy": ("name", "role"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("role", "policyArn"),
    "aws:lb/listener:Listener": ("loadBalancerArn",),
    "aws:lb/loadBalancer:LoadBalancer": ("name", "namePrefix", "internal", "loadBalancerType"),
    "aws:lb/targetGroup:TargetGroup": ("name", "namePrefix", "port", "protocol", "targetType", "vpcId"),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": ("targetGroupArn", "targetId", "port"),
    "aws:route53/record:Record": ("zoneId", "name", "type"),
    "aws:s3/bucket:Bucket": ("bucket",),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("bucket", "key"),
    "aws:s3/bucketPolicy:BucketPolicy": ("bucket",),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("bucket",),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ("bucket",),
    "aws:s3/bucketVersioning:BucketVersioning": ("bucket",),
    "aws:sns/topic:Topic": ("name",),
    "aws:sns/topicSubscription:TopicSubscription": ("endpoint", "protocol", "topic"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("securityGroupId",),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("securityGroupId",),
    "aws:wafv2/ipSet:IpSet": ("name", "scope", "ipAddressVersion"),
    "aws:wafv2/webAcl:WebAcl": ("name", "scope"),
    "aws:wafv2/webAclAssociation:WebAclAssociation": ("resourceArn", "webAclArn"),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": ("resourceArn",),
    "random:index/randomPassword:RandomPassword": ("length", "special", "keepers"),
}
"""The inputs that replace a resource, by its type."""

KEPT: Mapping[str, tuple[str, ...]] = {
    # Optional and computed: what is left out stays as it was.
    "aws:apigateway/restApi:RestApi": (
        "policy",
        "endpointConfiguration.vpcEndpointIds",
        "endpointConfiguration.ipAddressType",
    ),
}
"""The inputs that keep their last value when they are left out, by the resource's type."""
