"""The whole chain on loopback, driven by the resource graph that the program declares. See `docs/local-vs-aws.md`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder."""

LOOPBACK = "127.0.0.1"
"""The only address on which a local run listens."""
