"""The whole chain on loopback, driven by the resource graph that the program declares. See `docs/local-vs-aws.md`."""
