"""A result -> champion or not. It is registered once, then compared with the champion on the same records."""
