"""Benchmarks: ratios side by side in one run. `make bench`, or `python -m tests.services --postgres --valkey --fsync -- python -m bench.drain`."""
