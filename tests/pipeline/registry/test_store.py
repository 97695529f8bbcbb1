from pathlib import Path

import pytest

from pipeline.errors import RegistryError
from pipeline.registry import Registry


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


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(RegistryError, match=r"cannot be opened and written \(file is not a database\)"):
        Registry(f"sqlite:///{tmp_path}/mlflow.db").models()
    assert (tmp_path / "mlflow.db").read_text() == "not a database, " * 100
