"""The pinned file is found wherever it lies, and never replaced by another one unasked."""

import io
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import params as parameters
from pipeline.data.ingest import RawFile, ingest
from pipeline.data.pin import accept, pin
from pipeline.errors import DataError, NotPublishedError, ParamsError, SourceError
from pipeline.files import RAW_NAME, digest
from pipeline.params import Params
from tests.paths import ROOT

CONTENT = b"Gender,Age\r\nFemale,21\r\n"
SHA256 = digest(CONTENT)
NOWHERE = "http://127.0.0.1:9/nothing-listens-here"


class Publisher:
    """A web server that answers each request with the next of its answers, the last one again and again."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers, self.asked = list(answers), 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = publisher.answers[min(publisher.asked, len(publisher.answers) - 1)]
                publisher.asked += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/data.zip"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def publisher() -> Iterator[type[Publisher]]:
    publishers: list[Publisher] = []

    class Recorded(Publisher):
        def __init__(self, *answers: tuple[int, bytes]) -> None:
            super().__init__(*answers)
            publishers.append(self)

    yield Recorded
    for one in publishers:
        one.close()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


TARGET = Path("data/raw") / RAW_NAME
MEMBER = {f"folder__{RAW_NAME}": CONTENT, "readme.txt": b"hello"}


def test_a_file_that_already_lies_there_is_taken() -> None:
    TARGET.parent.mkdir(parents=True)
    TARGET.write_bytes(CONTENT)
    assert ingest(TARGET, SHA256, NOWHERE) == RawFile(TARGET, "already in place", SHA256)


def test_a_file_that_lies_there_and_is_another_is_refused_and_left_alone() -> None:
    TARGET.parent.mkdir(parents=True)
    TARGET.write_bytes(b"other")
    with pytest.raises(DataError) as refused:
        ingest(TARGET, SHA256, NOWHERE)
    assert str(refused.value) == (
        f"{TARGET} is not the pinned data: SHA-256 {digest(b'other')}, expected {SHA256}. If it is meant to be the new "
        f"data, accept it with `pipeline ingest --from {TARGET} --accept`; if records were added elsewhere since, "
        "`dvc pull`; if neither, remove it"
    )
    assert TARGET.read_bytes() == b"other"


def test_a_named_file_is_copied() -> None:
    Path("mine.csv").write_bytes(CONTENT)
    assert ingest(TARGET, SHA256, NOWHERE, Path("mine.csv")) == RawFile(TARGET, "mine.csv", SHA256)
    assert TARGET.read_bytes() == CONTENT


def test_a_named_file_with_another_digest_is_refused_even_if_the_right_one_lies_there() -> None:
    TARGET.parent.mkdir(parents=True)
    TARGET.write_bytes(CONTENT)
    Path("my own.csv").write_bytes(b"other")
    with pytest.raises(DataError) as refused:
        ingest(TARGET, SHA256, NOWHERE, Path("my own.csv"))
    assert str(refused.value) == (
        f"my own.csv is not the pinned data: SHA-256 {digest(b'other')}, expected {SHA256}. If it is meant to be the "
        "new data, accept it with `pipeline ingest --from 'my own.csv' --accept`"
    )
    assert TARGET.read_bytes() == CONTENT


def test_a_named_file_that_is_missing_is_an_error_and_no_other_source_is_tried() -> None:
    with pytest.raises(DataError, match=r"mine\.csv cannot be read: No such file"):
        ingest(TARGET, SHA256, NOWHERE, Path("mine.csv"))


@pytest.mark.parametrize("body", [CONTENT, zipped(**MEMBER)], ids=["plain", "zip"])
def test_the_publisher_may_send_the_file_or_a_zip_that_holds_it(publisher: type[Publisher], body: bytes) -> None:
    server = publisher((200, body))
    steps: list[tuple[str, int, int]] = []
    raw = ingest(TARGET, SHA256, server.url, progress=lambda *said: steps.append(said))
    assert raw == RawFile(TARGET, server.url, SHA256)
    assert TARGET.read_bytes() == CONTENT
    assert steps[-1] == ("download", len(body), len(body))


def test_a_publisher_that_stumbles_is_asked_again(publisher: type[Publisher]) -> None:
    server = publisher((503, b""), (200, CONTENT))
    ingest(TARGET, SHA256, server.url)
    assert (server.asked, TARGET.read_bytes()) == (2, CONTENT)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b""), "cannot be reached (HTTPError)"),
        ((200, zipped(**{"other.csv": CONTENT})), f"sends a zip without one {RAW_NAME}"),
    ],
)
def test_a_publisher_without_the_file_is_named(
    publisher: type[Publisher], answer: tuple[int, bytes], said: str
) -> None:
    server = publisher(answer)
    with pytest.raises(SourceError) as failed:
        ingest(TARGET, SHA256, server.url)
    assert f"  {server.url}: {said}" in str(failed.value).splitlines()
    assert not TARGET.exists()


def test_what_the_publisher_sends_must_have_the_pinned_digest(publisher: type[Publisher]) -> None:
    server = publisher((200, b"news"))
    with pytest.raises(NotPublishedError) as refused:
        ingest(TARGET, SHA256, server.url)
    assert str(refused.value).splitlines() == [
        f"what {server.url} gives is not the pinned data: SHA-256 {digest(b'news')}, expected {SHA256}.",
        "  DVC's cache or remote: no DVC repository here",
        (
            "If records were added (`pipeline ingest --add`), DVC alone has the pinned file: the person who added "
            "them runs `dvc push`, and `dvc remote list` here must name that remote, with credentials that may read it."
        ),
        "If it is meant to be the new data, download it and accept it with `pipeline ingest --from FILE --accept`.",
    ]
    assert not TARGET.exists()


def test_without_any_source_the_error_names_each_one_and_what_to_do() -> None:
    with pytest.raises(SourceError) as failed:
        ingest(TARGET, SHA256, NOWHERE)
    assert str(failed.value).splitlines() == [
        f"the data was not found here, in DVC or at 127.0.0.1 (SHA-256 {SHA256}):",
        "  DVC's cache or remote: no DVC repository here",
        f"  {NOWHERE}: cannot be reached (ConnectionError)",
        "Give the file: `make run DATA=path/to/file.csv`, or run without it: `make run DATA=sample`.",
    ]


def test_dvc_gives_back_a_file_that_was_lost(dvc: Callable[..., None], tmp_path: Path) -> None:
    TARGET.parent.mkdir(parents=True)
    TARGET.write_bytes(CONTENT)
    dvc("add", "-q", str(TARGET))
    dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    dvc("push", "-q")
    TARGET.unlink()
    shutil.rmtree(tmp_path / ".dvc/cache")
    assert ingest(TARGET, SHA256, NOWHERE) == RawFile(TARGET, "DVC's cache or remote", SHA256)
    assert TARGET.read_bytes() == CONTENT


def test_accepting_new_data_records_its_digest_and_keeps_the_comments(small_csv: Path) -> None:
    params_file = Path("params.yaml")
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params_file.write_text(before, encoding="utf-8")
    accepted = accept(small_csv, None, params_file, TARGET)
    pin_line = next(line for line in before.splitlines() if line.startswith("  sha256: "))
    expected = before.replace(pin_line, f"  sha256: {accepted.sha256}", 1)
    expected = expected.replace("collected_rows: 498", "collected_rows: null")
    assert params_file.read_text(encoding="utf-8") == expected
    assert parameters.load(params_file).data.published == parameters.load(ROOT / "params.yaml").data.published
    assert TARGET.read_bytes() == small_csv.read_bytes()
    assert ingest(TARGET, parameters.load(params_file).data.sha256, NOWHERE).sha256 == digest(small_csv.read_bytes())


@pytest.mark.parametrize(
    ("collected", "error"), [("bad header", DataError), ("too many", ParamsError), ("sample", DataError)]
)
def test_data_that_cannot_be_used_is_not_accepted(small_csv: Path, collected: str, error: type[Exception]) -> None:
    params_file = Path("params.yaml")
    shutil.copy(ROOT / "params.yaml", params_file)
    Path("bad.csv").write_bytes(CONTENT)
    source = {"bad header": Path("bad.csv"), "too many": small_csv, "sample": ROOT / "data/sample/records.csv"}[
        collected
    ]
    with pytest.raises(error):
        accept(source, 10**6, params_file, TARGET)
    assert params_file.read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert not TARGET.exists()


def test_the_published_digest_stands_in_one_place(params: Params) -> None:
    folders = ("pipeline", "lambda_api", "golden_hook", "benchmarks", "tests")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in sources if params.data.published in path.read_text(encoding="utf-8")] == []
    assert (ROOT / "params.yaml").read_text(encoding="utf-8").count(params.data.published) == 1


def test_the_data_and_its_pin_are_written_both_or_none(small_csv: Path) -> None:
    params_file = Path("params.yaml")
    shutil.copy(ROOT / "params.yaml", params_file)
    TARGET.mkdir(parents=True)  # a file cannot take the place of a folder
    with pytest.raises(IsADirectoryError):
        pin(small_csv.read_bytes(), "mine.csv", None, params_file, TARGET)
    assert params_file.read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert [path.name for path in Path().rglob("*.part")] == []
