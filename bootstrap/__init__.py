"""The deploying roles: a Pulumi program of its own, run once an account and Region; see README.md beside it."""
