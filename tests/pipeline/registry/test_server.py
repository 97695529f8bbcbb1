"""The whole registry against MLflow's own server, as a team would run it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.files import Layout, read_json
from pipeline.judge import gate
from pipeline.judge.register import register
from pipeline.model.result import result_of
from pipeline.params import Params
from pipeline.registry import Registry

NAME = "obesity_classifier"
PATIENCE = 120.0


@pytest.fixture
def address(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on an empty store, named by the environment as for a user; it and its workers are gone afterwards."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    command += ["--artifacts-destination", (tmp_path / "artifacts").as_uri()]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, process_group=0)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server, tmp_path / "server.log")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"no answer from {address}:\n{log.read_text()}")


def test_a_server_registers_judges_promotes_hands_out_and_remembers_as_a_local_store_does(
    address: str,
    tmp_path: Path,
    small_layout: Layout,
    other_layout: Layout,
    small_params: Params,
    other_params: Params,
) -> None:
    registry = Registry(who=lambda: "Ada")
    assert (registry.is_shared, registry.whose) == (True, f"the registry at {address}")
    first = register(result_of(small_layout, small_params), small_params, 1)
    assert (first.version, first.created) == (1, True)
    again = register(result_of(small_layout, small_params), small_params, 1)
    assert (again.version, again.created, again.run_id) == (1, False, first.run_id)

    # The small records are labelled by the BMI rule, which no model is ahead of: the gate must refuse.
    verdict = gate.judge(result_of(small_layout, small_params), small_params)
    assert (verdict.outcome, verdict.challenger, verdict.champion) == ("refused", 1, None)
    copied = Layout(shutil.copytree(small_layout.root, tmp_path / "copied"))
    assert gate.run(result_of(copied, small_params), small_params).outcome == "refused"
    assert registry.history(NAME) == ()
    registry.promote(NAME, 1, "Production", expected=None, why="by hand")
    assert gate.judge(result_of(small_layout, small_params), small_params).outcome == "kept"

    second = register(result_of(other_layout, other_params), other_params, 1)
    verdict = gate.judge(result_of(other_layout, other_params), other_params)
    assert verdict.pairs
    assert (verdict.challenger, verdict.champion) == (second.version, 1) == (2, 1)
    assert verdict.pairs.total == read_json(other_layout.metrics, "")["out_of_fold"]["rows"]

    registry.promote(NAME, "challenger", "Production", expected=1, why="other seed")
    registry.rollback(NAME, why="alarms")
    moves = [(move.who, move.why, move.action, move.moved_from, move.moved_to) for move in registry.history(NAME)]
    fetched = registry.fetch(NAME, "champion", tmp_path / "fetched")
    (model,) = registry.models()
    assert moves == [
        ("Ada", "by hand", "promotion", None, 1),
        ("Ada", "other seed", "promotion", 1, 2),
        ("Ada", "alarms", "rollback", 2, 1),
    ]
    assert (fetched.number, model.versions) == (1, 2)
    assert dict(model.aliases) == {"baseline": 1, "challenger": 2, "champion": 1}
    assert Layout(tmp_path / "fetched").model.read_bytes() == small_layout.model.read_bytes()
