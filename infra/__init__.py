"""The stack's components: one module, one noun. See `docs/architecture.md` for how they fit together."""
