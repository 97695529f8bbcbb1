"""How long work says where it is, without knowing who listens; and how a step looks in a log."""

import re
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the step, how many of its parts are done, and how many there are; none at all is a notice to keep."""

_STEP = re.compile(r"\[ *\d+\.\d s\] (?P<step>.+)")


def no_progress(step: str, done: int, total: int) -> None:
    """A `Progress` that says nothing."""
    del step, done, total


def step_line(step: str, seconds: float) -> str:
    """A step as a line of a log.

    >>> step_line("fit without fold 1", 1.44)
    '[  1.4 s] fit without fold 1'
    """
    return f"[{seconds:5.1f} s] {step}"


def step_of(line: str) -> str | None:
    """The step in a line of a log; None if the line is anything else.

    >>> step_of("[  1.4 s] fit without fold 1")
    'fit without fold 1'
    """
    found = _STEP.fullmatch(line)
    return found["step"] if found else None
