"""Thousands of malformed and hostile requests: always an answer or a refusal, never a fault, never a value in it."""

import json
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_api.contract import columns, example
from lambda_api.service import BatchPrediction, Prediction
from lambda_api.settings import Settings
from pipeline.ship.emulate import free_port
from tests.fixtures.service import Client
from tests.paths import ROOT

MANY = settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
NAMES = st.sampled_from([column.name for column in columns()]) | st.text(max_size=8)


@st.composite
def valid_records(draw: st.DrawFn) -> dict[str, Any]:
    """Records of which each column by itself is allowed; the body as a whole may be impossible."""
    return {
        column.name: draw(
            st.floats(column.low, column.high) | st.integers(round(column.low), int(column.high))
            if column.is_number
            else st.sampled_from(column.categories)
        )
        for column in columns()
    }


@st.composite
def damaged_records(draw: st.DrawFn) -> dict[str, Any]:
    """A valid record in which something was taken away, added or replaced."""
    record = draw(valid_records())
    for _ in range(draw(st.integers(1, 3))):
        name = draw(NAMES)
        if draw(st.booleans()):
            record.pop(name, None)
        else:
            record[name] = draw(JSON)
    return record


def assert_promised(status: int, body: bytes, promised: Callable[[bytes], object]) -> None:
    """Fails unless the answer is one that was promised."""
    if status == 200:
        promised(body)
        return
    answer = json.loads(body)
    assert status in {413, 415, 422}
    assert set(answer) == {"detail", "total", "request_id"}
    assert answer["total"] >= len(answer["detail"]) >= 1
    assert all(set(problem) == {"type", "loc", "msg"} and problem["msg"] for problem in answer["detail"])


def dumped(value: object) -> bytes:
    """JSON as careless clients write it: NaN, Infinity and lone surrogates as they are."""
    return json.dumps(value).encode()


@MANY
@given(record=valid_records())
def test_every_record_in_the_document_is_answered_or_has_an_impossible_body(
    client: Client, record: dict[str, Any]
) -> None:
    reply = client.post("/predict", dumped(record))

    assert_promised(reply.status, reply.body, Prediction.model_validate_json)
    if reply.status != 200:
        assert [problem["type"] for problem in reply.json()["detail"]] == ["impossible_body"]


@MANY
@given(record=damaged_records() | JSON)
def test_no_damaged_record_is_a_fault(client: Client, record: object) -> None:
    reply = client.post("/predict", dumped(record))

    assert_promised(reply.status, reply.body, Prediction.model_validate_json)


@MANY
@given(
    body=st.binary(max_size=300) | st.text(max_size=300).map(str.encode),
    kind=st.sampled_from(["application/json", "text/csv", "", "x"]),
)
def test_no_bytes_are_a_fault(client: Client, body: bytes, kind: str) -> None:
    for path, promised in (("/predict", Prediction), ("/predict_batch", BatchPrediction)):
        reply = client.post(path, body, content_type=kind)
        assert_promised(reply.status, reply.body, promised.model_validate_json)


@MANY
@given(records=st.lists(valid_records() | damaged_records(), max_size=4) | JSON)
def test_no_batch_is_a_fault(client: Client, records: object) -> None:
    reply = client.post("/predict_batch", dumped({"records": records}))

    assert_promised(reply.status, reply.body, BatchPrediction.model_validate_json)


CELLS = (
    st.text(st.sampled_from(string.printable + "é\0"), max_size=6)
    | st.floats().map(str)
    | st.sampled_from(["yes", "24", "nan", "1e400", '"'])
)


@MANY
@given(header=st.lists(NAMES, max_size=18), rows=st.lists(st.lists(CELLS, max_size=18), max_size=3))
def test_no_csv_is_a_fault(client: Client, header: list[str], rows: list[list[str]]) -> None:
    body = "\n".join(",".join(row) for row in [header, *rows]).encode(errors="surrogatepass")

    reply = client.post("/predict_batch", body, content_type="text/csv")

    assert_promised(reply.status, reply.body, BatchPrediction.model_validate_json)


@MANY
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.text(max_size=20).map(lambda text: f"/{text}"),
)
def test_no_path_is_a_fault(client: Client, method: str, path: str) -> None:
    reply = client.send(method, path.encode(errors="replace").decode())

    assert reply.status in {200, 404, 405, 415}


def test_the_document_is_what_the_cases_above_cover(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    assert sorted((path, *methods) for path, methods in paths.items()) == [
        ("/", "get"),
        ("/health", "get"),
        ("/model_info", "get"),
        ("/predict", "post"),
        ("/predict_batch", "post"),
    ]


def test_the_largest_batch_fits_into_what_lambda_may_answer(connect: Callable[[Settings], Client]) -> None:
    limit = Settings().max_records

    reply = connect(Settings()).post("/predict_batch", {"records": [example()] * limit})

    assert (reply.status, reply.json()["summary"]["records"]) == (200, limit)
    assert len(reply.body) < 6_000_000 / 2


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port(model_dir: Path) -> Iterator[int]:
    """A real server on a real socket."""
    chosen = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "lambda_api.app:start", "--port", str(chosen)]
    environment = {"OBESITY_MODEL_DIR": str(model_dir), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        deadline = time.monotonic() + 30
        while not listens(chosen) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield chosen
        server.terminate()
        printed, _ = server.communicate()
    assert "Traceback" not in printed
    assert '"event":"error"' not in printed


def asked(port: int, request: bytes, *, hang_up: bool = False) -> bytes:
    """What comes back for raw bytes; nothing if the client hangs up first."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return b"" if hang_up else connection.recv(65536)


def test_clients_that_hang_up_in_the_middle_disturb_no_other(port: int) -> None:
    body = json.dumps(example()).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    for cut in (0, 1, 100, len(body) - 1):
        asked(port, head.encode() + b"\r\n" + body[:cut], hang_up=True)

    assert asked(port, head.encode() + b"Connection: close\r\n\r\n" + body).startswith(b"HTTP/1.1 200 OK")
