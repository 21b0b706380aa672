"""Runs ``__main__.py`` without an engine and keeps what it declares: the resource graph, and what is read off it."""
