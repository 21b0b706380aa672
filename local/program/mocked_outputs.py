"""Mocked outputs for each type of resource: ids, ARNs and addresses in AWS's forms, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from contract import Kind
from local.program.graph import MockedOutputs

ACCOUNT = "000000000000"
"""The account that the emulator's own ARNs name."""


def token(name: str, length: int = 10) -> str:
    """A mocked identifier in the alphabet that AWS uses, always the same for a name."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def _user_pool(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    pool = f"{region}_{token(name, 9)}"
    return pool, {
        "arn": f"arn:aws:cognito-idp:{region}:{ACCOUNT}:userpool/{pool}",
        "endpoint": f"cognito-idp.{region}.amazonaws.com/{pool}",
        "name": name,
    }


def _rest_api(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    api = token(name)
    return api, {
        "arn": f"arn:aws:apigateway:{region}::/restapis/{api}",
        "executionArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}",
        "rootResourceId": token(f"{name}-root"),
        "name": name,
    }


def _stage(region: str, _name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    api, stage = inputs["restApi"], inputs["stageName"]
    return f"ags-{api}-{stage}", {
        "arn": f"arn:aws:apigateway:{region}::/restapis/{api}/stages/{stage}",
        "executionArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}/{stage}",
        "invokeUrl": f"https://{api}.execute-api.{region}.amazonaws.com/{stage}",
    }


def _agent_runtime(region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    runtime = f"{inputs['agentRuntimeName']}-{token(name)}"
    return runtime, {
        "agentRuntimeId": runtime,
        "agentRuntimeArn": f"arn:aws:bedrock-agentcore:{region}:{ACCOUNT}:runtime/{runtime}",
        "agentRuntimeVersion": "1",
        "workloadIdentityDetails": [],
    }


def _firewall_arn(kind: str, region: str, name: str, inputs: Mapping[str, Any]) -> str:
    """The ARN of a WAF resource; one for CloudFront is in us-east-1, and its scope is ``global``."""
    scope = "global" if inputs.get("scope") == "CLOUDFRONT" else "regional"
    return f"arn:aws:wafv2:{region}:{ACCOUNT}:{scope}/{kind}/{name}/{token(name, 32)}"


def _web_acl(region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    acl = token(name, 32)
    return acl, {
        "arn": _firewall_arn("webacl", region, name, inputs),
        "capacity": 0,
        "name": name,
    }


def _certificate(region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    arn = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{token(name, 32)}"
    proof = {
        "domainName": inputs["domainName"],
        "resourceRecordName": f"_{token(name, 32)}.{inputs['domainName']}.",
        "resourceRecordType": "CNAME",
        "resourceRecordValue": f"_{token(name + '-proof', 32)}.acm-validations.aws.",
    }
    return arn, {"arn": arn, "domainValidationOptions": [proof]}


def _domain_name(region: str, _name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    domain = inputs["domainName"]
    return domain, {
        "regionalDomainName": f"d-{token(domain)}.execute-api.{region}.amazonaws.com",
        "regionalZoneId": "Z1UJRXOUMOOFQ8",
        "cloudfrontDomainName": f"d{token(domain, 13)}.cloudfront.net",
        "cloudfrontZoneId": "Z2FDTNDATAQYW2",
    }


def _log_group(region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    group = inputs.get("name", name)
    return group, {"name": group, "arn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}"}


def _memory(region: str, _name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    memory = f"{inputs['name']}-{token(inputs['name'])}"
    return memory, {"arn": f"arn:aws:bedrock-agentcore:{region}:{ACCOUNT}:memory/{memory}"}


def _topic(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    arn = f"arn:aws:sns:{region}:{ACCOUNT}:{name}"
    return arn, {"arn": arn, "name": name}


def _ip_set(region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    return token(name, 32), {"arn": _firewall_arn("ipset", region, name, inputs), "name": name}


def _repository(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    return name, {"url": f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{name}"}


def _image(_region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    return name, {"imageUri": f"{inputs['repositoryUrl']}@sha256:{token(inputs['imageTag'], 64)}"}


def _vpc(_region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    subnets = [f"subnet-{token(name + zone, 17)}" for zone in inputs["availabilityZoneNames"]]
    return name, {"vpcId": f"vpc-{token(name, 17)}", "isolatedSubnetIds": subnets}


def _identified(prefix: str) -> Callable[[str, str, Mapping[str, Any]], MockedOutputs]:
    """EC2's form of an id: a prefix and seventeen hexadecimal digits."""
    return lambda _region, name, _inputs: (f"{prefix}-{token(name, 17)}", {})


def _load_balancing(kind: str) -> Callable[[str, str, Mapping[str, Any]], MockedOutputs]:
    def answer(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
        arn = f"arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:{kind}/{name}/{token(name, 16)}"
        return arn, {"arn": arn}

    return answer


def _bucket(region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    bucket = f"{name}-{token(name, 7)}"
    return bucket, {
        "bucket": bucket,
        "arn": f"arn:aws:s3:::{bucket}",
        "bucketRegionalDomainName": f"{bucket}.s3.{region}.amazonaws.com",
    }


def _distribution(_region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    id_ = f"E{token(name, 13).upper()}"
    return id_, {
        "arn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id_}",
        "domainName": f"d{token(name, 13)}.cloudfront.net",
        "hostedZoneId": "Z2FDTNDATAQYW2",
        "status": "Deployed",
    }


def _origin_access_control(_region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    id_ = f"E{token(name + '-signing', 13).upper()}"
    return id_, {"arn": f"arn:aws:cloudfront::{ACCOUNT}:origin-access-control/{id_}", "name": name}


def _response_headers_policy(_region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    digits = token(name + "-headers", 32)
    id_ = "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])
    return id_, {"arn": f"arn:aws:cloudfront::{ACCOUNT}:response-headers-policy/{id_}", "name": name}


def _role(_region: str, name: str, _inputs: Mapping[str, Any]) -> MockedOutputs:
    role = f"{name}-{token(name, 7)}"
    return role, {"name": role, "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}


def _api_key(key_id: str) -> str:
    return token(f"{key_id}-key", 40)


def _random_password(_region: str, name: str, inputs: Mapping[str, Any]) -> MockedOutputs:
    characters = hashlib.sha512(name.encode()).hexdigest() * 2
    return "none", {"result": characters[: int(inputs["length"])]}


MOCKED: Mapping[str, Callable[[str, str, Mapping[str, Any]], MockedOutputs]] = {
    "aws:cognito/userPool:UserPool": _user_pool,
    Kind.USER_POOL_CLIENT: lambda _region, name, _inputs: (
        token(name, 26),
        {"name": name},
    ),
    Kind.REST_API: _rest_api,
    Kind.STAGE: _stage,
    Kind.RUNTIME: _agent_runtime,
    Kind.WEB_ACL: _web_acl,
    "aws:wafv2/ipSet:IpSet": _ip_set,
    Kind.DOMAIN_NAME: _domain_name,
    "aws:acm/certificate:Certificate": _certificate,
    "aws:acm/certificateValidation:CertificateValidation": lambda _region, name, inputs: (
        inputs["certificateArn"],
        {},
    ),
    "aws:apigateway/apiKey:ApiKey": lambda _region, name, _inputs: (token(name), {"value": _api_key(token(name))}),
    # A usage plan's key has the value of the API key among its outputs.
    "aws:apigateway/usagePlanKey:UsagePlanKey": lambda _region, name, inputs: (
        inputs["keyId"],
        {"name": name, "value": _api_key(inputs["keyId"])},
    ),
    "aws:bedrock/agentcoreMemory:AgentcoreMemory": _memory,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:route53/record:Record": lambda _region, name, inputs: (name, {"fqdn": inputs["name"]}),
    "aws:sns/topic:Topic": _topic,
    "aws:ec2/securityGroup:SecurityGroup": _identified("sg"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _identified("vpce"),
    "aws:lb/loadBalancer:LoadBalancer": _load_balancing("loadbalancer/net"),
    "aws:lb/targetGroup:TargetGroup": _load_balancing("targetgroup"),
    "awsx:ecr:Repository": _repository,
    "awsx:ecr:Image": _image,
    "awsx:ec2:Vpc": _vpc,
    Kind.BUCKET: _bucket,
    Kind.DISTRIBUTION: _distribution,
    "aws:cloudfront/originAccessControl:OriginAccessControl": _origin_access_control,
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": _response_headers_policy,
    Kind.ROLE: _role,
    "random:index/randomPassword:RandomPassword": _random_password,
}
"""By type token; a type that is not here gets an id, a name and an ARN."""
