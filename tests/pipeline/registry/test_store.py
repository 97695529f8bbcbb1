import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import RegistryError
from pipeline.registry import Registry
from tests.paths import ROOT


@pytest.mark.usefixtures("new_store")
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("./mlruns", "cannot hold a model registry"),
        ("file:///tmp/mlruns", "cannot hold a model registry"),
        ("sqlite:///:memory:", "cannot hold a model registry"),
        ("http://127.0.0.1:9", "Connection refused"),
        ("http://ada:secret@127.0.0.1:9", "at http://127.0.0.1:9 answers"),
        ("carrier-pigeon://loft", "cannot be opened"),
    ],
)
def test_a_registry_that_cannot_be_reached_is_named_without_its_password(uri: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message) as caught:
        Registry(uri).models()
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(new_store: Path) -> None:
    new_store.write_text("not a database, " * 100)
    with pytest.raises(RegistryError, match=r"cannot be opened and written \(file is not a database\)"):
        Registry(f"sqlite:///{new_store}").models()
    assert new_store.read_text() == "not a database, " * 100


KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from pipeline.registry.store import Store

statements = 0

def kill(*_):
    global statements
    statements += 1
    if statements == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", kill)
with Store(sys.argv[1]).client():
    pass
"""


def test_a_store_that_was_killed_while_its_tables_were_made_is_made_by_the_next(new_store: Path) -> None:
    uri = f"sqlite:///{new_store}"
    # Before this statement MLflow has made a table and not yet noted it: made in place, it could never be completed.
    command = [sys.executable, "-c", KILLED, uri, "549"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Registry(uri).models() == ()


def test_tables_of_something_else_are_never_replaced(new_store: Path) -> None:
    with closing(sqlite3.connect(new_store)) as database:
        database.execute("CREATE TABLE experiments (mine TEXT)")
        database.execute("INSERT INTO experiments VALUES ('kept')")
        database.commit()
    with pytest.raises(RegistryError, match="Move it away"):
        Registry(f"sqlite:///{new_store}").models()
    with closing(sqlite3.connect(new_store)) as database:
        assert database.execute("SELECT mine FROM experiments").fetchall() == [("kept",)]
