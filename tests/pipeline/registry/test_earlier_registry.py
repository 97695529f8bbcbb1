"""A registry that was made at commit 269e34d, before modules moved: everything it holds can still be used."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lambda_api.model import Model
from pipeline.files import Layout
from pipeline.registry import Registry, portable
from pipeline.registry.history import refusing_predecessor
from tests.paths import ROOT

NAME = "obesity_classifier"
MADE = ROOT / "tests/fixtures/registry_269e34d/registry.tar.xz"
ANSWER = """
import warnings
warnings.simplefilter("ignore")
import mlflow, pandas as pd
from lambda_api.contract import LEVELS, example
model = mlflow.pyfunc.load_model("models:/obesity_classifier@champion")
print(model.predict(pd.DataFrame([example()]))[0] in set(map(str, LEVELS)))
"""


@pytest.fixture
def registry(new_store: Path) -> Registry:
    folder = new_store.parent
    with tarfile.open(MADE) as archive:
        # Python 3.11.4 added the filter, and 3.12 warns without it.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # noqa: S202  our own
    made_in = Path((folder / "root.txt").read_text(encoding="utf-8"))
    portable.relocate(new_store, made_in, folder)
    return Registry(f"sqlite:///{new_store}")


def test_it_is_listed_with_its_history(registry: Registry) -> None:
    versions = {version.number: (version.stage, version.aliases) for version in registry.versions(NAME)}
    assert versions == {1: ("Archived", ("baseline",)), 2: ("Production", ("challenger", "champion"))}
    moves = [(move.action, move.moved_from, move.moved_to, move.why) for move in registry.history(NAME)]
    assert moves == [("promotion", None, 1, "3 trees"), ("promotion", 1, 2, "4 trees")]


def test_its_champion_is_fetched_and_answers(registry: Registry, tmp_path: Path) -> None:
    registry.fetch(NAME, "champion", tmp_path / "fetched")
    assert Model.load(Layout(tmp_path / "fetched").model).sha256 == registry.version(NAME, 2).tags["model_sha256"]


def test_it_is_rolled_back(registry: Registry) -> None:
    registry.rollback(NAME, why="a try")
    champion = registry.champion(NAME)
    assert champion is not None
    assert champion.number == 1


def test_the_gate_goes_on_from_its_history(registry: Registry) -> None:
    registry.refuse(NAME, 1, champion=2, why="worse")
    refusal = registry.history(NAME)[-1]
    assert (refusal.sequence, refusal.action, refusal.moved_from, refusal.moved_to) == (3, "refusal", 2, 1)
    assert refusing_predecessor(registry.history(NAME), 2, {1}) is None
    assert len(registry.record_ids(registry.version(NAME, 2)) or ()) == 150


@pytest.mark.parametrize("before", ["", "import pipeline\n", "import pipeline.model.forest\n"])
def test_its_champion_is_loaded_by_mlflow_with_the_code_of_then_and_with_that_of_today(
    registry: Registry, before: str
) -> None:
    code = f"{before}import mlflow\nmlflow.set_tracking_uri({registry.store.uri!r}){ANSWER}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr
