"""A file's path -> one writer at a time, until the block ends or the process does, however it ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RegistryError

PATIENCE = 300.0
"""Seconds to wait for another writer; a registration holds the lock while it fits and logs."""

_PAUSE = 0.05


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else in a block locked by this path meanwhile; the file stays, the lock goes.

    Raises:
        RegistryError: Somebody else has held it for longer than `PATIENCE`.
    """
    with path.open("w") as stream:
        end = time.monotonic() + PATIENCE
        while not _taken(stream.fileno()):
            if time.monotonic() > end:
                raise RegistryError(f"another command has been writing to the registry for minutes ({path})")
            time.sleep(_PAUSE)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
