"""Log files -> their lines, and the entries of several files in the order of time.

A file may be compressed, cut short, still being written, or no log at all; whatever can be read of it is read, without
loading it whole. Files that overlap in time, such as those of several Lambda instances, are read side by side.
"""

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob, has_magic
from heapq import heappop, heappush, heappushpop, heapreplace
from io import BufferedReader
from pathlib import Path

from pipeline.errors import LogError
from pipeline.progress import Progress
from pipeline.watch.entries import EntryReader, LogEntry

MAX_LINE_BYTES = 1_048_576
"""CloudWatch keeps no longer event."""

REORDERED_LINES = 1_000
"""A line that comes this many lines too late in its file is still put in its place."""

_PROGRESS_EVERY = 10_000
_GZIP = b"\x1f\x8b"


def find_files(path_or_pattern: str) -> tuple[Path, ...]:
    """The files that a path or a pattern names, sorted.

    Raises:
        LogError: There is no such file.
    """
    path = Path(path_or_pattern)
    if path.is_file():
        return (path,)
    if path.is_dir():
        raise LogError(f"{path_or_pattern} is a folder: name its files by a pattern in quotes, as '{path}/*.log'")
    names = glob(path_or_pattern, recursive=True)  # noqa: PTH207  absolute patterns too
    found = tuple(sorted(Path(name) for name in names if Path(name).is_file()))
    if not found:
        problem = "no file matches the pattern" if has_magic(path_or_pattern) else "no such file"
        raise LogError(f"--log {path_or_pattern}: {problem}; expected FILE, a pattern in quotes, or cloudwatch:GROUP")
    return found


def read_lines(path: Path, on_position: Callable[[int], None] | None = None) -> Iterator[bytes | None]:
    """The lines of a file, unpacked if it is compressed; None for each line that cannot be read.

    Args:
        path: The file.
        on_position: Called now and then with the number of bytes read so far.

    Raises:
        LogError: The file cannot be opened, or the disk fails.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            for number, line in enumerate(_read_stream(gzip.GzipFile(fileobj=raw) if packed else raw)):
                if on_position and number % _PROGRESS_EVERY == 0:
                    on_position(raw.tell())
                yield line
            if on_position:
                on_position(raw.tell())
    except OSError as error:
        raise LogError(f"{path} cannot be read: {error.strerror or error}") from None


def _read_stream(stream: gzip.GzipFile | BufferedReader) -> Iterator[bytes | None]:
    while True:
        try:
            line = stream.readline(MAX_LINE_BYTES)
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield None
                continue
        except (EOFError, gzip.BadGzipFile, zlib.error):  # everything before the damage has been read
            yield None
            return
        if not line:
            return
        yield line


@dataclass(frozen=True)
class LogFiles:
    """Several files as one log.

    Args:
        paths: The files.
        progress: Called with progress.
    """

    paths: Sequence[Path]
    progress: Progress

    def entries(self, reader: EntryReader) -> Iterator[LogEntry]:
        """The entries of all files in the order of time; a file is opened at its first entry's time."""
        bytes_read = _BytesRead(self.paths, self.progress)
        waiting = deque(sorted((_first_time(path), number) for number, path in enumerate(self.paths)))
        opened: list[tuple[int, int, LogEntry, Iterator[LogEntry]]] = []  # a heap: the earliest next entry first
        while waiting or opened:
            if waiting and (not opened or waiting[0][0] <= opened[0][0]):
                number = waiting.popleft()[1]
                path = self.paths[number]
                rest = in_time_order(reader.entries(read_lines(path, partial(bytes_read.update, path))))
                if (first := next(rest, None)) is not None:
                    heappush(opened, (first.time, number, first, rest))
                continue
            _, number, entry, rest = opened[0]
            yield entry
            if (following := next(rest, None)) is not None:
                heapreplace(opened, (following.time, number, following, rest))
            else:
                heappop(opened)


def _first_time(path: Path) -> int:
    """Time of the first entry in a file; 0 if there is none, so that such a file is read first."""
    first = next(EntryReader().entries(read_lines(path)), None)
    return first.time if first else 0


class _BytesRead:
    """Adds up how many bytes of several files were read."""

    def __init__(self, paths: Sequence[Path], progress: Progress) -> None:
        self._sizes = {path: path.stat().st_size for path in paths}
        self._read = dict.fromkeys(paths, 0)
        self._progress = progress

    def update(self, path: Path, position: int) -> None:
        self._read[path] = min(position, self._sizes[path])
        self._progress("reading the log", sum(self._read.values()), sum(self._sizes.values()))


def in_time_order(entries: Iterator[LogEntry]) -> Iterator[LogEntry]:
    """The entries in the order of time; one that is more than `REORDERED_LINES` too late comes where it stands."""
    held: list[tuple[int, int, LogEntry]] = []
    for number, entry in enumerate(entries):
        if len(held) < REORDERED_LINES:
            heappush(held, (entry.time, number, entry))
        else:
            yield heappushpop(held, (entry.time, number, entry))[2]
    while held:
        yield heappop(held)[2]
