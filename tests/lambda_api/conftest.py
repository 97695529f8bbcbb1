"""A service with a small trained model, and a client that speaks to it as API Gateway would."""

import asyncio
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mangum import Mangum

from lambda_api.app import create_app, serve
from lambda_api.service import Service
from lambda_api.settings import Settings
from pipeline.files import Layout
from pipeline.ship.emulate import TOOLS
from pipeline.ship.gateway import Reply, event, reply
from pipeline.ship.package import package_layout
from tests.conftest import once
from tests.paths import ROOT


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory, small_layout: Layout) -> Path:
    """A small model with its manifest, as `pipeline package` writes them."""
    return once(tmp_path_factory, "small-model", lambda folder: package_layout(small_layout, folder))


@pytest.fixture(scope="session")
def service(model_dir: Path) -> Service:
    """The small model, loaded."""
    return Service.load(model_dir)


@pytest.fixture(autouse=True)
def event_loop_in_this_thread() -> Iterator[None]:
    """Mangum asks for the thread's event loop, as Lambda's main thread has one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


class Client:
    """Speaks HTTP to an application through the adapter that Lambda uses."""

    def __init__(self, handler: Callable[[dict[str, Any], object], dict[str, Any]]) -> None:
        self.handler = handler

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """The reply to one request; header names with underscores for dashes."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Mangum's way to the event loop, on newer Pythons
            return reply(self.handler(event(method, path, named, body), None))

    def get(self, path: str, **headers: str) -> Reply:
        """The reply to a GET."""
        return self.send("GET", path, **headers)

    def post(self, path: str, value: object, **headers: str) -> Reply:
        """The reply to a POST of JSON; bytes are sent as they are."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.send("POST", path, body, **{"content_type": "application/json"} | headers)


@pytest.fixture
def connect(service: Service) -> Callable[[Settings], Client]:
    """Makes a client of the small model's service under other settings."""

    def make(settings: Settings) -> Client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return Client(Mangum(serve(create_app(settings), service), lifespan="off"))

    return make


@pytest.fixture
def client(connect: Callable[[Settings], Client]) -> Client:
    """A client of the small model's service."""
    return connect(Settings())


def sam(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the SAM command line says, run from the project's root."""
    command = [str(ROOT / TOOLS / "sam/bin/sam"), *arguments]
    quiet = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | quiet | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def tools() -> Path:
    """The SAM command line and Lambda's runtime client."""
    if not (ROOT / TOOLS / ".done").exists():
        pytest.skip("the SAM command line and Lambda's runtime client are not installed: run `make tools`")
    return ROOT / TOOLS


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, model_dir: Path, tools: Path) -> Path:
    """The function as `sam build` builds it, with the small model; to be read."""
    assert tools.is_dir()

    def make(folder: Path) -> None:
        done = sam("build", "--build-dir", str(folder), MODEL=str(model_dir), PYTHON=sys.executable)
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "built", make) / "ApiFunction"
