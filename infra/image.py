"""The artifact that AgentCore runs, as a container image in a private repository.

The image is built on the machine that deploys; AgentCore runs linux/arm64 only
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-http-protocol-contract.html).
"""

from __future__ import annotations

import hashlib

import pulumi
import pulumi_aws as aws

from infra.component import Component, StackContext
from infra.permissions import Grant, allow
from infra.settings.regions import partition_of
from package.contents import ROOT, package_digest

CONTEXT = ROOT / "agent"
DOCKERFILE = CONTEXT / "Dockerfile"

KEPT_IMAGES = 10
"""Older images are deleted; a rollback rarely goes further back."""


def image_tag(target: str) -> str:
    """A digest of everything that the image is built from: tags are immutable, so other content needs another tag."""
    recipe = DOCKERFILE.read_bytes() if DOCKERFILE.exists() else b""
    return hashlib.sha256(f"{package_digest()} {target} ".encode() + recipe).hexdigest()[:16]


class ContainerImage(Component):
    """The agent's image and the repository that holds it.

    Pulumi type: ``agentstream:infra:ContainerImage``. Produces ``awsx.ecr.Repository`` (immutable tags, scan on push,
    lifecycle policy) and ``awsx.ecr.Image``. The tag is the digest of the sources, never ``latest``: a changed agent is
    a changed address, which AgentCore deploys. Leaves the grant to pull it to the runtime's role.
    """

    grant: Grant
    runtime_artifact: aws.bedrock.AgentcoreAgentRuntimeAgentRuntimeArtifactArgsDict

    def __init__(
        self,
        stack: StackContext,
        *,
        telemetry: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare repository and image; with ``telemetry`` the agent is started under OpenTelemetry.

        A protected stack's repository is not deleted while it holds images.
        """
        super().__init__("ContainerImage", stack, opts)
        name = stack.name
        if not DOCKERFILE.exists():
            pulumi.log.warn(f"{DOCKERFILE.relative_to(ROOT)} is missing: write it before a deployment.", self)
        # Imported here because it is slow to load, with Docker's provider, and a stack with a package does not need it.
        import pulumi_awsx as awsx  # noqa: PLC0415

        repository = awsx.ecr.Repository(
            f"{name}-agent",
            image_tag_mutability="IMMUTABLE",
            # ECR deletes no repository that holds images unless forced, and all of them can be built again;
            # production's are deleted by hand.
            force_delete=not stack.protect,
            image_scanning_configuration={"scan_on_push": True},
            lifecycle_policy={
                "rules": [
                    {
                        "description": "Keep the newest.",
                        "tag_status": awsx.ecr.LifecycleTagStatus.ANY,
                        "maximum_number_of_images": KEPT_IMAGES,
                    }
                ]
            },
            opts=self._child,
        )
        target = "traced" if telemetry else "plain"  # the Dockerfile's stages differ in how the agent is started
        image = awsx.ecr.Image(
            f"{name}-agent",
            repository_url=repository.url,
            context=str(CONTEXT),
            dockerfile=str(DOCKERFILE),
            target=target,
            platform="linux/arm64",
            image_tag=image_tag(target),
            opts=self._child,
        )
        statements = [
            allow(
                "Image", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [repository.url.apply(_repository_arn)]
            ),
            # The login to the registry has no resource-level permissions.
            allow("Registry", ["ecr:GetAuthorizationToken"], ["*"]),
        ]
        self.grant = Grant("image", [], statements)
        self.runtime_artifact = {"container_configuration": {"container_uri": image.image_uri}}
        self.register_outputs({"uri": image.image_uri})


def _repository_arn(url: str) -> str:
    """The ARN behind ``<account>.dkr.ecr.<region>.<suffix>/<name>``."""
    host, _, name = url.partition("/")
    account, _, _, region, *_ = host.split(".")
    return f"arn:{partition_of(region)}:ecr:{region}:{account}:repository/{name}"
