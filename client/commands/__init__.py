"""The commands of ``python -m client``, one module per group."""
