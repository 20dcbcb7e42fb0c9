"""Benchmarks: `python -m benchmarks` prints tables and writes `results.json`."""
