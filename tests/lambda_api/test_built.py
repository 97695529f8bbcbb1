"""The folder that Lambda unpacks, in Lambda's own runtime: what is missing in the package is missing here."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from lambda_api.contract import Record, example
from lambda_api.service import Service
from pipeline.errors import ModelFileError
from pipeline.files import file_digest
from pipeline.ship import bundle, gateway
from pipeline.ship.emulate import EmulatedFunction, EmulationError, emulated, runtime_python, template_environment
from tests.fixtures.project import Command
from tests.fixtures.runtime import Sam
from tests.paths import ROOT

pytestmark = pytest.mark.xdist_group("built")

EVENTS = ROOT / "tests/fixtures/events"
HTTP = build_opener(ProxyHandler({}))


def recorded(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


@pytest.fixture(scope="module")
def function(built: Path, tools: Path) -> Iterator[EmulatedFunction]:
    """The built function, running."""
    with emulated(built, template_environment(ROOT / "template.yaml"), tools) as running:
        yield running


def test_the_template_is_valid_to_sam_and_its_linter(sam: Sam) -> None:
    done = sam("validate", "--lint", "--template", "template.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_and_the_build_mean_the_same_python_and_folder(built: Path, tools: Path) -> None:
    template = (ROOT / "template.yaml").read_text()
    version = subprocess.run([runtime_python(tools), "-V"], capture_output=True, text=True, check=True).stdout

    assert f"Runtime: python{bundle.RUNTIME}\n" in template
    assert f"Python {bundle.RUNTIME}." in version
    assert sorted(path.name for path in (built / "lambda_api").iterdir() if path.is_file()) == sorted(
        path.name for path in (ROOT / "lambda_api").iterdir() if path.suffix in {".py", ".html"}
    )


def test_a_clean_build_makes_the_same_bytes_within_the_budget(built: Path, model_dir: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    command = [sys.executable, "-m", "pipeline", "bundle", str(again), "--model", str(model_dir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    # sam leaves times as they are, and a zip's digest depends on them.
    assert bundle.folder_digest(again) == bundle.folder_digest(built)
    assert {path.stat().st_mtime for path in bundle.list_files(again)} == {315532800.0}
    size = sum(path.stat().st_size for path in bundle.list_files(built))
    assert size <= 100_000_000

    package = json.loads((ROOT / "build/package.json").read_text())
    assert package | {"zipped_bytes": 0, "prediction_ms": 0, "usd_per_million": 0, "usd_per_million_lambda": 0} == {
        "arch": "x86_64",
        "model_sha256": file_digest(model_dir / "model.onnx"),
        "unzipped_bytes": size,
        "zipped_bytes": 0,
        "prediction_ms": 0,
        "usd_per_million": 0,
        "usd_per_million_lambda": 0,
    }
    # Beside requests, gateway and log, a quick model's own time hardly counts.
    assert package["prediction_ms"] > 0
    assert 0.2 < package["usd_per_million_lambda"] < 1.2 < package["usd_per_million"] < 3


def test_the_built_function_answers_recorded_events_as_the_source_does(
    function: EmulatedFunction, service: Service
) -> None:
    answers = {path.stem: function.invoke(json.loads(path.read_text())) for path in sorted(EVENTS.glob("*.json"))}

    assert {name: answer["statusCode"] for name, answer in answers.items()} == {
        "encoded_path": 200,
        "health": 200,
        "predict": 200,
        "predict_bad": 422,
        "predict_base64": 200,
        "predict_batch_csv": 200,
        "predict_cookies": 200,
        "predict_query": 200,
        "predict_repeated_headers": 200,
        "unknown_encoded_path": 404,
    }
    expected = service.answer([Record.model_validate(example())]).answers[0]
    assert json.loads(answers["predict"]["body"]) == expected | {"model_version": "unregistered"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ui", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/model_info", "application/json"),
    ],
)
def test_the_trimmed_package_still_has_every_page(function: EmulatedFunction, path: str, kind: str) -> None:
    reply = gateway.reply(function.invoke(gateway.event("GET", path)))

    assert (reply.status, reply.header("content-type")) == (200, kind)
    assert len(reply.body) > 500


def test_the_function_runs_on_a_read_only_system_without_a_home(built: Path, tools: Path) -> None:
    read_only = ("unshare", "--mount", "sh", "-c", 'mount -o remount,ro,bind / && cd "$PWD" && exec "$@"', "sh")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system does not let a test mount anything: needs root and `unshare`")
    refused = subprocess.run([*read_only, "touch", str(ROOT / "x")], capture_output=True, text=True, check=False)

    with emulated(built, template_environment(ROOT / "template.yaml"), tools, read_only) as running:
        answer = running.invoke(recorded("predict"))

    assert "Read-only file system" in refused.stderr
    assert answer["statusCode"] == 200


def test_bytecode_is_used_as_compiled_and_names_lambdas_folder(built: Path, tools: Path) -> None:
    program = """
import importlib.util, json, marshal, pathlib, sys
missing, checked, names = [], [], set()
for path in pathlib.Path(".").rglob("*.py"):
    cached = pathlib.Path(importlib.util.cache_from_source(str(path)))
    if not cached.exists():
        missing.append(str(path))
        continue
    content = cached.read_bytes()
    if int.from_bytes(content[4:8], "little") != 0b01:
        checked.append(str(path))
    names.add(marshal.loads(content[16:]).co_filename.split("/")[:3] == ["", "var", "task"])
print(json.dumps([missing, checked, sorted(names)]))
"""
    done = subprocess.run([runtime_python(tools), "-c", program], cwd=built, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [[], [], [True]]


def test_a_function_without_its_model_refuses_to_start_in_one_line(built: Path, tools: Path, tmp_path: Path) -> None:
    environment = template_environment(ROOT / "template.yaml") | {"OBESITY_MODEL_DIR": str(tmp_path)}

    with emulated(built, environment, tools) as running:
        with pytest.raises(EmulationError):
            running.invoke(recorded("predict"))
        log = running.log.read_text()

    assert f"The service does not start: {tmp_path}/manifest.json cannot be read" in log
    assert "Traceback" not in log


class SnapshotRuntime(BaseHTTPRequestHandler):
    """The Runtime API of a function with SnapStart: one restore, then events, as the documentation describes it."""

    events: ClassVar[list[dict[str, Any]]] = []
    said: ClassVar[list[str]] = []
    answers: ClassVar[list[dict[str, Any]]] = []
    done: ClassVar[threading.Event] = threading.Event()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.said.append(self.path.removeprefix("/2018-06-01/runtime/"))
        if self.path.endswith("restore/next"):
            self.reply(200, b"")
        elif self.events:
            self.reply(200, json.dumps(self.events.pop(0)).encode())
        else:
            self.done.set()
            threading.Event().wait(5)  # no more work: a real function is frozen now

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.said.append(self.path.rpartition("/")[2])
        self.answers.append(json.loads(body))
        self.reply(202, b"")

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:f")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_lambdas_own_client_runs_the_snapshot_hooks(built: Path, tools: Path) -> None:
    SnapshotRuntime.events[:] = [recorded("predict"), recorded("predict")]
    server = ThreadingHTTPServer(("127.0.0.1", 0), SnapshotRuntime)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "LAMBDA_TASK_ROOT": str(built),
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    }
    command = [str(runtime_python(tools)), "-E", "-s", "-m", "awslambdaric", "lambda_api.handler.handler"]
    with subprocess.Popen(command, cwd=built, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert SnapshotRuntime.done.wait(30), SnapshotRuntime.said
        process.terminate()
        printed, _ = process.communicate()
    server.shutdown()
    server.server_close()

    assert SnapshotRuntime.said[:5] == ["restore/next", "invocation/next", "response", "invocation/next", "response"]
    assert [answer["statusCode"] for answer in SnapshotRuntime.answers] == [200, 200]
    starts = [json.loads(line)["start"] for line in printed.splitlines() if '"event":"prediction"' in line]
    assert starts == ["restored", "warm"]


@pytest.fixture(scope="module")
def address(function: EmulatedFunction) -> Iterator[str]:
    """The function behind the local gateway."""
    server = gateway.server(function.invoke, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def post(address: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
    request = Request(f"{address}/predict", body, {"Content-Type": kind})
    try:
        with HTTP.open(request, timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_eight_clients_at_once_are_all_answered_through_the_gateway(address: str) -> None:
    bodies = [json.dumps(example() | {"Age": 20 + number % 40}).encode() for number in range(200)]

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda body: post(address, body), bodies))

    assert {status for status, _ in answers} == {200}
    assert answers[:40] == answers[40:80]


def test_a_request_larger_than_lambda_takes_is_refused_before_the_function(address: str) -> None:
    assert post(address, b" " * (6 * 1024 * 1024 + 1)) == (413, {"message": "Request Too Long"})


def test_a_folder_that_was_not_built_is_refused(tmp_path: Path, tools: Path) -> None:
    with (
        pytest.raises(ModelFileError, match="is not a built function: build it with `make package`"),
        emulated(tmp_path, tools=tools),
    ):
        pass


def test_a_function_may_be_a_single_file(tmp_path: Path, tools: Path) -> None:
    (tmp_path / "single.py").write_text("def handler(event, context):\n    return {'statusCode': event['status']}\n")

    with emulated(tmp_path, tools=tools, handler="single.handler") as running:
        assert running.invoke({"status": 204}) == {"statusCode": 204}


def test_building_without_a_model_fails_in_one_clear_line(command: Command, tmp_path: Path) -> None:
    done = command("bundle", str(tmp_path / "out"), "--model", str(tmp_path))

    assert done.returncode == 2
    line = f"{tmp_path} has no model.onnx and no manifest.json: package the champion with `pipeline package`"
    assert " ".join(done.stderr.split()) == f"ModelFileError: {line}"
    assert not (tmp_path / "out").exists()


def test_a_folder_over_its_budget_is_removed_and_its_largest_parts_named(tmp_path: Path) -> None:
    for name, size in (("large", 3_000_000), ("small", 1_000_000)):
        (tmp_path / "built" / name).mkdir(parents=True)
        (tmp_path / "built" / name / "file").write_bytes(b"x" * size)

    with pytest.raises(bundle.OverBudgetError) as error:
        bundle.refuse_large(bundle.Bundle(tmp_path / "built", "x86_64", "", 100_000_001, 1))

    assert str(error.value) == (
        "the function is 100.0 MB (0.0 MB zipped), its budget is 100 MB (35 MB zipped); "
        "the largest parts: large 3.0 MB, small 1.0 MB"
    )
    assert not (tmp_path / "built").exists()
