"""Benchmarks, and the soak test: many streams, and faults while streams run."""
