"""The function at every size of memory, and many of them: measures benchmarks/scale.json, writes docs/scale.md.

    python benchmarks/scale.py              (or `make scale`; needs root for the processor's share, and a quiet machine)
    python benchmarks/scale.py --again      (writes the page again from what was measured before)

Lambda gives a function a share of the processor in proportion to its memory. Here the built function runs in Lambda's
own runtime, its Python in a control group whose quota is that share; the emulator in front of it runs outside. Sizes
take turns, so that what else the machine does falls on all of them. Times are those of the emulator's REPORT lines, the
ones that AWS would bill.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scaling import measured, scale  # noqa: E402  found by the line above
from pipeline.files import Layout, write_json, write_text  # noqa: E402
from pipeline.ship import bundle, emulate  # noqa: E402
from pipeline.ship.cost import billed  # noqa: E402
from pipeline.ship.cost import load as load_prices  # noqa: E402
from pipeline.ship.package import package_layout, sample_layout  # noqa: E402

MEMORY_OF_A_CORE = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
SIZES = (256, 512, 1024, 1769, 3008)
SIDE_BY_SIDE_MB, SIDE_BY_SIDE = 256, (1, 2, 4)
VCPUS, CLIENTS = (0.25, 1.0), 8
PERIOD_MS = 20
ROUNDS, SPACED, BUSY, PAUSE = 7, 40, 150, 0.05
SECONDS = 6.0

_PLATFORM_LINE = re.compile(r"^(?:START|END|REPORT) RequestId: .*$", re.MULTILINE)


def hierarchy() -> tuple[Path, int]:
    """The folder of the processor's control groups, and their version.

    Raises:
        SystemExit: There is none that may be written.
    """
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        folder = Path(place)
        if not os.access(folder, os.W_OK):
            continue
        if kind == "cgroup" and "cpu" in options.split(","):
            return folder, 1
        if kind == "cgroup2" and "cpu" in (folder / "cgroup.subtree_control").read_text().split():
            return folder, 2
    raise SystemExit("no control group of the processor may be written here: run this as root on Linux")


@contextmanager
def share(cores: float) -> Iterator[Path]:
    """A control group whose processes together have so much of the processor; to be entered by `inside`.

    It has the greatest weight there is, so that neighbours on the machine take nothing of its share.
    """
    parent, version = hierarchy()
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=parent))
    quota, period = round(cores * PERIOD_MS * 1000), PERIOD_MS * 1000
    if version == 1:
        (folder / "cpu.cfs_period_us").write_text(str(period))
        (folder / "cpu.cfs_quota_us").write_text(str(quota))
        (folder / "cpu.shares").write_text("262144")
    else:
        (folder / "cpu.max").write_text(f"{quota} {period}")
        (folder / "cpu.weight").write_text("10000")
    try:
        yield folder
    finally:
        while (folder / "cgroup.procs").read_text():  # the last ones are still leaving
            time.sleep(0.05)
        folder.rmdir()


def inside(folder: Path) -> tuple[str, ...]:
    """What to put before a command, so that it and its children run in a control group."""
    return ("/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(folder))


@contextmanager
def environment(built: Path, memory_mb: int) -> Iterator[tuple[emulate.Emulated, Path]]:
    """An execution environment of so much memory, and the control group of its Python."""
    variables = emulate.template_environment() | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)}
    with share(memory_mb / MEMORY_OF_A_CORE) as group, tempfile.TemporaryDirectory() as temporary:
        tools = Path(temporary)
        (tools / "sam").symlink_to(emulate.TOOLS.absolute() / "sam")
        python = tools / "lambda/bin/python"
        python.parent.mkdir(parents=True)
        command = [*inside(group), str(emulate.runtime_python())]
        python.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        python.chmod(0o755)
        with emulate.emulated(built, variables, tools) as running:
            yield running, group


@dataclass
class Seen:
    """What one size's runs have shown so far."""

    first: list[float] = field(default_factory=list)
    init: list[float] = field(default_factory=list)
    spaced: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    log_bytes: int = 0
    platform_log_bytes: int = 0
    answer_bytes: int = 0


def event() -> dict[str, Any]:
    """A person's request, as API Gateway hands it on."""
    found: dict[str, Any] = json.loads((ROOT / "tests/fixtures/events/predict.json").read_text())
    return found


def durations(log: str) -> list[float]:
    """Milliseconds of each request, the first with its initialisation."""
    return [float(found) for found in re.findall(r"^REPORT .*?\tDuration: ([\d.]+) ms", log, re.MULTILINE)]


def processor(group: Path) -> float:
    """Milliseconds of processor time that a control group has taken so far."""
    pids = (group / "cgroup.procs").read_text().split()
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def resident(group: Path) -> float:
    """Most megabytes that a process of a control group ever held."""
    pids = (group / "cgroup.procs").read_text().split()
    peaks = [re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0] for pid in pids]
    return max(map(int, peaks)) * 1024 / 1e6


def observe(built: Path, memory_mb: int, seen: Seen) -> None:
    """One life of an environment: a cold start, then requests with and without a pause."""
    asked = event()
    with environment(built, memory_mb) as (one, group):
        answer = one.invoke(asked)
        for _ in range(SPACED):
            time.sleep(PAUSE)
            one.invoke(asked)
        before = processor(group)
        for _ in range(BUSY):
            one.invoke(asked)
        seen.cpu.append((processor(group) - before) / BUSY)
        seen.resident_mb = max(seen.resident_mb, resident(group))
        time.sleep(PAUSE)  # the last line is written after the answer
        log = one.log.read_text()
    times = durations(log)
    if len(times) != 1 + SPACED + BUSY or answer["statusCode"] != http.HTTPStatus.OK:
        raise SystemExit(f"{memory_mb} MB: {len(times)} requests were reported, status {answer['statusCode']}")
    seen.first.append(times[0])
    seen.init.append(float(re.findall(r"INIT REPORT\(durationMs: ([\d.]+)", log)[0]))
    seen.spaced += times[1 : 1 + SPACED]
    seen.busy += times[1 + SPACED :]
    own = [line for line in log.splitlines() if line.startswith("{")][-1]
    seen.platform_log_bytes = sum(len(line) + 1 for line in _PLATFORM_LINE.findall(log)[-3:])
    seen.log_bytes = len(own) + 1 + seen.platform_log_bytes
    headers = sum(len(name) + len(str(value)) + 4 for name, value in answer["headers"].items())
    seen.answer_bytes = len(answer["body"].encode()) + headers


def sizes(built: Path) -> tuple[measured.Size, ...]:
    """Every size, in turns."""
    found = {memory_mb: Seen() for memory_mb in SIZES}
    for turn in range(ROUNDS):
        for memory_mb, seen in found.items():
            observe(built, memory_mb, seen)
        print(f"turn {turn + 1} of {ROUNDS}")
    return tuple(
        measured.Size(
            memory_mb=memory_mb,
            cores=round(memory_mb / MEMORY_OF_A_CORE, 3),
            first=rounded(seen.first),
            init=rounded(seen.init),
            spaced=rounded(measured.quantiles(seen.spaced)),
            spaced_requests=len(seen.spaced),
            billed=round(billed(seen.spaced), 3),
            busy=round(statistics.median(seen.busy), 2),
            busy_p99=round(measured.quantiles(seen.busy)[-1], 2),
            busy_requests=len(seen.busy),
            cpu=round(statistics.median(seen.cpu), 3),
            resident_mb=round(seen.resident_mb, 1),
            log_bytes=seen.log_bytes,
            platform_log_bytes=seen.platform_log_bytes,
            answer_bytes=seen.answer_bytes,
        )
        for memory_mb, seen in found.items()
    )


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    """The values in order, to a hundredth."""
    return tuple(round(value, 2) for value in sorted(values))


def side_by_side(built: Path, environments: int) -> measured.SideBySide:
    """Requests a second of environments that are busy at the same time."""
    asked = event()

    def ask(one: emulate.Emulated) -> None:
        for _ in range(BUSY):
            one.invoke(asked)

    with ExitStack() as stack, ThreadPoolExecutor(environments) as threads:
        running = [stack.enter_context(environment(built, SIDE_BY_SIDE_MB))[0] for _ in range(environments)]
        for one in running:
            one.invoke(asked)
        begin = time.perf_counter()
        list(threads.map(ask, running))
        seconds = time.perf_counter() - begin
    return measured.SideBySide(environments=environments, a_second=round(environments * BUSY / seconds, 1))


@contextmanager
def served(model: Path, vcpu: float) -> Iterator[int]:
    """The application under uvicorn with a share of the processor; its port."""
    port = emulate.free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "lambda_api.app:start", "--port", str(port)]
    with share(vcpu) as group:
        process = subprocess.Popen(
            [*inside(group), *command, "--no-access-log", "--log-level", "warning"],
            env=os.environ | emulate.template_environment() | {"OBESITY_MODEL_DIR": str(model)},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            while process.poll() is None:
                try:
                    ask_container(port, time.monotonic())
                except OSError:
                    time.sleep(0.1)
                else:
                    break
            yield port
        finally:
            process.terminate()
            process.wait()


def ask_container(port: int, until: float) -> list[float]:
    """Milliseconds of each request over one connection, one after another until a time, one at least."""
    body, found = event()["body"], []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while True:
        begin = time.perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"the container answered {response.status}")
        found.append((time.perf_counter() - begin) * 1000)
        if time.monotonic() >= until:
            connection.close()
            return found


def container(model: Path, vcpu: float) -> measured.Container:
    """What one container answers a second, with clients that never pause."""
    with served(model, vcpu) as port, ThreadPoolExecutor(CLIENTS) as clients:
        ask_container(port, time.monotonic() + 1)
        until = time.monotonic() + SECONDS
        answered = clients.map(lambda _: ask_container(port, until), range(CLIENTS))
        times = sorted(value for one in answered for value in one)
    return measured.Container(
        vcpu=vcpu,
        clients=CLIENTS,
        a_second=round(len(times) / SECONDS, 1),
        median=round(statistics.median(times), 2),
        p99=round(times[int(0.99 * len(times))], 2),
    )


def measure(layout: Layout) -> measured.Measured:
    """Everything, with the model of a layout."""
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary, "model")
        manifest = package_layout(layout, model)
        package = bundle.build_function(Path(temporary, "built"), model)
        built = package.folder
        version = subprocess.run([emulate.runtime_python(), "-V"], capture_output=True, text=True, check=True)
        return measured.Measured(
            machine=f"{os.cpu_count()} cores ({platform.machine()}), Lambda's {version.stdout.strip()}",
            model=f"{manifest.source} data, SHA-256 {manifest.model_sha256[:16]}",
            package_bytes=package.zipped,
            period_ms=PERIOD_MS,
            sizes=sizes(built),
            side_by_side_mb=SIDE_BY_SIDE_MB,
            side_by_side=tuple(side_by_side(built, count) for count in SIDE_BY_SIDE),
            containers=tuple(container(model, vcpu) for vcpu in VCPUS),
        )


def main() -> None:
    """Measure, unless told not to, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--layout", type=Path, default=Path(), help="a trained layout; else the embedded sample's")
    parser.add_argument("--again", action="store_true", help="measure nothing, only write the page")
    given = parser.parse_args()
    os.chdir(ROOT)
    if not given.again:
        from pipeline import params

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped, it must not leave emulators and groups
        os.nice(-15)  # clients and emulators run outside of the control groups
        layout = Layout(given.layout)
        if not layout.model.is_file():
            layout = sample_layout(params.load())
        write_json(measured.MEASURED, measure(layout).model_dump(mode="json"))
    write_text(scale.PAGE, scale.page(measured.load(), load_prices()))
    print(f"wrote {scale.PAGE}")


if __name__ == "__main__":
    main()
