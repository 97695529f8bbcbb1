"""What every command prints with: tables that keep their shape in a log, lines as they are, progress on stderr."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType

from pipeline.progress import Progress, step_line

PLAIN_WIDTH = 110
"""Of a table in a log; only a terminal says how wide it is."""

STREAMS = ((False, sys.stdout), (True, sys.stderr))
out, err = (Console(stderr=on_stderr, width=None if stream.isatty() else PLAIN_WIDTH) for on_stderr, stream in STREAMS)


def answer(value: object, words: RenderableType, as_json: bool) -> None:
    """Print a value as JSON for machines, or in words for people."""
    if as_json:
        out.file.write(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        out.print(words, markup=False, highlight=False, soft_wrap=isinstance(words, str))


def say(line: str) -> None:
    """Print one line as it is, however long."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """A `Progress` that draws a bar on a terminal and prints a line for each new step elsewhere; both on stderr."""
    if not err.is_terminal:
        start, last = time.monotonic(), ""

        def line(step: str, done: int, total: int) -> None:
            del done
            nonlocal last
            if not total:
                err.print(step, markup=False, highlight=False, soft_wrap=True)
            elif step != last:
                text = step_line(step, time.monotonic() - start)
                err.print(text, markup=False, highlight=False, soft_wrap=True)
                last = step

        yield line
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<40}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("start", total=1)

        def draw(what: str, done: int, total: int) -> None:
            if total:
                bar.update(task, description=what, completed=done, total=total)
            else:
                err.print(what, markup=False, highlight=False, soft_wrap=True)

        yield draw
