"""The built function and sizes of memory -> times of cold and warm requests, in Lambda's own runtime.

Lambda gives a function a share of the processor in proportion to its memory. Here its Python runs in a control group
whose quota is that share; the emulator in front of it runs outside. Times are those of the emulator's REPORT lines, the
ones that AWS would bill.
"""

import re
import shlex
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.measure import predict_request
from benchmarks.scaling.measurements import SideBySide, Size, quantiles
from benchmarks.scaling.share import Group, share
from pipeline.ship import emulate
from pipeline.ship.cost import billed

MEMORY_OF_A_CORE = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
PAUSE = 0.05

_PLATFORM_LINE = re.compile(r"^(?:START|END|REPORT) RequestId: .*$", re.MULTILINE)


@dataclass(frozen=True)
class Requests:
    """How many requests an environment gets: with a pause before each one, and without."""

    spaced: int
    busy: int

    @property
    def total(self) -> int:
        """All of them, with the first one, which is cold."""
        return 1 + self.spaced + self.busy


@dataclass
class Samples:
    """What the runs of one size have shown so far; milliseconds unless said otherwise."""

    first: list[float] = field(default_factory=list)
    init: list[float] = field(default_factory=list)
    spaced: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    log_bytes: int = 0
    platform_log_bytes: int = 0
    answer_bytes: int = 0

    def add_log(self, log: str, requests: Requests) -> None:
        """Take the durations and bytes of one environment's log."""
        times = durations(log)
        self.first.append(times[0])
        self.init.append(float(re.findall(r"INIT REPORT\(durationMs: ([\d.]+)", log)[0]))
        self.spaced += times[1 : 1 + requests.spaced]
        self.busy += times[1 + requests.spaced :]
        service_line = [line for line in log.splitlines() if line.startswith("{")][-1]
        self.platform_log_bytes = sum(len(line) + 1 for line in _PLATFORM_LINE.findall(log)[-3:])
        self.log_bytes = len(service_line) + 1 + self.platform_log_bytes

    def add_answer(self, answer: dict[str, Any]) -> None:
        """Take the bytes of one answer, its headers among them."""
        headers = sum(len(name) + len(str(value)) + 4 for name, value in answer["headers"].items())
        self.answer_bytes = len(answer["body"].encode()) + headers

    def summary(self, memory_mb: int) -> Size:
        """The figures of this size."""
        return Size(
            memory_mb=memory_mb,
            cores=round(memory_mb / MEMORY_OF_A_CORE, 3),
            first=_rounded(self.first),
            init=_rounded(self.init),
            spaced=_rounded(quantiles(self.spaced)),
            spaced_requests=len(self.spaced),
            billed=round(billed(self.spaced), 3),
            busy=round(statistics.median(self.busy), 2),
            busy_p99=round(quantiles(self.busy)[-1], 2),
            busy_requests=len(self.busy),
            cpu=round(statistics.median(self.cpu), 3),
            resident_mb=round(self.resident_mb, 1),
            log_bytes=self.log_bytes,
            platform_log_bytes=self.platform_log_bytes,
            answer_bytes=self.answer_bytes,
        )


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 2) for value in sorted(values))


def durations(log: str) -> list[float]:
    """Milliseconds of each request in an emulator's log, the first with its initialisation."""
    return [float(duration) for duration in re.findall(r"^REPORT .*?\tDuration: ([\d.]+) ms", log, re.MULTILINE)]


@contextmanager
def environment(built: Path, memory_mb: int) -> Iterator[tuple[emulate.EmulatedFunction, Group]]:
    """An execution environment of so much memory, and the group that its Python runs in."""
    variables = emulate.template_environment() | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)}
    with share(memory_mb / MEMORY_OF_A_CORE) as group, tempfile.TemporaryDirectory() as temporary:
        tools = Path(temporary)
        (tools / "sam").symlink_to(emulate.TOOLS.absolute() / "sam")
        python = tools / "lambda/bin/python"
        python.parent.mkdir(parents=True)
        command = [*group.prefix, str(emulate.runtime_python())]
        python.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        python.chmod(0o755)
        with emulate.emulated(built, variables, tools) as function:
            yield function, group


def observe(built: Path, memory_mb: int, requests: Requests, samples: Samples) -> None:
    """One life of an environment: a cold start, then requests with and without a pause.

    Raises:
        SystemExit: Not every request was answered and reported.
    """
    event = predict_request()
    with environment(built, memory_mb) as (function, group):
        answer = function.invoke(event)
        for _ in range(requests.spaced):
            time.sleep(PAUSE)
            function.invoke(event)
        before = group.processor_ms()
        for _ in range(requests.busy):
            function.invoke(event)
        samples.cpu.append((group.processor_ms() - before) / requests.busy)
        samples.resident_mb = max(samples.resident_mb, group.peak_mb())
        time.sleep(PAUSE)  # the last line is written after the answer
        log = function.log.read_text()
    reported = len(durations(log))
    if reported != requests.total or answer["statusCode"] != HTTPStatus.OK:
        raise SystemExit(
            f"{memory_mb} MB: {reported} of {requests.total} requests were reported, status {answer['statusCode']}"
        )
    samples.add_log(log, requests)
    samples.add_answer(answer)


def measure_sizes(built: Path, sizes: Sequence[int], rounds: int, requests: Requests) -> tuple[Size, ...]:
    """Every size of memory, in turns, so that other load on the machine falls on all of them."""
    samples = {memory_mb: Samples() for memory_mb in sizes}
    for turn in range(rounds):
        for memory_mb, one in samples.items():
            observe(built, memory_mb, requests, one)
        print(f"turn {turn + 1} of {rounds}")
    return tuple(one.summary(memory_mb) for memory_mb, one in samples.items())


def side_by_side(built: Path, memory_mb: int, environments: int, busy: int) -> SideBySide:
    """Requests a second of environments that are busy at the same time, with so many requests for each."""
    event = predict_request()

    def ask(function: emulate.EmulatedFunction) -> None:
        for _ in range(busy):
            function.invoke(event)

    with ExitStack() as stack, ThreadPoolExecutor(environments) as threads:
        functions = [stack.enter_context(environment(built, memory_mb))[0] for _ in range(environments)]
        for function in functions:
            function.invoke(event)
        start = time.perf_counter()
        list(threads.map(ask, functions))
        seconds = time.perf_counter() - start
    return SideBySide(environments=environments, a_second=round(environments * busy / seconds, 1))
