"""How fast `pipeline watch` reads, and in how much memory: a million lines of the service's log.

    python benchmarks/watch.py [--lines 1000000] [--packed]

The lines are those of the embedded sample's people, with their own times and a line of Lambda's own after each tenth.
Time and peak memory are those of the whole process, start and picture included. This process imports nothing heavy:
Linux counts what a process holds when it starts a child as the child's own.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

# In a process of its own, for the reason above.
MAKE = """\
import sys
sys.path.insert(0, ".")
from tests.answers import Visits
sys.stdout.buffer.writelines(Visits().ask(2000))
"""


def write_log(path: Path, count: int, *, packed: bool) -> None:
    """A log of so many answers, a second apart."""
    made = subprocess.run([sys.executable, "-c", MAKE], cwd=ROOT, capture_output=True, check=True).stdout
    pieces = [line.split(str(json.loads(line)["_aws"]["Timestamp"]).encode()) for line in made.splitlines()]
    with gzip.open(path, "wb", compresslevel=1) if packed else path.open("wb") as log:
        for number in range(count):
            before, after = pieces[number % len(pieces)]
            log.write(before + str(1_790_000_000_000 + 1000 * number).encode() + after + b"\n")
            if number % 10 == 0:
                log.write(b"REPORT RequestId: 1f2e Duration: 1.20 ms Billed Duration: 2 ms\n")


def main() -> None:
    """Measure and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--packed", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_log(folder / "a.log", given.lines, packed=given.packed)
        places = ["--out", f"{folder}/drift.json", "--figures", name]
        begin = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "watch", "--log", f"{folder}/a.log", *places],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        lines, size = json.loads((folder / "drift.json").read_text())["lines"], (folder / "a.log").stat().st_size
    print(
        f"{lines['read']:,} lines, {size / 1e6:,.0f} MB{' packed' * given.packed}: {seconds:.1f} s, "
        f"{usage.ru_utime + usage.ru_stime:.1f} s of a processor, {lines['read'] / seconds:,.0f} lines/s, "
        f"peak {usage.ru_maxrss / 1024:,.0f} MB, "
        f"exit code {os.waitstatus_to_exitcode(status)}, {lines}"
    )


if __name__ == "__main__":
    main()
