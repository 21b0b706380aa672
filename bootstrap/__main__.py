"""Declares what GitHub's workflows need in an AWS account; run once, by a person with IAM permissions."""

import sys
from pathlib import Path

# Pulumi runs this file from its own folder; the package is found from the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pulumi

from bootstrap.roles import Delivery
from bootstrap.settings import Settings

settings = Settings.load()
delivery = Delivery(settings)

# Each name is that of the GitHub variable to set.
pulumi.export("AWS_REGION", settings.region)
pulumi.export("AWS_PREVIEW_ROLE", delivery.preview_role)
pulumi.export("AWS_DEPLOY_ROLE", delivery.deploy_roles)
pulumi.export("PULUMI_BACKEND_URL", delivery.backend_url)
pulumi.export("secretsProvider", pulumi.Output.concat("awskms:///", delivery.key.arn))
pulumi.export("permissionsBoundary", delivery.boundary)
