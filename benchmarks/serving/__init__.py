"""The service and what people build instead -> docs/benchmarks.md: their times, side by side in one run."""
