"""Simulated requests -> docs/drift.md: the watch's false alarms, what it catches, and what it does not."""
