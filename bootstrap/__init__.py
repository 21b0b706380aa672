"""The deploying roles: a separate Pulumi program, run once for an account and Region; see README.md beside it."""
