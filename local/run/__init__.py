"""The local run as a whole: the chain, how it is broken on purpose, watched and shown, and the command line."""
