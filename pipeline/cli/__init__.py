"""A typed command -> a call, its answer in words or JSON, and an exit code. Nothing else here prints or exits."""
