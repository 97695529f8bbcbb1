"""A packaged model and a share of a core -> the requests a second of the same application under uvicorn."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.measure import ROOT, predict_request, service_environment
from benchmarks.scaling.measurements import Container
from benchmarks.scaling.share import share
from pipeline.ship.emulate import free_port, template_environment

CLIENTS = 8
WARM_UP_SECONDS = 1.0


def ask(port: int, until: float) -> list[float]:
    """Milliseconds of each request over one connection, one after another until a time, one at least.

    Raises:
        SystemExit: An answer's status is not 200.
    """
    body, times = predict_request()["body"], []
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    while True:
        start = time.perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status != HTTPStatus.OK:
            raise SystemExit(f"the container answered {response.status}")
        times.append((time.perf_counter() - start) * 1000)
        if time.monotonic() >= until:
            connection.close()
            return times


@contextmanager
def served(model: Path, vcpu: float) -> Iterator[int]:
    """The application under uvicorn with a share of the processor; its port."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "lambda_api.app:start", "--port", str(port)]
    with share(vcpu) as group:
        process = subprocess.Popen(
            [*group.prefix, *command, "--no-access-log", "--log-level", "warning"],
            env=service_environment(model) | template_environment(),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(process, port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        try:
            ask(port, time.monotonic())
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("uvicorn did not start")


def measure_container(model: Path, vcpu: float, seconds: float) -> Container:
    """What one container answers a second, with clients that never pause."""
    with served(model, vcpu) as port, ThreadPoolExecutor(CLIENTS) as clients:
        ask(port, time.monotonic() + min(WARM_UP_SECONDS, seconds))
        until = time.monotonic() + seconds
        answered = clients.map(lambda _: ask(port, until), range(CLIENTS))
        times = sorted(value for one in answered for value in one)
    return Container(
        vcpu=vcpu,
        clients=CLIENTS,
        a_second=round(len(times) / seconds, 1),
        median=round(statistics.median(times), 2),
        p99=round(times[int(0.99 * len(times))], 2),
    )
