"""AWS's tools, as the service's own tests have them, and the parameters of the small layout as a file."""

from pathlib import Path

import pytest

from pipeline.files import write_json
from pipeline.params import Params
from tests.lambda_api.conftest import tools

__all__ = ["tools"]


@pytest.fixture
def pinned_params_file(tmp_path: Path, pinned_params: Params) -> Path:
    """What `pinned_layout` was trained with, as a params.yaml; JSON is YAML."""
    path = tmp_path / "params.yaml"
    write_json(path, pinned_params.model_dump())
    return path
