"""How long work says where it is, without knowing who listens."""

from collections.abc import Callable, Iterable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are done, and how many there are; none at all is a notice to keep."""


def no_progress(what: str, done: int, total: int) -> None:
    """A `Progress` that says nothing."""
    del what, done, total


Say = Callable[[str], None]

Fold = Callable[[Iterable[str]], Iterable[str]]
