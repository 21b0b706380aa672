"""The permissions for deploying each type of resource: the reviewed map behind the deploying roles.

A line names a type's actions and their resources. STACK stands for ``<project>-<stack>``, with which every name in the
program begins, and STACK_ for the same with underscores, as AgentCore requires; REGION and ACCOUNT are the account's.
Actions without resource-level permissions, or whose resource has a random id, have a wider pattern, each with its
reason. The creating calls are compared with AWS's service models in ``tests/bootstrap``; the reading, changing and
deleting calls are those of the Terraform provider behind Pulumi's, reviewed and not exercised on AWS.

Source of the actions and their resources: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

REST = "arn:aws:apigateway:REGION::"


class Grant(NamedTuple):
    """Some actions on some resources, under conditions."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str | list[str]]] = {}


def on(service: str, verbs: str, *resources: str, **conditions: Mapping[str, str | list[str]]) -> Grant:
    """``on("sns", "CreateTopic DeleteTopic", "arn:…")``: actions of one service."""
    return Grant(tuple(f"{service}:{verb}" for verb in verbs.split()), resources, conditions)


# API Gateway's actions are HTTP methods on paths; the ids in these are random, so the paths cannot name the stack.
API = on("apigateway", "GET POST PUT PATCH DELETE", f"{REST}/restapis", f"{REST}/restapis/*", f"{REST}/tags/*")
KEYS = on(
    "apigateway",
    "GET POST PUT PATCH DELETE",
    f"{REST}/apikeys",
    f"{REST}/apikeys/*",
    f"{REST}/usageplans",
    f"{REST}/usageplans/*",
)
DOMAINS = on("apigateway", "GET POST PUT PATCH DELETE", f"{REST}/domainnames", f"{REST}/domainnames/*")

POOLS = "arn:aws:cognito-idp:REGION:ACCOUNT:userpool/*"  # a pool's id is random
FIREWALL = "arn:aws:wafv2:REGION:ACCOUNT:regional"
ROLES = "arn:aws:iam::ACCOUNT:role/STACK-*"
BUCKETS = "arn:aws:s3:::STACK-*"
GROUPS = (
    "arn:aws:logs:REGION:ACCOUNT:log-group:/agent-stream/STACK/*",
    "arn:aws:logs:REGION:ACCOUNT:log-group:aws-waf-logs-STACK*",
    "arn:aws:logs:REGION:ACCOUNT:log-group:/aws/bedrock-agentcore/runtimes/STACK_*",
    "arn:aws:logs:REGION:ACCOUNT:log-group:/aws/vpc/STACK*",
)
# CloudFront's web ACL, certificate and log are in us-east-1 wherever the stack is; its own ids are random.
EDGE = "arn:aws:wafv2:us-east-1:ACCOUNT:global"
EDGE_CERTIFICATES = "arn:aws:acm:us-east-1:ACCOUNT:certificate/*"
EDGE_GROUPS = "arn:aws:logs:us-east-1:ACCOUNT:log-group:aws-waf-logs-STACK*"
CLOUDFRONT = "arn:aws:cloudfront::ACCOUNT"
# Log delivery of a service is set up with calls without resource-level permissions.
LOG_DELIVERY = on(
    "logs",
    "CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries "
    "PutResourcePolicy DescribeResourcePolicies DescribeLogGroups",
    "*",
)
AGENTCORE = "arn:aws:bedrock-agentcore:REGION:ACCOUNT"
RUNTIMES = f"{AGENTCORE}:runtime/STACK_*"
BALANCERS = "arn:aws:elasticloadbalancing:REGION:ACCOUNT"
NETWORK = "arn:aws:ec2:REGION:ACCOUNT"
REPOSITORIES = "arn:aws:ecr:REGION:ACCOUNT:repository/STACK-*"


def service_role(service: str) -> Grant:
    """Permission to create a service's service-linked role, once for an account."""
    return on(
        "iam",
        "CreateServiceLinkedRole",
        f"arn:aws:iam::ACCOUNT:role/aws-service-role/{service}/*",
        StringEquals={"iam:AWSServiceName": service},
    )


def pass_role(service: str) -> Grant:
    """Permission to pass the stack's roles to this service only."""
    return on("iam", "PassRole", ROLES, StringEquals={"iam:PassedToService": service})


ROLE_CALLS = (
    "CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole TagRole UntagRole "
    "ListRoleTags ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole"
)
CERTIFICATE_CALLS = (
    "DescribeCertificate DeleteCertificate AddTagsToCertificate RemoveTagsFromCertificate ListTagsForCertificate "
    "UpdateCertificateOptions"
)
GROUP_CALLS = (
    "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy TagResource UntagResource "
    "ListTagsForResource AssociateKmsKey DisassociateKmsKey"
)
IP_SET_CALLS = "CreateIPSet GetIPSet UpdateIPSet DeleteIPSet TagResource UntagResource ListTagsForResource"
WEB_ACL_CALLS = "CreateWebACL GetWebACL UpdateWebACL DeleteWebACL TagResource UntagResource ListTagsForResource"
WEB_ACL_LOG_CALLS = "PutLoggingConfiguration GetLoggingConfiguration DeleteLoggingConfiguration"
BUCKET_READS = (
    "GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketObjectLockConfiguration GetBucketPolicy "
    "GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetAccelerateConfiguration "
    "GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration GetBucketPublicAccessBlock "
    "GetBucketOwnershipControls ListBucket ListBucketVersions ListTagsForResource"
)
OBJECT_CALLS = (
    "PutObject GetObject GetObjectVersion GetObjectTagging PutObjectTagging GetObjectAcl GetObjectAttributes "
    "DeleteObject DeleteObjectVersion DeleteObjectTagging"
)

NEEDED: Mapping[str, tuple[Grant, ...]] = {
    "aws:acm/certificate:Certificate": (
        on("acm", "RequestCertificate", "*"),  # creates the ARN that the others name
        on("acm", CERTIFICATE_CALLS, "arn:aws:acm:REGION:ACCOUNT:certificate/*"),
    ),
    "aws:acm/certificateValidation:CertificateValidation": (
        on("acm", "DescribeCertificate", "arn:aws:acm:REGION:ACCOUNT:certificate/*"),
    ),
    "aws:apigateway/account:Account": (
        on("apigateway", "GET PATCH", f"{REST}/account"),
        pass_role("apigateway.amazonaws.com"),
    ),
    "aws:apigateway/apiKey:ApiKey": (KEYS,),
    "aws:apigateway/authorizer:Authorizer": (API,),
    "aws:apigateway/basePathMapping:BasePathMapping": (DOMAINS,),
    "aws:apigateway/deployment:Deployment": (API,),
    "aws:apigateway/domainName:DomainName": (DOMAINS, service_role("ops.apigateway.amazonaws.com")),
    "aws:apigateway/integration:Integration": (API,),
    "aws:apigateway/integrationResponse:IntegrationResponse": (API,),
    "aws:apigateway/method:Method": (API,),
    "aws:apigateway/methodResponse:MethodResponse": (API,),
    "aws:apigateway/methodSettings:MethodSettings": (API,),
    "aws:apigateway/model:Model": (API,),
    "aws:apigateway/requestValidator:RequestValidator": (API,),
    "aws:apigateway/resource:Resource": (API,),
    "aws:apigateway/response:Response": (API,),
    "aws:apigateway/restApi:RestApi": (
        API,
        on("apigateway", "UpdateRestApiPolicy", f"{REST}/restapis", f"{REST}/restapis/*"),
    ),
    "aws:apigateway/stage:Stage": (API, LOG_DELIVERY),
    "aws:apigateway/usagePlan:UsagePlan": (KEYS,),
    "aws:apigateway/usagePlanKey:UsagePlanKey": (KEYS,),
    "aws:apigatewayv2/vpcLink:VpcLink": (
        on("apigateway", "GET POST PATCH DELETE", f"{REST}/vpclinks", f"{REST}/vpclinks/*", f"{REST}/tags/*"),
        service_role("ops.apigateway.amazonaws.com"),
    ),
    "aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime": (
        on("bedrock-agentcore", "CreateAgentRuntime", "*"),  # creates the ARN that the others name
        on(
            "bedrock-agentcore",
            "GetAgentRuntime UpdateAgentRuntime DeleteAgentRuntime ListAgentRuntimeVersions ListAgentRuntimeEndpoints "
            "TagResource UntagResource ListTagsForResource",
            RUNTIMES,
        ),
        # AgentCore creates a workload identity for each runtime, with the caller's permissions.
        on(
            "bedrock-agentcore",
            "CreateWorkloadIdentity GetWorkloadIdentity DeleteWorkloadIdentity",
            f"{AGENTCORE}:workload-identity-directory/default",
            f"{AGENTCORE}:workload-identity-directory/default/workload-identity/*",
        ),
        pass_role("bedrock-agentcore.amazonaws.com"),
        service_role("runtime-identity.bedrock-agentcore.amazonaws.com"),
        service_role("network.bedrock-agentcore.amazonaws.com"),  # for a runtime in a VPC
    ),
    "aws:bedrock/agentcoreAgentRuntimeEndpoint:AgentcoreAgentRuntimeEndpoint": (
        on(
            "bedrock-agentcore",
            "CreateAgentRuntimeEndpoint GetAgentRuntimeEndpoint UpdateAgentRuntimeEndpoint DeleteAgentRuntimeEndpoint "
            "TagResource UntagResource ListTagsForResource",
            RUNTIMES,
        ),
    ),
    "aws:bedrock/agentcoreMemory:AgentcoreMemory": (
        on("bedrock-agentcore", "CreateMemory", "*"),  # creates the ARN that the others name
        on(
            "bedrock-agentcore",
            "GetMemory UpdateMemory DeleteMemory TagResource UntagResource ListTagsForResource",
            f"{AGENTCORE}:memory/STACK_*",
        ),
    ),
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": (
        on("bedrock-agentcore", "PutResourcePolicy GetResourcePolicy DeleteResourcePolicy", RUNTIMES),
    ),
    "aws:cloudfront/distribution:Distribution": (
        on(
            "cloudfront",
            "CreateDistribution GetDistribution GetDistributionConfig UpdateDistribution DeleteDistribution "
            "TagResource UntagResource ListTagsForResource",
            f"{CLOUDFRONT}:distribution/*",
        ),
        # Its web ACL, certificate and log, in addition to those in the stack's own Region.
        on("acm", CERTIFICATE_CALLS, EDGE_CERTIFICATES),
        on("logs", GROUP_CALLS, EDGE_GROUPS),
        on("wafv2", IP_SET_CALLS, f"{EDGE}/ipset/STACK-*/*"),
        on("wafv2", WEB_ACL_CALLS, f"{EDGE}/webacl/STACK-*/*", f"{EDGE}/ipset/STACK-*/*", f"{EDGE}/managedruleset/*/*"),
        on("wafv2", WEB_ACL_LOG_CALLS, f"{EDGE}/webacl/STACK-*/*"),
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": (
        on(
            "cloudfront",
            "CreateOriginAccessControl GetOriginAccessControl GetOriginAccessControlConfig UpdateOriginAccessControl "
            "DeleteOriginAccessControl",
            f"{CLOUDFRONT}:origin-access-control/*",
        ),
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": (
        on(
            "cloudfront",
            "CreateResponseHeadersPolicy GetResponseHeadersPolicy GetResponseHeadersPolicyConfig "
            "UpdateResponseHeadersPolicy DeleteResponseHeadersPolicy",
            f"{CLOUDFRONT}:response-headers-policy/*",
        ),
    ),
    "aws:cloudwatch/dashboard:Dashboard": (
        on("cloudwatch", "PutDashboard GetDashboard DeleteDashboards", "arn:aws:cloudwatch::ACCOUNT:dashboard/STACK*"),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        on("logs", GROUP_CALLS, *GROUPS),
        on("logs", "DescribeLogGroups", "*"),  # a list over all
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": (
        on("logs", "PutMetricFilter DescribeMetricFilters DeleteMetricFilter", *GROUPS),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        on(
            "cloudwatch",
            "PutMetricAlarm DeleteAlarms TagResource UntagResource ListTagsForResource",
            "arn:aws:cloudwatch:REGION:ACCOUNT:alarm:STACK-*",
        ),
        on("cloudwatch", "DescribeAlarms", "*"),  # a list over all
    ),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": (
        on(
            "cognito-idp",
            "CreateManagedLoginBranding DescribeManagedLoginBranding DescribeManagedLoginBrandingByClient "
            "UpdateManagedLoginBranding DeleteManagedLoginBranding",
            POOLS,
        ),
    ),
    "aws:cognito/userGroup:UserGroup": (on("cognito-idp", "CreateGroup GetGroup UpdateGroup DeleteGroup", POOLS),),
    "aws:cognito/userPool:UserPool": (
        on("cognito-idp", "CreateUserPool", "*"),  # creates the ARN that the others name
        on(
            "cognito-idp",
            "DescribeUserPool UpdateUserPool DeleteUserPool AddCustomAttributes SetUserPoolMfaConfig "
            "GetUserPoolMfaConfig TagResource UntagResource ListTagsForResource",
            POOLS,
        ),
    ),
    "aws:cognito/userPoolClient:UserPoolClient": (
        on(
            "cognito-idp",
            "CreateUserPoolClient DescribeUserPoolClient UpdateUserPoolClient DeleteUserPoolClient ListUserPoolClients",
            POOLS,
        ),
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": (
        on("cognito-idp", "CreateUserPoolDomain UpdateUserPoolDomain DeleteUserPoolDomain", POOLS),
        on("cognito-idp", "DescribeUserPoolDomain", "*"),  # called with a domain's name, which is in no ARN
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        on(
            "ec2",
            "CreateSecurityGroup DeleteSecurityGroup CreateTags DeleteTags RevokeSecurityGroupEgress "
            "RevokeSecurityGroupIngress",
            f"{NETWORK}:security-group/*",
            f"{NETWORK}:security-group-rule/*",
            f"{NETWORK}:vpc/*",
        ),
        on("ec2", "DescribeSecurityGroups DescribeNetworkInterfaces DescribeVpcs", "*"),  # lists over all
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        on(
            "ec2",
            "CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints CreateTags DeleteTags",
            f"{NETWORK}:vpc-endpoint/*",
            f"{NETWORK}:vpc/*",
            f"{NETWORK}:subnet/*",
            f"{NETWORK}:security-group/*",
        ),
        on("ec2", "DescribeVpcEndpoints DescribePrefixLists DescribeNetworkInterfaces", "*"),  # lists over all
    ),
    "aws:iam/role:Role": (on("iam", ROLE_CALLS, ROLES),),
    "aws:iam/rolePolicy:RolePolicy": (on("iam", "PutRolePolicy GetRolePolicy DeleteRolePolicy", ROLES),),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        # The only managed policy that the program attaches.
        on(
            "iam",
            "AttachRolePolicy DetachRolePolicy",
            ROLES,
            ArnEquals={"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"},
        ),
        on("iam", "ListAttachedRolePolicies", ROLES),
    ),
    "aws:kms/alias:Alias": (
        on(
            "kms",
            "CreateAlias UpdateAlias DeleteAlias",
            "arn:aws:kms:REGION:ACCOUNT:alias/STACK",
            "arn:aws:kms:REGION:ACCOUNT:key/*",  # an alias needs permission on its key too, whose id is random
        ),
        on("kms", "ListAliases", "*"),
    ),
    "aws:kms/key:Key": (
        on("kms", "CreateKey", "*"),
        on(
            "kms",
            "DescribeKey GetKeyPolicy PutKeyPolicy EnableKeyRotation GetKeyRotationStatus ScheduleKeyDeletion "
            "TagResource UntagResource ListResourceTags UpdateKeyDescription GenerateDataKey Decrypt",
            "arn:aws:kms:REGION:ACCOUNT:key/*",
        ),
    ),
    "aws:lb/listener:Listener": (
        on(
            "elasticloadbalancing",
            "CreateListener ModifyListener DeleteListener ModifyListenerAttributes AddTags RemoveTags",
            f"{BALANCERS}:loadbalancer/net/agent-*",
            f"{BALANCERS}:listener/net/agent-*",
        ),
        on("elasticloadbalancing", "DescribeListeners DescribeListenerAttributes DescribeTags", "*"),  # lists over all
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        on(
            "elasticloadbalancing",
            "CreateLoadBalancer DeleteLoadBalancer ModifyLoadBalancerAttributes SetSecurityGroups SetSubnets AddTags "
            "RemoveTags",
            f"{BALANCERS}:loadbalancer/net/agent-*",
        ),
        on(
            "elasticloadbalancing",
            "DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeTags DescribeCapacityReservation",
            "*",  # lists over all
        ),
        service_role("elasticloadbalancing.amazonaws.com"),
    ),
    "aws:lb/targetGroup:TargetGroup": (
        on(
            "elasticloadbalancing",
            "CreateTargetGroup ModifyTargetGroup ModifyTargetGroupAttributes DeleteTargetGroup AddTags RemoveTags",
            f"{BALANCERS}:targetgroup/agent-*",
        ),
        on("elasticloadbalancing", "DescribeTargetGroups DescribeTargetGroupAttributes DescribeTags", "*"),
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": (
        on("elasticloadbalancing", "RegisterTargets DeregisterTargets", f"{BALANCERS}:targetgroup/agent-*"),
        on("elasticloadbalancing", "DescribeTargetHealth", "*"),
    ),
    "aws:route53/record:Record": (
        # The settings name one zone, whose records a stack may change.
        on(
            "route53",
            "ChangeResourceRecordSets ListResourceRecordSets GetHostedZone",
            "arn:aws:route53:::hostedzone/ZONE",
        ),
        on("route53", "GetChange", "arn:aws:route53:::change/*"),
    ),
    "aws:s3/bucket:Bucket": (
        on("s3", f"CreateBucket DeleteBucket PutBucketTagging TagResource UntagResource {BUCKET_READS}", BUCKETS),
        on("s3", "DeleteObject DeleteObjectVersion", f"{BUCKETS}/*"),  # an emptied bucket can be deleted
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": (on("s3", OBJECT_CALLS, f"{BUCKETS}/*"), on("s3", "ListBucket", BUCKETS)),
    "aws:s3/bucketPolicy:BucketPolicy": (on("s3", "PutBucketPolicy GetBucketPolicy DeleteBucketPolicy", BUCKETS),),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        on("s3", "PutBucketPublicAccessBlock GetBucketPublicAccessBlock", BUCKETS),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        on("s3", "PutEncryptionConfiguration GetEncryptionConfiguration", BUCKETS),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (on("s3", "PutBucketVersioning GetBucketVersioning", BUCKETS),),
    "aws:sns/topic:Topic": (
        on(
            "sns",
            "CreateTopic GetTopicAttributes SetTopicAttributes DeleteTopic TagResource UntagResource "
            "ListTagsForResource GetDataProtectionPolicy",
            "arn:aws:sns:REGION:ACCOUNT:STACK-*",
        ),
    ),
    "aws:sns/topicSubscription:TopicSubscription": (
        on(
            "sns",
            "Subscribe Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes ListSubscriptionsByTopic",
            "arn:aws:sns:REGION:ACCOUNT:STACK-*",
        ),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        on(
            "ec2",
            "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress ModifySecurityGroupRules CreateTags",
            f"{NETWORK}:security-group/*",
            f"{NETWORK}:security-group-rule/*",
        ),
        on("ec2", "DescribeSecurityGroupRules", "*"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        on(
            "ec2",
            "AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress ModifySecurityGroupRules CreateTags",
            f"{NETWORK}:security-group/*",
            f"{NETWORK}:security-group-rule/*",
        ),
        on("ec2", "DescribeSecurityGroupRules", "*"),
    ),
    "aws:wafv2/ipSet:IpSet": (on("wafv2", IP_SET_CALLS, f"{FIREWALL}/ipset/STACK-*/*"),),
    "aws:wafv2/webAcl:WebAcl": (
        on(
            "wafv2",
            WEB_ACL_CALLS,
            f"{FIREWALL}/webacl/STACK-*/*",
            f"{FIREWALL}/ipset/STACK-*/*",
            f"{FIREWALL}/managedruleset/*/*",
        ),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": (
        on(
            "wafv2",
            "AssociateWebACL DisassociateWebACL GetWebACLForResource",
            f"{FIREWALL}/webacl/STACK-*/*",
            f"{REST}/restapis/*/stages/*",
        ),
        on("wafv2", "GetWebACL", f"{FIREWALL}/webacl/STACK-*/*"),
        on("apigateway", "SetWebACL", f"{REST}/restapis/*/stages/*"),
        # For a web ACL on the user pool (identity.firewall).
        on("wafv2", "AssociateWebACL DisassociateWebACL GetWebACLForResource", POOLS),
        on("cognito-idp", "AssociateWebACL DisassociateWebACL GetWebACLForResource", POOLS),
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": (
        on("wafv2", WEB_ACL_LOG_CALLS, f"{FIREWALL}/webacl/STACK-*/*"),
        LOG_DELIVERY,
        service_role("wafv2.amazonaws.com"),
    ),
    # An awsx component declares several resources, read from its source (3.11); a Vpc always has an internet gateway,
    # even if no subnet has a route to it.
    "awsx:ec2:Vpc": (
        on(
            "ec2",
            "CreateVpc DeleteVpc ModifyVpcAttribute CreateSubnet DeleteSubnet ModifySubnetAttribute CreateRouteTable "
            "DeleteRouteTable AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation "
            "CreateInternetGateway AttachInternetGateway DetachInternetGateway DeleteInternetGateway "
            "CreateTags DeleteTags",
            f"{NETWORK}:vpc/*",
            f"{NETWORK}:subnet/*",
            f"{NETWORK}:route-table/*",
            f"{NETWORK}:internet-gateway/*",
        ),
        on(
            "ec2",
            "DescribeVpcs DescribeVpcAttribute DescribeSubnets DescribeRouteTables DescribeInternetGateways "
            "DescribeNetworkAcls DescribeSecurityGroups DescribeNetworkInterfaces",
            "*",  # lists over all
        ),
    ),
    "awsx:ecr:Image": (
        on("ecr", "GetAuthorizationToken", "*"),  # the login has no resource-level permissions
        on(
            "ecr",
            "BatchCheckLayerAvailability InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage "
            "BatchGetImage GetDownloadUrlForLayer",
            REPOSITORIES,
        ),
    ),
    "awsx:ecr:Repository": (
        on(
            "ecr",
            "CreateRepository DescribeRepositories DeleteRepository PutImageTagMutability "
            "PutImageScanningConfiguration TagResource UntagResource ListTagsForResource PutLifecyclePolicy "
            "GetLifecyclePolicy DeleteLifecyclePolicy",
            REPOSITORIES,
        ),
    ),
}

NEEDS_NOTHING: Mapping[str, str] = {
    "random:index/randomPassword:RandomPassword": "created in Pulumi's own process",
}
