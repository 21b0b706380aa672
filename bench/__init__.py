"""Benchmarks and the soak: how fast, how many, and what a fault does to everybody else."""
