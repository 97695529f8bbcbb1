"""A file's path -> one writer at a time, until the block ends or the process does, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import RegistryError

PATIENCE = 300.0
"""Seconds to wait for another writer; a registration holds the lock while it fits and logs."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """No other writer in a block locked by this path meanwhile; the file stays, the lock goes.

    Raises:
        RegistryError: Another process has held it for longer than `PATIENCE`.
    """
    # Without the fallback, a file whose existence is the lock: that one outlives a killed process.
    lock = FileLock(path, timeout=PATIENCE, fallback_to_soft=False)
    try:
        held = lock.acquire()
    except Timeout:
        raise RegistryError(f"another command has been writing to the registry for minutes ({path})") from None
    with held:
        yield
