"""The root of the suite: what holds for every test; `tests.tiers` loads the fixtures.

Nothing heavy is imported here or at the top of a module of fixtures, so that a file of pure functions need not wait.
"""

import os
import signal
import sys

from hypothesis import settings

pytest_plugins = ("tests.tiers",)

# Whole commands run in processes of their own; without the bytecode kept, importing MLflow takes longer than training.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that starts this in the background lets it ignore Ctrl-C, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine's load must not fail a test, and a failure must be the same one on every machine.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("project")
