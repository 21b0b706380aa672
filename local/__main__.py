"""``python -m local``: the chain on loopback, up, down and shown; see `local.commands`."""

import signal

if __name__ == "__main__":
    # Until there is something to stop, Ctrl-C ends the process without a word; the imports below take half a second.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from local.commands import main

if __name__ == "__main__":
    main()
