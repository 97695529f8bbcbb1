"""How fast `pipeline watch` reads, and in how much memory: a million lines of the service's log.

    python -m benchmarks.watch [--lines 1000000] [--packed]

The lines are about the people of the embedded sample, a second apart, with a line of Lambda's own after each tenth.
Time and peak memory are those of the whole process, its start and the figure included.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from argparse import SUPPRESS
from pathlib import Path

from benchmarks.measure import ROOT, parser, run_process

LINES, SHORT_LINES = 1_000_000, 2_000
DIFFERENT_LINES = 2_000
START_MS, STEP_MS = 1_790_000_000_000, 1_000
PLATFORM_LINE = b"REPORT RequestId: 1f2e Duration: 1.20 ms Billed Duration: 2 ms\n"
DRIFTING = 3
"""The exit code of `pipeline watch` that names drift: a result as good as any here."""


def print_lines() -> None:
    """Print lines of the service's log, one for each of some people's requests."""
    from tests.fixtures.service_log import Visits

    sys.stdout.buffer.writelines(Visits().ask(DIFFERENT_LINES))


def different_lines() -> list[bytes]:
    """What `print_lines` prints, in a process of its own: what this process holds would count as its children's."""
    command = [sys.executable, "-m", "benchmarks.watch", "--print-lines"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.splitlines()


def write_log(path: Path, count: int, *, packed: bool) -> None:
    """Write a log of so many answers."""
    lines = [line.split(str(json.loads(line)["_aws"]["Timestamp"]).encode()) for line in different_lines()]
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as log:
        for number in range(count):
            before, after = lines[number % len(lines)]
            log.write(before + str(START_MS + STEP_MS * number).encode() + after + b"\n")
            if number % 10 == 0:
                log.write(PLATFORM_LINE)


def measure(count: int, folder: Path, *, packed: bool) -> str:
    """A sentence with the figures of one run of `pipeline watch` on so many lines."""
    log, summary = folder / "a.log", folder / "drift.json"
    write_log(log, count, packed=packed)
    places = ["--log", str(log), "--out", str(summary), "--figures", str(folder)]
    run = run_process([sys.executable, "-m", "pipeline", "watch", *places], accepted=(0, DRIFTING), quiet=True)
    lines = json.loads(summary.read_text(encoding="utf-8"))["lines"]
    return (
        f"{lines['read']:,} lines, {log.stat().st_size / 1e6:,.0f} MB{' packed' * packed}: {run.seconds:.1f} s, "
        f"{run.cpu_seconds:.1f} s of processor time, {lines['read'] / run.seconds:,.0f} lines/s, "
        f"peak {run.peak_mib:,.0f} MiB, {lines}"
    )


def main() -> None:
    """Measure and print a line."""
    command = parser(__doc__)
    command.add_argument("--lines", type=int, default=LINES)
    command.add_argument("--packed", action="store_true", help="compress the log with gzip")
    command.add_argument("--print-lines", action="store_true", help=SUPPRESS)
    given = command.parse_args()
    if given.print_lines:
        print_lines()
        return
    with tempfile.TemporaryDirectory() as folder:
        print(measure(SHORT_LINES if given.short else given.lines, Path(folder), packed=given.packed))


if __name__ == "__main__":
    main()
