"""Log files -> their lines, and the pieces of several files in the order of time.

Files may be compressed, cut short, still being written, or no log at all; what can be read of them is read, a piece at
a time. Files that overlap in time, as those of several Lambda instances do, are read side by side.
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
from pipeline.watch.lines import Reader
from pipeline.watch.tally import Piece

LONGEST = 1_048_576
"""Bytes of a line; CloudWatch keeps no longer event."""

LATE = 1_000
"""Lines of one file that a line may come too late and still find its place."""

_TELL_EVERY = 10_000
_GZIP = b"\x1f\x8b"


def files(named: str) -> tuple[Path, ...]:
    """The files that a path or a pattern names, sorted.

    Raises:
        LogError: There is none.
    """
    path = Path(named)
    if path.is_file():
        return (path,)
    if path.is_dir():
        raise LogError(f"{named} is a folder: name its files by a pattern in quotes, such as '{named}/*.log'")
    found = tuple(sorted(Path(name) for name in glob(named, recursive=True) if Path(name).is_file()))  # noqa: PTH207  absolute patterns too
    if not found:
        what = "no file fits the pattern" if has_magic(named) else "no such file"
        raise LogError(f"--log {named}: {what}; expected FILE, a pattern in quotes, or cloudwatch:GROUP")
    return found


def lines(path: Path, at: Callable[[int], None] | None = None) -> Iterator[bytes | None]:
    """The lines of a file, unpacked if it is compressed; None for each that cannot be read.

    Args:
        path: The file.
        at: Is told now and then how many bytes of the file were read.

    Raises:
        LogError: The file cannot be opened, or the disk fails.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            for number, line in enumerate(_lines(gzip.GzipFile(fileobj=raw) if packed else raw)):
                if at and number % _TELL_EVERY == 0:
                    at(raw.tell())
                yield line
            if at:
                at(raw.tell())
    except OSError as error:
        raise LogError(f"{path} cannot be read: {error.strerror or error}") from None


def _lines(stream: gzip.GzipFile | BufferedReader) -> Iterator[bytes | None]:
    while True:
        try:
            line = stream.readline(LONGEST)
            if len(line) == LONGEST and not line.endswith(b"\n"):
                while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                yield None
                continue
        except (EOFError, gzip.BadGzipFile, zlib.error):  # what was whole before the damage has been read
            yield None
            return
        if not line:
            return
        yield line


@dataclass(frozen=True)
class FileLog:
    """Several files as one log.

    Args:
        paths: The files.
        progress: Called with progress.
    """

    paths: Sequence[Path]
    progress: Progress

    def pieces(self, reader: Reader) -> Iterator[Piece]:
        """The pieces of all files in the order of time; a file is open only as long as its own time lasts."""
        meter = _Meter(self.paths, self.progress)
        waiting = deque(sorted((_first_time(path), place) for place, path in enumerate(self.paths)))
        running: list[tuple[int, int, Piece, Iterator[Piece]]] = []
        while waiting or running:
            if waiting and (not running or waiting[0][0] <= running[0][0]):
                place = waiting.popleft()[1]
                path = self.paths[place]
                rest = in_order(reader.pieces(lines(path, partial(meter.at, path))))
                if (first := next(rest, None)) is not None:
                    heappush(running, (first.time, place, first, rest))
                continue
            _, place, piece, rest = running[0]
            yield piece
            if (following := next(rest, None)) is not None:
                heapreplace(running, (following.time, place, following, rest))
            else:
                heappop(running)


def _first_time(path: Path) -> int:
    """When the first line of ours in a file was written; 0 if there is none, so that it is gone through first."""
    first = next(Reader().pieces(lines(path)), None)
    return first.time if first else 0


class _Meter:
    """Adds up how far several files were read."""

    def __init__(self, paths: Sequence[Path], progress: Progress) -> None:
        self._sizes = {path: path.stat().st_size for path in paths}
        self._done = dict.fromkeys(paths, 0)
        self._progress = progress

    def at(self, path: Path, position: int) -> None:
        self._done[path] = min(position, self._sizes[path])
        self._progress("reading the log", sum(self._done.values()), sum(self._sizes.values()))


def in_order(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces in the order of time; one that comes more than `LATE` too late is taken when it comes."""
    held: list[tuple[int, int, Piece]] = []
    for number, piece in enumerate(pieces):
        if len(held) < LATE:
            heappush(held, (piece.time, number, piece))
        else:
            yield heappushpop(held, (piece.time, number, piece))[2]
    while held:
        yield heappop(held)[2]
