"""The service whose lines the watch reads."""

from pathlib import Path

import pytest

from lambda_api.service import Service
from pipeline.files import Layout
from pipeline.ship.package import package_layout
from tests.conftest import once


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory, small_layout: Layout) -> Path:
    """A small model with its manifest, as `pipeline package` writes them."""
    return once(tmp_path_factory, "small-model", lambda folder: package_layout(small_layout, folder))


@pytest.fixture(scope="session")
def service(model_dir: Path) -> Service:
    """The small model, loaded."""
    return Service.load(model_dir)
