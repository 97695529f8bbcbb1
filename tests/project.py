"""A clone of the project with small data and small work, for tests that run whole commands."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.files import digest
from pipeline.params import Params
from pipeline.registry import Registry

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9/nothing-listens-here"


@dataclass(frozen=True)
class Project:
    """A clone of the project with small data and small work."""

    root: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
        environment |= {"PYTHONWARNINGS": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def set_params(self, **blocks: dict[str, object]) -> None:
        path = self.root / "params.yaml"
        params = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for block, values in blocks.items():
            params[block] |= values
        path.write_text(json.dumps(params, indent=1), encoding="utf-8")

    def registry(self, uri: str = "sqlite:///mlflow.db") -> Registry:
        return Registry(uri.replace("sqlite:///", f"sqlite:///{self.root}/"))


def make_project(root: Path, params: Params, csv: Path) -> Project:
    for name in ("golden_hook", "infra", "lambda_api", "pipeline", "data/sample", "requirements"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    project = Project(root)
    (root / "params.yaml").write_text(json.dumps(params.model_dump()), encoding="utf-8")
    project.set_params(
        data={"url": NOWHERE, "sha256": digest(csv.read_bytes()), "collected_rows": None},
        gate={"floors": dict.fromkeys(params.gate.floors.model_dump(), 0.0)},
    )
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    return project
