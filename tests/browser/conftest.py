"""A running service with the small model, and the system's Chromium to look at it."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from lambda_api.manifest import MANIFEST_FILE, Support
from pipeline.files import Layout, write_json
from pipeline.ship.emulate import free_port
from pipeline.ship.package import package_layout
from tests.conftest import once
from tests.paths import ROOT

PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
START_SECONDS = 30


def package_of_the_young(layout: Layout, folder: Path) -> None:
    """The small model, with a manifest that says it was trained on people up to 60."""
    manifest = package_layout(layout, folder)
    support = manifest.support | {"Age": Support(low=10, high=60)}
    write_json(folder / MANIFEST_FILE, manifest.model_copy(update={"support": support}).model_dump(mode="json"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, small_layout: Layout) -> Iterator[str]:
    """The address of a service that uvicorn runs, as `make serve` does."""
    model = once(tmp_path_factory, "site-model", lambda folder: package_of_the_young(small_layout, folder))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "lambda_api.app:start", "--port", str(port)]
    environment = {"OBESITY_MODEL_DIR": str(model), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(address: str) -> None:
    """Return when something answers there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            direct.open(address, timeout=5).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a screen."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A desktop page that fails the test if anything goes wrong on it."""
    with browser.new_context(viewport=DESKTOP) as context:
        opened = context.new_page()
        wrong: list[str] = []
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        yield opened
        assert wrong == []


@pytest.fixture(scope="module")
def screenshots() -> Path | None:
    """Where to leave pictures for people to look at, if SCREENSHOTS names a folder."""
    named = os.environ.get("SCREENSHOTS")
    return Path(named) if named else None
