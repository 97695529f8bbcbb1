"""The pinned data on a runner, with and without the cache of an earlier run."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import NotPublishedError, SourceError
from pipeline.files import RAW_NAME, Layout, digest
from pipeline.loop.raw import PUBLISHED, raw_file
from pipeline.params import Params

CONTENT = b"as published"


@pytest.fixture
def pinned(small_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Params]:
    """Of a runner's empty checkout; a publisher that listens on this machine gives the pinned file."""
    (tmp_path / "publisher").mkdir()
    (tmp_path / "publisher" / RAW_NAME).write_bytes(CONTENT)
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "publisher"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    published = {"sha256": digest(CONTENT), "url": f"http://127.0.0.1:{server.server_port}/{RAW_NAME}"}
    yield small_params.model_copy(update={"data": small_params.data.model_copy(update=published)})
    server.shutdown()
    server.server_close()


def cache(content: bytes) -> None:
    PUBLISHED.mkdir(parents=True)
    (PUBLISHED / RAW_NAME).write_bytes(content)


def test_what_the_publisher_gives_is_cached(pinned: Params) -> None:
    assert raw_file(pinned).came_from == pinned.data.url
    assert (PUBLISHED / RAW_NAME).read_bytes() == CONTENT


def test_the_publisher_is_not_asked_for_what_is_cached(pinned: Params) -> None:
    cache(CONTENT)
    nowhere = pinned.data.model_copy(update={"url": "http://127.0.0.1:9/"})
    assert raw_file(pinned.model_copy(update={"data": nowhere})).came_from == "the cache of an earlier run"
    assert Layout().raw.read_bytes() == CONTENT


def test_a_cache_that_holds_something_else_is_left_out_and_replaced(pinned: Params) -> None:
    cache(b"poisoned")
    assert raw_file(pinned).came_from == pinned.data.url
    assert Layout().raw.read_bytes() == (PUBLISHED / RAW_NAME).read_bytes() == CONTENT


def test_data_that_the_publisher_does_not_give_is_never_cached(pinned: Params) -> None:
    Layout().raw.parent.mkdir(parents=True)
    Layout().raw.write_bytes(CONTENT)  # as DVC's remote would leave it
    assert raw_file(pinned).came_from == "already in place"
    assert not PUBLISHED.exists()


def test_another_file_of_the_publisher_is_refused_and_not_cached(pinned: Params) -> None:
    other = pinned.data.model_copy(update={"sha256": digest(b"grown")})
    with pytest.raises((NotPublishedError, SourceError)):
        raw_file(pinned.model_copy(update={"data": other}))
    assert not PUBLISHED.exists()
