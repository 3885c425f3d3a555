"""Benchmarks: ratios side by side in one run; `make bench` runs them on servers of its own."""
