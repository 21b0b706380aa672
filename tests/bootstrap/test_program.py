"""The bootstrap program under Pulumi's mocks: whom the roles trust, what they may not touch, what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from bootstrap.roles import Delivery
from bootstrap.settings import Settings, SettingsError

# Importing a provider's module warns of its deprecated resources, whether the program uses them or not.
pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")

ACCOUNT = "123456789012"
REPOSITORY = "team/project"


class Recorder(Mocks):
    """Notes every declared resource, and answers as AWS would."""

    def __init__(self) -> None:
        self.made: list[MockResourceArgs] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.made.append(args)
        kind = args.typ.rpartition(":")[2].lower()
        path, name = args.inputs.get("path", "/"), args.inputs.get("name", args.name)
        arn = f"arn:aws:{args.typ.split(':')[1].partition('/')[0]}:us-east-1:{ACCOUNT}:{kind}{path}{name}"
        if kind in {"role", "policy"}:
            arn = f"arn:aws:iam::{ACCOUNT}:{kind}{path}{name}"
        if kind == "bucket":
            arn = f"arn:aws:s3:::{args.name}-1a2b3c4"
        return f"{args.name}-id", {
            **args.inputs,
            "arn": arn,
            "name": name,
            "bucket": args.inputs.get("bucket", args.name),
        }

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program looks {args.token} up")

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        return {each.name: each.inputs for each in self.made if each.typ.endswith(f":{kind}")}


Declare = Callable[..., Recorder]


@pytest.fixture
def declare() -> Declare:
    """Declares everything for some settings and gives what was declared."""

    def run(**changes: Any) -> Recorder:
        recorder = Recorder()
        pulumi.runtime.set_mocks(recorder, project="agent-stream-bootstrap", stack="test")
        settings = Settings(REPOSITORY, "agent-stream", "us-east-1", {"dev": [], "prod": []}, "", "")._replace(
            **changes
        )

        @pulumi.runtime.test  # type: ignore[untyped-decorator]  # pulumi gives it no types
        def program() -> pulumi.Output[Any]:
            made = Delivery(settings)
            return pulumi.Output.all(*made.deploy_roles.values(), made.preview_role, made.backend_url, made.boundary)

        program()
        return recorder

    return run


def trust_of(role: dict[str, Any]) -> dict[str, Any]:
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    found: dict[str, Any] = statement
    return found


def test_each_role_trusts_the_jobs_of_one_environment_of_one_repository(declare: Declare) -> None:
    roles = declare().all("Role")
    assert set(roles) == {"agent-stream-deploy-dev", "agent-stream-deploy-prod", "agent-stream-preview"}
    for name, role in roles.items():
        statement = trust_of(role)
        conditions = statement["Condition"]["StringEquals"]
        assert conditions == {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": f"repo:{REPOSITORY}:environment:{name.rpartition('-')[2]}",
        }
        assert set(statement["Condition"]) == {"StringEquals"}  # StringLike would take patterns
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert role["maxSessionDuration"] == 3600


def test_nobody_gets_a_user_or_a_key(declare: Declare) -> None:
    kinds = {each.typ.rpartition(":")[2] for each in declare().made}
    assert not kinds & {"User", "AccessKey", "UserPolicy", "Group"}


def test_a_provider_that_is_there_is_used(declare: Declare) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    made = declare(provider_arn=arn)
    assert not made.all("OpenIdConnectProvider")
    assert {trust_of(role)["Principal"]["Federated"] for role in made.all("Role").values()} == {arn}
    assert len(declare().all("OpenIdConnectProvider")) == 1


def test_a_policy_names_the_account_and_no_placeholder(declare: Declare) -> None:
    for name, policy in declare(stacks={"prod": ["domain"]}, hosted_zone_id="Z0123").all("Policy").items():
        assert not [
            word for word in ("STACK", "REGION", "ACCOUNT", "PROJECT", "ZONE", "0" * 12) if word in policy["policy"]
        ], name


@pytest.mark.parametrize("stack", ["dev", "prod", "deploy", "preview", "state", "boundary", "delivery"])
def test_no_deploying_role_can_change_what_bounds_it_whatever_a_stack_is_called(declare: Declare, stack: str) -> None:
    made = declare(stacks={stack: []})
    own = [
        *(f"arn:aws:iam::{ACCOUNT}:role{each['path']}{each['name']}" for each in made.all("Role").values()),
        *(f"arn:aws:iam::{ACCOUNT}:policy{each['path']}{each['name']}" for each in made.all("Policy").values()),
        *(f"arn:aws:s3:::{name}-1a2b3c4" for name in made.all("Bucket")),
    ]
    for name, policy in made.all("Policy").items():
        if name.startswith(f"agent-stream-deploy-{stack}"):
            for statement in json.loads(policy["policy"])["Statement"]:
                if {action.partition(":")[0] for action in statement["Action"]} & {"iam", "s3"}:
                    assert not [
                        (pattern, arn) for pattern in statement["Resource"] for arn in own if fnmatchcase(arn, pattern)
                    ]


def test_the_reading_role_cannot_write_the_state(declare: Declare) -> None:
    states = declare().all("RolePolicy")
    reads = json.dumps(states["agent-stream-preview-state"])
    assert not [word for word in ("PutObject", "DeleteObject", "Encrypt\\", "GenerateDataKey") if word in reads]
    assert "PutObject" in json.dumps(states["agent-stream-deploy-dev-state"])


def test_the_state_is_encrypted_kept_in_versions_and_public_to_nobody(declare: Declare) -> None:
    made = declare()
    assert {len(made.all(kind)) for kind in ("Bucket", "BucketVersioning", "BucketPublicAccessBlock")} == {1}
    (rules,) = (each["rules"] for each in made.all("BucketServerSideEncryptionConfiguration").values())
    assert rules[0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    (key,) = made.all("Key").values()
    assert key["enableKeyRotation"] is True


class TestSettings:
    def load(self, **given: Any) -> Settings:
        values = {"bootstrap:repository": REPOSITORY, "aws:region": "eu-west-1"}
        values |= {f"bootstrap:{key}": value for key, value in given.items()}
        pulumi.runtime.set_all_config({key: value for key, value in values.items() if value is not None})
        return Settings.load()

    def test_the_repository_alone_is_enough(self) -> None:
        assert set(self.load().stacks) == {"dev", "staging", "prod"}

    @pytest.mark.parametrize("repository", ["team/*", "*", "team", "team/project:environment:prod", ""])
    def test_a_repository_that_would_trust_others_is_refused(self, repository: str) -> None:
        with pytest.raises(SettingsError, match="owner/name"):
            self.load(repository=repository)

    def test_an_unknown_part_and_a_domain_without_a_zone_are_refused_together(self) -> None:
        with pytest.raises(SettingsError, match=r"(?s)names tea: known are .*hostedZoneId"):
            self.load(stacks=json.dumps({"dev": ["tea"], "prod": ["domain"]}))
