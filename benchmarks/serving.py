"""The service beside what people do instead, all in one run, in turn: writes docs/benchmarks.md.

    python benchmarks/serving.py            (or `make bench`; needs a trained layout and .aws-sam/build)

Every contender answers the same records with the same model: one Pipeline fitted here on the layout's records, and the
layout's exact graph of it. Contenders take turns in every round, so that what else the machine does falls on all of
them. The web contenders all stand behind the same Lambda adapter. Figures of different runs cannot be compared, the
ratios of one run can.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

ROOT = Path(__file__).parents[1]
SIZES = (1, 10, 100, 1_000, 5_000)
REQUESTS, CLIENTS = 2_000, 8

TRUSTED = ("pipeline.model.features.BodyMassIndex", "pipeline.model.forest.VotingForest", "sklearn.tree._tree.Tree")
"""What skops must be told to load a stored Pipeline."""

FLOOR = "bare `session.run`"
BY_HAND = "onnxruntime + pydantic, no framework"
SERVICE = "this service, through its Lambda handler"
PANDAS = "FastAPI + pandas + scikit-learn Pipeline"
PYFUNC = "FastAPI + `mlflow.pyfunc` (labels only)"

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


@dataclass(frozen=True)
class Timed:
    """Processor times of single calls, in microseconds."""

    name: str
    microseconds: list[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.microseconds)

    @property
    def p99(self) -> float:
        """What 99 of 100 calls do not exceed."""
        return statistics.quantiles(self.microseconds, n=100)[98] if len(self.microseconds) > 1 else self.median


def in_turn(contenders: dict[str, Callable[[], object]], rounds: int, calls: int, warm: int = 3) -> dict[str, Timed]:
    """Times of each contender, `rounds` turns of `calls` calls each, after a few calls that do not count.

    Processor time, of all threads: what neighbours on the machine take does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with contextlib.redirect_stdout(io.StringIO()):
        for call in contenders.values():
            for _ in range(warm):
                call()
        for _ in range(rounds):
            for name, call in contenders.items():
                for _ in range(calls):
                    start = time.process_time_ns()
                    call()
                    times[name].append((time.process_time_ns() - start) / 1000)
    return {name: Timed(name, found) for name, found in times.items()}


def rival(predict: Callable[[Any], tuple[list[str], list[list[float]] | None]]) -> Any:
    """What people write: FastAPI with typed bodies and answers, a DataFrame per request, behind Mangum."""
    import pandas as pd
    from fastapi import Body, FastAPI
    from mangum import Mangum
    from pydantic import BaseModel

    from lambda_api.contract import LEVELS, Record

    class Answer(BaseModel):
        prediction: str
        probabilities: dict[str, float] | None

    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    def answers(records: list[Record]) -> list[Answer]:
        labels, shares = predict(pd.DataFrame([record.model_dump() for record in records]))
        rows = shares if shares is not None else [None] * len(labels)
        return [
            Answer(prediction=label, probabilities=None if row is None else dict(zip(LEVELS, row, strict=True)))
            for label, row in zip(labels, rows, strict=True)
        ]

    @app.post("/predict")
    async def one(record: Record) -> Answer:
        return answers([record])[0]

    @app.post("/predict_batch")
    async def many(records: Annotated[list[Record], Body(embed=True)]) -> list[Answer]:
        return answers(records)

    return Mangum(app, lifespan="off")


class Contest:
    """The contenders, loaded once."""

    def __init__(self, root: Path, scratch: Path) -> None:
        import mlflow
        import numpy as np

        from lambda_api.contract import Record, columns
        from lambda_api.model import Model
        from pipeline import params
        from pipeline.data.records import COLUMNS, FOLD, load_processed
        from pipeline.files import Layout
        from pipeline.model import train
        from pipeline.ship.package import package_layout

        layout, loaded = Layout(root), params.load()
        frame = load_processed(layout.records)
        self.people = [json.loads(json.dumps(row)) for row in frame[list(COLUMNS)].to_dict("records")]
        pipeline = train.fit_calibrated(frame[frame[FOLD] != loaded.split.holdout], loaded)
        pipeline[-1].forest_.set_params(n_jobs=1)  # threads cost more than they bring for a request
        self.model = Model.load(layout.model)
        self.columns, self.record, self.np = columns(), Record, np

        package_layout(layout, scratch / "model")
        os.environ["OBESITY_MODEL_DIR"] = str(scratch / "model")
        from lambda_api.handler import handler

        def scikit_learn(table: Any) -> tuple[list[str], list[list[float]]]:
            shares = pipeline.predict_proba(table)
            return pipeline.classes_[shares.argmax(axis=1)].tolist(), shares.tolist()

        mlflow.sklearn.save_model(
            pipeline,
            scratch / "pyfunc",
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED),
            pip_requirements=[],
        )
        pyfunc = mlflow.pyfunc.load_model(str(scratch / "pyfunc"))
        self.handlers: dict[str, Any] = {
            SERVICE: handler,
            PANDAS: rival(scikit_learn),
            PYFUNC: rival(lambda table: (pyfunc.predict(table).tolist(), None)),
        }

    def feed(self, records: list[Any]) -> dict[str, Any]:
        """Records as the graph takes them."""
        return {
            column.name: self.np.array(
                [getattr(record, column.name) for record in records], dtype="float64" if column.is_number else object
            ).reshape(-1, 1)
            for column in self.columns
        }

    def contenders(self, path: str, value: object, count: int) -> dict[str, Callable[[], object]]:
        """A call of each contender for the same body."""
        from pipeline.ship.gateway import event

        body = json.dumps(value).encode()
        made = event("POST", path, [("content-type", "application/json")], body)
        records = [self.record.model_validate(person) for person in self.people_of(count)]
        fed = self.feed(records)

        def by_hand() -> bytes:
            label, shares = self.model.predict(self.feed([self.record.model_validate_json(body)]))
            return json.dumps({"prediction": label[0], "probabilities": shares[0].tolist()}).encode()

        def web(handler: Any) -> Callable[[], object]:
            def call() -> object:
                answer = handler(made, None)
                assert answer["statusCode"] == 200, answer  # noqa: S101, PLR2004
                return answer

            return call

        found: dict[str, Callable[[], object]] = {FLOOR: lambda: self.model.predict(fed)}
        if path == "/predict":
            found[BY_HAND] = by_hand
        return found | {name: web(handler) for name, handler in self.handlers.items()}

    def people_of(self, count: int) -> list[dict[str, Any]]:
        """As many records as asked, from the data in its order."""
        return [self.people[index % len(self.people)] for index in range(count)]


def warm(contest: Contest) -> list[str]:
    """The table of single records."""
    found = in_turn(contest.contenders("/predict", contest.people[0], 1), rounds=10, calls=60)
    floor, service = found[FLOOR].median, found[SERVICE].median
    lines = ["| one record, processor time | median | p99 | against the floor |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {t.name} | {t.median:,.0f} us | {t.p99:,.0f} us | {t.median / floor:.1f}x |" for t in found.values()]
    return [
        *lines,
        "",
        f"{found[PANDAS].median / service:.0f} times as fast as pandas and scikit-learn for each request.",
    ]


def batches(contest: Contest) -> list[str]:
    """The table of batches."""
    lines = [
        f"| records | {FLOOR} | this service | pandas + scikit-learn | pyfunc | faster than pandas + scikit-learn |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in SIZES:
        rounds = 15 if size < 1_000 else 7  # noqa: PLR2004
        calls = contest.contenders("/predict_batch", {"records": contest.people_of(size)}, size)
        found = {name: timed.median / size for name, timed in in_turn(calls, rounds, calls=2).items()}
        ratio = found[PANDAS] / found[SERVICE]
        row = " | ".join(f"{found[name]:,.1f}" for name in (FLOOR, SERVICE, PANDAS, PYFUNC))
        lines.append(f"| {size:,} | {row} | {ratio:.1f}x |")
    return [*lines, "", "Microseconds of processor time for each record, median."]


def cold(built: Path, scratch: Path, rounds: int = 9) -> list[str]:
    """The table of cold starts, as the emulator's INIT REPORT says."""
    from pipeline.ship.emulate import emulated, template_environment

    floor = scratch / "floor"
    shutil.copytree(built, floor)
    (floor / "floor_handler.py").write_text(FLOOR_HANDLER)
    event = json.loads((ROOT / "tests/fixtures/events/predict.json").read_text())
    contenders = {BY_HAND: (floor, "floor_handler.handler"), "this service": (built, "lambda_api.handler.handler")}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (folder, handler) in contenders.items():
            with emulated(folder, template_environment(), handler=handler) as running:
                assert running.invoke(event)["statusCode"] == 200  # noqa: S101, PLR2004
                log = running.log.read_text()
            times[name].append(float(re.findall(r"INIT REPORT\(durationMs: ([\d.]+)", log)[0]))
    medians = {name: statistics.median(found) for name, found in times.items()}
    lines = ["| cold start | median | quickest | slowest | against the floor |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, found in times.items():
        ratio = medians[name] / medians[BY_HAND]
        lines.append(
            f"| {name} | {medians[name]:,.0f} ms | {min(found):,.0f} ms | {max(found):,.0f} ms | {ratio:.2f}x |"
        )
    return lines


def memory(built: Path) -> list[str]:
    """Resident memory of the built function in Lambda's Python."""
    from pipeline.ship.emulate import runtime_python, template_environment

    program = f"""
import json, os, sys
from lambda_api.handler import handler
event = json.load(open({str(ROOT / "tests/fixtures/events/predict.json")!r}))
out, sys.stdout = sys.stdout, open(os.devnull, "w")
found = []
for times in (1, 999, 9000):
    for _ in range(times):
        handler(event, None)
    found.append(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
print(json.dumps(found), file=out)
"""
    done = subprocess.run(
        [runtime_python(), "-W", "ignore", "-c", program],
        cwd=built,
        env=template_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    first, thousand, last = json.loads(done.stdout)
    return [
        f"Resident memory: {first:.0f} MB after 1 request, {thousand:.0f} MB after 1,000, {last:.0f} MB after 10,000."
    ]


def throughput(built: Path) -> list[str]:
    """Requests a second through the local gateway, and how many failed."""
    from pipeline.ship import gateway
    from pipeline.ship.emulate import emulated, template_environment

    body = json.dumps(
        json.loads(json.loads((ROOT / "tests/fixtures/events/predict.json").read_text())["body"])
    ).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(address: str) -> bool:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310
        try:
            with direct.open(request, timeout=60) as response:
                return bool(response.status == 200)  # noqa: PLR2004
        except OSError:
            return False

    with emulated(built, template_environment()) as function:
        server = gateway.server(function.invoke, 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/predict"
        ask(address)
        start = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as clients:
            answered = sum(clients.map(ask, [address] * REQUESTS))
        seconds = time.perf_counter() - start
        server.shutdown()
        server.server_close()
    return [
        (
            "Through `make lambda` (emulator and local gateway, one request at a time): "
            f"{REQUESTS:,} requests from {CLIENTS} clients, {REQUESTS / seconds:,.0f} a second, "
            f"{REQUESTS - answered} errors."
        )
    ]


def sizes(model: Path, scratch: Path) -> list[str]:
    """The table of package sizes, both built now."""
    from pipeline.ship import bundle

    lines = ["| package | unzipped | zipped |", "| --- | ---: | ---: |"]
    for arch in bundle.PLATFORMS:
        built = bundle.build_function(scratch / arch, model, arch)
        lines.append(f"| {arch} | {built.unzipped / 1e6:.1f} MB | {built.zipped / 1e6:.1f} MB |")
    return lines


def machine() -> str:
    """What this ran on, without its name."""
    from importlib.metadata import version

    named = ("fastapi", "mangum", "onnxruntime", "pydantic", "scikit-learn")
    libraries = ", ".join(f"{name} {version(name)}" for name in named)
    return (
        f"Measured with `make bench` on {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()} (cold start and memory: Lambda's {platform_of_lambda()}), {libraries}."
    )


def platform_of_lambda() -> str:
    """Version of the interpreter that stands for Lambda's."""
    from pipeline.ship.emulate import runtime_python

    done = subprocess.run([runtime_python(), "-V"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--layout", type=Path, default=Path(), help="a trained layout")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from pipeline.files import Layout, write_text
    from pipeline.ship.package import package_layout

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        package_layout(Layout(arguments.layout), scratch / "packaged")
        parts: dict[str, list[str]] = {"Size": sizes(scratch / "packaged", scratch)}
        built = scratch / "x86_64"
        parts["Cold start"] = cold(built, scratch)
        parts["Memory"] = memory(built)
        parts["Throughput"] = throughput(built)
        contest = Contest(arguments.layout, scratch)
        gc.collect()
        gc.freeze()  # or every contender pays for what all of them loaded
        parts["One record, warm"] = warm(contest)
        parts["Batches"] = batches(contest)
    lines = ["# Benchmarks of the service", "", "<!-- Made by `make bench`; do not edit. -->", "", machine(), ""]
    lines += [
        (
            "All contenders of a table take turns in one run and answer the same records with the same model; "
            "the machine is shared and noisy, so only ratios within a table mean something."
        ),
        "",
    ]
    for title in ("One record, warm", "Batches", "Cold start", "Memory", "Throughput", "Size"):
        lines += [f"## {title}", "", *parts[title], ""]
    page = "\n".join(lines).rstrip() + "\n"
    write_text(arguments.out, page)
    print(page)


if __name__ == "__main__":
    main()
