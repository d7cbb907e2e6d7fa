"""Benchmarks. Most figures have a baseline that is measured in the same run."""
