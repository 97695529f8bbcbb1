"""Values -> tables for a terminal. Nothing is computed here; the commands print what these functions return."""
