"""Suites and recorded reference runs: data only."""
