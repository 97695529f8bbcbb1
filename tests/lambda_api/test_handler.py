"""The handler that Lambda calls, in a process of its own: its import is what a cold start does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.paths import ROOT

EVENTS = ROOT / "tests/fixtures/events"

# Prints what the program below `body` finds, as JSON on the last line.
PREAMBLE = """\
import json, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Mangum's way to the event loop, on newer Pythons
def event(name):
    return json.loads(open(f"tests/fixtures/events/{name}.json").read())
"""


def in_a_new_process(body: str, model_dir: Path, **environment: str) -> Any:
    """The last line that a program prints, with the model named and nothing else in its environment."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + body],
        env={"OBESITY_MODEL_DIR": str(model_dir), "PYTHONPATH": str(ROOT)} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_recorded_events_are_answered_as_http(model_dir: Path) -> None:
    program = """
from lambda_api.handler import handler
names = ["predict", "predict_base64", "predict_cookies", "predict_repeated_headers", "predict_query",
         "predict_batch_csv", "predict_bad", "encoded_path", "unknown_encoded_path", "health"]
answers = {name: handler(event(name), None) for name in names}
print(json.dumps(answers))
"""
    answers = in_a_new_process(program, model_dir)

    assert {name: (answer["statusCode"], answer["headers"]["x-request-id"]) for name, answer in answers.items()} == {
        "predict": (200, "predict-1"),
        "predict_base64": (200, "base64-1"),
        "predict_cookies": (200, "cookies-1"),
        "predict_repeated_headers": (200, "headers-1"),
        "predict_query": (200, "query-1"),
        "predict_batch_csv": (200, "csv-1"),
        "predict_bad": (422, "bad-1"),
        "encoded_path": (200, "path-1"),
        "unknown_encoded_path": (404, "path-2"),
        "health": (200, "health-1"),
    }
    same = ("predict", "predict_base64", "predict_cookies", "predict_repeated_headers", "predict_query")
    assert {answers[name]["body"] for name in same} == {answers["predict"]["body"]}
    assert (
        json.loads(answers["predict_batch_csv"]["body"])["predictions"][0].items()
        <= json.loads(answers["predict"]["body"]).items()
    )


def test_a_start_without_a_model_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import lambda_api.handler"],
        env={"OBESITY_MODEL_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == (
        f"The service does not start: {tmp_path}/manifest.json cannot be read (No such file or directory): "
        "make it with `pipeline package`\n"
    )


def test_importing_and_answering_opens_no_socket_starts_no_thread_and_writes_no_file(
    model_dir: Path, tmp_path: Path
) -> None:
    program = """
import threading
sockets, writes = [], []
def watch(name, arguments):
    if name in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        sockets.append(name)
    if name == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        writes.append(str(arguments[0]))
sys.dont_write_bytecode = True
sys.addaudithook(watch)
from lambda_api.handler import handler
statuses = [handler(event(name), None)["statusCode"] for name in ("predict", "predict_bad", "predict_batch_csv")]
tasks = len(__import__("os").listdir("/proc/self/task"))
print(json.dumps([statuses, sockets, writes, threading.active_count(), tasks]))
"""
    home = tmp_path / "home"
    home.mkdir()

    report = in_a_new_process(program, model_dir, HOME=str(home), OPENBLAS_NUM_THREADS="1")

    assert report == [[200, 422, 200], [], [], 1, 1]
    assert list(home.rglob("*")) == []


def test_nothing_heavy_is_imported(model_dir: Path) -> None:
    program = """
from lambda_api.handler import handler
handler(event("predict"), None)
heavy = {"pandas", "sklearn", "scipy", "mlflow", "onnx", "skl2onnx", "boto3", "dvc", "pipeline", "matplotlib",
         "fastapi_offline", "uvicorn", "starlette.middleware.cors"}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""
    assert in_a_new_process(program, model_dir) == []


def test_ten_thousand_requests_leave_memory_as_it_was(model_dir: Path) -> None:
    program = """
import io, os
from lambda_api.handler import handler
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
good, bad, console = event("predict"), event("predict_bad"), sys.stdout
sys.stdout = open(os.devnull, "w")
def answer(times):
    for _ in range(times):
        handler(good, None), handler(bad, None)
    return resident()
first, last = answer(500), answer(4500)
sys.stdout = console
print(json.dumps([first, last]))
"""
    first, last = in_a_new_process(program, model_dir)

    assert last - first <= 3


def test_a_snapshot_warms_the_session_and_a_restored_process_says_so(model_dir: Path, tmp_path: Path) -> None:
    # The runtime's own registry of hooks, as awslambdaric reads it; the real runtime runs them in test_built.py.
    (tmp_path / "snapshot_restore_py.py").write_text(
        "hooks = {}\n"
        "def register_before_snapshot(hook): hooks['before'] = hook\n"
        "def register_after_restore(hook): hooks['after'] = hook\n"
    )
    program = """
import contextlib, io
import snapshot_restore_py
from lambda_api.handler import handler
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    handler(event("predict"), None)
    snapshot_restore_py.hooks["before"]()
    snapshot_restore_py.hooks["after"]()
    handler(event("predict"), None)
    handler(event("predict"), None)
print(json.dumps([json.loads(line)["start"] for line in printed.getvalue().splitlines()]))
"""
    starts = in_a_new_process(program, model_dir, PYTHONPATH=f"{ROOT}:{tmp_path}")

    assert starts == ["cold", "restored", "warm"]


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_events_have_the_form_of_payload_version_2(path: Path) -> None:
    recorded = json.loads(path.read_text())

    assert recorded["version"] == "2.0"
    assert {"rawPath", "rawQueryString", "headers", "requestContext", "isBase64Encoded"} <= set(recorded)
    assert {"method", "path", "sourceIp"} <= set(recorded["requestContext"]["http"])
