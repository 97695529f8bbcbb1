"""One writer at a time: others wait, give up in one line, and a killed writer leaves no lock behind."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import RegistryError
from pipeline.registry import lock
from pipeline.registry.lock import locked
from tests.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from pipeline.registry.lock import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "PATIENCE", 0.2)
    return tmp_path / "mlflow.db.lock"


def holder(path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_waited_for_and_then_named_in_one_line(path: Path) -> None:
    with holder(path) as process:
        with pytest.raises(RegistryError) as refused, locked(path):
            pass
        assert str(refused.value) == f"another command has been writing to the registry for minutes ({path})"
        process.kill()


def test_a_killed_process_leaves_no_lock_behind(path: Path) -> None:
    with holder(path) as process:
        process.kill()
        process.wait()
        with locked(path):
            assert path.exists()


def test_the_lock_goes_when_the_block_fails_and_the_file_stays(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(path):
        raise ZeroDivisionError
    with locked(path):
        pass
    assert path.exists()


def test_a_process_of_an_earlier_version_is_waited_for_as_well(path: Path) -> None:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(RegistryError), locked(path):
            pass
