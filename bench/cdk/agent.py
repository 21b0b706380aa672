"""The peer's runtime: its code, its role, its log, and who may do what with it."""

from pathlib import Path
from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bench.cdk.identity import Identity
from bench.cdk.texts import DENIED, ENVIRONMENT, MODEL, ORIGIN_HEADER

Declared = agentcore.CfnRuntime


class Agent(Construct):
    """What answers."""

    def __init__(self, scope: Construct, id_: str, *, name: str, origin: str, identity: Identity) -> None:
        super().__init__(scope, id_)
        self._name = name.replace("-", "_")
        # CloudFormation has no kind for an object: the CLI uploads an asset. What is in it does not matter here.
        package = assets.Asset(self, "Package", path=str(Path(__file__)))
        bucket = self._code()
        self.secret = secretsmanager.Secret(
            self,
            "OriginSecret",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=48, exclude_punctuation=True),
            removal_policy=RemovalPolicy.DESTROY,
        ).secret_value.unsafe_unwrap()
        code = Declared.CodeConfigurationProperty(
            code=Declared.CodeProperty(
                s3=Declared.S3LocationProperty(bucket=bucket.bucket_name, prefix=package.s3_object_key)
            ),
            entry_point=["main.py"],
            runtime="PYTHON_3_13",
        )
        runtime = Declared(
            self,
            "Runtime",
            agent_runtime_name=self._name,
            description="Streams the agent's answers.",
            role_arn=self._role(bucket).role_arn,
            platform_version="V1",
            protocol_configuration="HTTP",
            agent_runtime_artifact=Declared.AgentRuntimeArtifactProperty(code_configuration=code),
            network_configuration=Declared.NetworkConfigurationProperty(network_mode="PUBLIC"),
            authorizer_configuration=_authorizer(identity),
            request_header_configuration=Declared.RequestHeaderConfigurationProperty(
                request_header_allowlist=["Authorization", ORIGIN_HEADER]
            ),
            lifecycle_configuration=Declared.LifecycleConfigurationProperty(
                idle_runtime_session_timeout=900, max_lifetime=28_800
            ),
            environment_variables={
                **ENVIRONMENT,
                "AGENT_ALLOWED_ORIGIN": origin,
                "AGENT_NAME": name,
                "AGENT_ORIGIN_SECRET": self.secret,
                "AGENT_REGION": Stack.of(self).region,
            },
        )
        self.runtime_arn, self.runtime_id = runtime.attr_agent_runtime_arn, runtime.attr_agent_runtime_id
        self._resource_policy()
        logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/bedrock-agentcore/runtimes/{self.runtime_id}-DEFAULT",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _code(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Code",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _role(self, bucket: s3.Bucket) -> iam.Role:
        region, account = Stack.of(self).region, Stack.of(self).account
        groups = f"arn:aws:logs:{region}:{account}:log-group"
        own = f"{groups}:/aws/bedrock-agentcore/runtimes/{self._name}-*"
        traces = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
        models = [f"arn:aws:bedrock:{each}::foundation-model/{MODEL}" for each in (region, "us-east-2", "us-west-2")]
        models.append(f"arn:aws:bedrock:{region}:{account}:inference-profile/us.{MODEL}")
        metrics = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
        policies = {
            "code": [_allow(["s3:GetObject"], bucket.arn_for_objects("*.zip"))],
            "models": [_allow(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], *models)],
            "telemetry": [
                _allow(["logs:CreateLogGroup", "logs:DescribeLogStreams"], own),
                _allow(["logs:DescribeLogGroups"], f"{groups}:*"),
                _allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{own}:log-stream:*"),
                _allow([f"xray:{action}" for action in traces], "*"),
                _allow(["cloudwatch:PutMetricData"], "*", conditions=metrics),
            ],
        }
        source = {
            "StringEquals": {"aws:SourceAccount": account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:bedrock-agentcore:{region}:{account}:*"},
        }
        return iam.Role(
            self,
            "Role",
            description="What the agent may do in AWS.",
            assumed_by=iam.ServicePrincipal("bedrock-agentcore.amazonaws.com", conditions=source),
            inline_policies={name: iam.PolicyDocument(statements=each) for name, each in policies.items()},
        )

    def _resource_policy(self) -> None:
        here = Stack.of(self)
        everybody = {"Principal": "*", "Resource": self.runtime_arn}
        others = {"StringNotEquals": {"aws:PrincipalAccount": here.account}}
        statements = [
            {"Effect": "Allow", "Action": ["bedrock-agentcore:InvokeAgentRuntime"], **everybody},
            {"Effect": "Deny", "Action": [f"bedrock-agentcore:{action}" for action in DENIED], **everybody},
            {"Effect": "Deny", "Action": ["bedrock-agentcore:StopRuntimeSession"], "Condition": others, **everybody},
        ]
        policy = here.to_json_string({"Version": "2012-10-17", "Statement": statements})
        agentcore.CfnResourcePolicy(self, "Policy", resource_arn=self.runtime_arn, policy=policy)


def _authorizer(identity: Identity) -> agentcore.CfnRuntime.AuthorizerConfigurationProperty:
    claim = Declared.CustomClaimValidationTypeProperty(
        inbound_token_claim_name="token_use",  # noqa: S106 - the name of a claim
        inbound_token_claim_value_type="STRING",  # noqa: S106 - its kind
        authorizing_claim_match_value=Declared.AuthorizingClaimMatchValueTypeProperty(
            claim_match_operator="EQUALS",
            claim_match_value=Declared.ClaimMatchValueTypeProperty(match_value_string="id"),
        ),
    )
    return Declared.AuthorizerConfigurationProperty(
        custom_jwt_authorizer=Declared.CustomJWTAuthorizerConfigurationProperty(
            discovery_url=f"{identity.issuer}/.well-known/openid-configuration",
            allowed_audience=[identity.client.user_pool_client_id],
            custom_claims=[claim],
        )
    )


def _allow(actions: list[str], *resources: str, conditions: dict[str, Any] | None = None) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=list(resources), conditions=conditions)
