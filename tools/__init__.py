"""Programs that are run by hand or by the delivery workflows, outside Pulumi."""
