"""A client of a deployed stack, or of the local run: sign in, ask, watch the words arrive."""
