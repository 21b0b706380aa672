"""Runs ``__main__.py`` without the Pulumi engine and records the resource graph; check, cost and table read it."""
