"""API Gateway's data plane on loopback: serves the REST API that the resource graph declares."""
