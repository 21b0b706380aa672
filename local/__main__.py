"""``python -m local``: starts, stops and shows the chain on loopback; see `local.run.commands`."""

import signal
import sys

if __name__ == "__main__":
    # The imports below take half a second; until they are done, Ctrl-C ends the process without a traceback.
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
