"""``python -m client``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        # Loading it takes most of a second, in which Ctrl-C means what it means later.
        from client.commands.app import run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 and the number of SIGINT, as shells have it


if __name__ == "__main__":
    main()
