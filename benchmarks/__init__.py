"""Side-by-side measurements, each run as `python -m benchmarks.NAME` from the project's root.

`drift`, `predict`, `scaling`, `serving` and `watch`; with `--short` each runs the same code on little work, as a test
does, and its figures mean nothing.
"""
