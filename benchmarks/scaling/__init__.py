"""The function at every size of memory, and simulated days of it -> docs/scale.md: limits and costs."""
