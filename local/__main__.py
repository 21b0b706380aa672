"""``python -m local``: the chain on loopback, up, down and shown; see `local.run.commands`."""

import signal
import sys

if __name__ == "__main__":
    # Until there is something to stop, Ctrl-C ends the process without a word; the imports below take half a second.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    from local.run.commands import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] in ("local", "client", "infra", "agent"):
        raise
    sys.exit(
        f"{sys.executable} has no {missing.name}: run `make setup` once, then .venv/bin/python -m local, or activate "
        ".venv."
    )

if __name__ == "__main__":
    main()
