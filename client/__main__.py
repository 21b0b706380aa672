"""``python -m client``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        # Imported inside `try`, because it takes most of a second, during which Ctrl-C must have the same effect.
        from client.commands.app import run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as in shells


if __name__ == "__main__":
    main()
