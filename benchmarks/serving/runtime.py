"""The built function in Lambda's own runtime -> its cold start, memory, throughput and size."""

import json
import re
import shutil
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import REQUEST, predict_request
from benchmarks.serving.contenders import BY_HAND, OK
from pipeline.report.markdown import table
from pipeline.ship import gateway
from pipeline.ship.bundle import Bundle
from pipeline.ship.emulate import HANDLER, emulated, runtime_python, template_environment

CLIENTS = 8

# Starts what a service needs at least, with the same bytecode, environment and settings as the real one.
FLOOR_HANDLER = """\
import gc
gc.disable()
import json
from pathlib import Path
import numpy as np
from lambda_api.contract import Record, columns, example
from lambda_api.model import Model
model = Model.load(Path("model/model.onnx"))
def answer(record):
    return model.predict({c.name: np.array([getattr(record, c.name)], dtype="float64" if c.is_number else object)
                          .reshape(-1, 1) for c in columns()})
answer(Record.model_validate(example()))
gc.enable()
gc.freeze()
def handler(event, context):
    labels, probabilities = answer(Record.model_validate_json(event["body"]))
    return {"statusCode": 200, "body": json.dumps([labels[0], probabilities[0].tolist()])}
"""

# Prints megabytes after each number of requests; what the handler logs is dropped.
MEMORY_PROGRAM = """\
import json, os, sys
from lambda_api.handler import handler
event = json.load(open(sys.argv[1]))
out, sys.stdout = sys.stdout, open(os.devnull, "w")
megabytes, done = [], 0
for count in map(int, sys.argv[2:]):
    for _ in range(count - done):
        handler(event, None)
    done = count
    megabytes.append(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
print(json.dumps(megabytes), file=out)
"""


def init_ms(folder: Path, handler: str) -> float:
    """Milliseconds of one cold start, as the emulator's INIT REPORT says.

    Raises:
        SystemExit: The function does not answer with 200.
    """
    with emulated(folder, template_environment(), handler=handler) as function:
        answer = function.invoke(predict_request())
        log = function.log.read_text()
    if answer["statusCode"] != OK:
        raise SystemExit(f"{handler} answered {answer}")
    return float(re.findall(r"INIT REPORT\(durationMs: ([\d.]+)", log)[0])


def cold_starts(built: Path, scratch: Path, rounds: int) -> str:
    """The table of cold starts, the service's and the floor's in turn."""
    floor = scratch / "floor"
    shutil.copytree(built, floor)
    (floor / "floor_handler.py").write_text(FLOOR_HANDLER)
    contenders = {BY_HAND: (floor, "floor_handler.handler"), "this service": (built, HANDLER)}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (folder, handler) in contenders.items():
            times[name].append(init_ms(folder, handler))
    return _cold_table(times)


def _cold_table(times: Mapping[str, list[float]]) -> str:
    floor = statistics.median(times[BY_HAND])
    rows = [
        [
            name,
            *(f"{value:,.0f} ms" for value in (statistics.median(values), min(values), max(values))),
            f"{statistics.median(values) / floor:.2f}x",
        ]
        for name, values in times.items()
    ]
    return table(("cold start", "median", "quickest", "slowest", "against the floor"), rows)


def memory(built: Path, counts: tuple[int, int, int]) -> str:
    """Resident memory of the built function in Lambda's Python, after so many requests."""
    done = subprocess.run(
        [str(runtime_python()), "-W", "ignore", "-c", MEMORY_PROGRAM, str(REQUEST), *map(str, counts)],
        cwd=built,
        env=template_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    megabytes = json.loads(done.stdout)
    after = [f"{value:.0f} MB after {count:,}" for value, count in zip(megabytes, counts, strict=True)]
    return f"Resident memory by requests answered: {', '.join(after)}."


@contextmanager
def local_gateway(built: Path) -> Iterator[str]:
    """The address of the built function behind the local gateway."""
    with emulated(built, template_environment()) as function:
        server = gateway.server(function.invoke, 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/predict"
        server.shutdown()
        server.server_close()


def throughput(built: Path, requests: int) -> str:
    """Requests a second through the local gateway, and how many failed."""
    body = predict_request()["body"].encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(address: str) -> bool:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  local
        try:
            with direct.open(request, timeout=60) as response:
                return bool(response.status == OK)
        except OSError:
            return False

    with local_gateway(built) as address, ThreadPoolExecutor(CLIENTS) as clients:
        ask(address)
        start = time.perf_counter()
        answered = sum(clients.map(ask, [address] * requests))
        seconds = time.perf_counter() - start
    return (
        "Through `make lambda` (emulator and local gateway, one request at a time): "
        f"{requests:,} requests from {CLIENTS} clients, {requests / seconds:,.0f} a second, "
        f"{requests - answered} errors."
    )


def sizes(bundles: list[Bundle]) -> str:
    """The table of package sizes."""
    rows = [[one.arch, f"{one.unzipped / 1e6:.1f} MB", f"{one.zipped / 1e6:.1f} MB"] for one in bundles]
    return table(("package", "unzipped", "zipped"), rows)
