"""A command or a few calls -> their times and memory, measured the same way by every benchmark.

Nothing heavy is imported here: Linux counts what a process holds when it starts a child as the child's own.
"""

import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

REQUEST = ROOT / "tests/fixtures/events/predict.json"
"""One person's request to /predict, as API Gateway hands it on."""

WARM_UP_CALLS = 3


@dataclass(frozen=True)
class ProcessRun:
    """One process from start to end: seconds, seconds of processor time, and the peak of its memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class CallTimes:
    """Processor times of single calls, in microseconds."""

    microseconds: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.microseconds)

    @property
    def p99(self) -> float:
        """What 99 of 100 calls do not exceed."""
        return statistics.quantiles(self.microseconds, n=100)[98] if len(self.microseconds) > 1 else self.median


def parser(documentation: str | None) -> ArgumentParser:
    """A benchmark's command line with what all of them take: `--short`."""
    made = ArgumentParser(description=documentation, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("--short", action="store_true", help="little work, to see that it runs; figures mean nothing")
    return made


def run_process(command: Sequence[str], accepted: Sequence[int] = (0,), *, quiet: bool = False) -> ProcessRun:
    """Run a command in the project's root and measure it; `quiet` drops what it prints.

    Raises:
        SystemExit: Its exit code is none of the accepted ones.
    """
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL if quiet else None)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in accepted:
        raise SystemExit(f"exit code {code} from {' '.join(command)}")
    return ProcessRun(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)  # Linux counts in KiB


def time_in_turn(contenders: Mapping[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, CallTimes]:
    """Times of each contender: `rounds` turns of `calls` calls each, after a few calls that do not count.

    Contenders take turns, so that other load on the machine falls on all of them. Processor time of all threads is
    counted, so that time taken by other processes is not. What the calls print is dropped.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with contextlib.redirect_stdout(io.StringIO()):
        for call in contenders.values():
            for _ in range(WARM_UP_CALLS):
                call()
        for _ in range(rounds):
            for name, call in contenders.items():
                for _ in range(calls):
                    start = time.process_time_ns()
                    call()
                    times[name].append((time.process_time_ns() - start) / 1000)
    return {name: CallTimes(values) for name, values in times.items()}


def service_environment(model: Path) -> dict[str, str]:
    """This process's variables with the service's own settings left at their defaults, but for the model's folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBESITY_")}
    return inherited | {"OBESITY_MODEL_DIR": str(model)}


def predict_request() -> dict[str, Any]:
    """The event of `REQUEST`."""
    event: dict[str, Any] = json.loads(REQUEST.read_text(encoding="utf-8"))
    return event


def cores() -> str:
    """The processors of this machine, without the machine's name."""
    return f"{os.cpu_count()} cores ({platform.machine()})"


def lambda_python() -> str:
    """Name and version of the interpreter that stands for Lambda's.

    Raises:
        ModelFileError: The tools are not installed.
    """
    from pipeline.ship.emulate import runtime_python

    done = subprocess.run([str(runtime_python()), "-V"], capture_output=True, text=True, check=True)
    return done.stdout.strip()
