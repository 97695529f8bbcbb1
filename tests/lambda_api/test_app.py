import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.types import ASGIApp

from lambda_api.app import create_app, serve, start
from lambda_api.contract import LEVELS, columns, example
from lambda_api.service import BatchPrediction, ModelInfo, Prediction, Service
from lambda_api.settings import Settings
from tests.fixtures.service import Client

SHOWN = 20


def csv_of(*records: dict[str, Any]) -> bytes:
    names = list(records[0])
    return "\n".join([",".join(names), *(",".join(str(record[name]) for name in names) for record in records)]).encode()


def test_one_record_gets_a_complete_answer(client: Client, service: Service) -> None:
    reply = client.post("/predict", example())

    answer = reply.json()
    assert reply.status == 200
    assert answer == service.example().answers[0] | {"model_version": "unregistered"}
    assert Prediction.model_validate_json(reply.body)
    assert list(answer["probabilities"]) == [str(level) for level in LEVELS]


def test_a_batch_is_answered_in_order_with_a_summary(client: Client) -> None:
    thin, heavy = example() | {"Weight": 45}, example() | {"Weight": 120}

    reply = client.post("/predict_batch", {"records": [thin, heavy, thin]})

    answer = reply.json()
    alone = [client.post("/predict", record).json() for record in (thin, heavy, thin)]
    assert reply.status == 200
    assert BatchPrediction.model_validate_json(reply.body)
    assert [prediction | {"model_version": "unregistered"} for prediction in answer["predictions"]] == alone
    assert answer["model_version"] == "unregistered"
    assert answer["summary"] == {
        "records": 3,
        "levels": {str(level): sum(prediction["prediction"] == level for prediction in alone) for level in LEVELS},
        "mean_confidence": pytest.approx(sum(prediction["confidence"] for prediction in alone) / 3, abs=1e-6),
    }


def test_a_csv_batch_gets_the_answers_of_the_same_json_batch(client: Client) -> None:
    people = [example(), example() | {"Age": 31.5, "MTRANS": "Walking"}]

    from_csv = client.post("/predict_batch", csv_of(*people), content_type="text/csv; charset=utf-8")

    assert from_csv.status == 200
    assert from_csv.json() == client.post("/predict_batch", {"records": people}).json()


def test_a_csv_may_have_a_byte_order_mark_windows_line_ends_and_any_column_order(client: Client) -> None:
    person = dict(reversed(example().items()))
    body = b"\xef\xbb\xbf" + csv_of(person).replace(b"\n", b"\r\n") + b"\r\n\r\n"

    reply = client.post("/predict_batch", body, content_type="text/csv")

    assert reply.json()["predictions"] == client.post("/predict_batch", {"records": [example()]}).json()["predictions"]


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_names_the_model_that_has_just_answered(client: Client, path: str) -> None:
    reply = client.get(path)

    assert (reply.status, reply.json()) == (
        200,
        {
            "status": "ok",
            "service": "obesity-levels",
            "api_version": "1.0.0",
            "model_version": "unregistered",
            "source": "other",
            "links": {"docs": "/docs", "openapi": "/openapi.json", "form": "/ui", "model": "/model_info"},
        },
    )


def test_model_info_is_the_manifest_with_levels_and_columns(client: Client, service: Service) -> None:
    reply = client.get("/model_info")

    assert ModelInfo.model_validate_json(reply.body) == service.info()
    assert reply.json()["metrics"]["holdout"]["rows"] > 0


def test_every_response_names_the_model_and_the_request(client: Client) -> None:
    for reply in (
        client.get("/"),
        client.post("/predict", example()),
        client.post("/predict", b"{"),
        client.get("/nowhere"),
        client.get("/docs"),
    ):
        assert reply.header("x-model-version") == "unregistered"
        assert re.fullmatch(r"[0-9a-f]{32}", reply.header("x-request-id") or "")
        assert reply.header("x-content-type-options") == "nosniff"


def test_answers_about_people_are_never_cached(client: Client) -> None:
    assert client.post("/predict", example()).header("cache-control") == "no-store"
    assert client.post("/predict_batch", {"records": [example()]}).header("cache-control") == "no-store"


class AsgiResponse(BaseModel):
    """What an ASGI application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: ASGIApp, *, headers: list[tuple[bytes, bytes]], messages: list[dict[str, Any]]) -> AsgiResponse:
    """What the application answers to a POST of a record that arrives in these ASGI messages."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return AsgiResponse(status=sent[0]["status"], headers=fields, body=b"".join(m.get("body", b"") for m in sent[1:]))


JSON_HEADER = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        (b"abc-1.2_Z", r"abc-1\.2_Z"),
        (b"x" * 64, "x{64}"),
        (b"x" * 65, "[0-9a-f]{32}"),
        (b'"},{', "[0-9a-f]{32}"),
        (b"", "[0-9a-f]{32}"),
    ],
)
def test_a_clients_own_request_id_is_kept_if_it_is_harmless(service: Service, given: bytes, answered: str) -> None:
    body = json.dumps(example()).encode()

    reply = ask(
        serve(create_app(Settings()), service),
        headers=[JSON_HEADER, (b"x-request-id", given)],
        messages=[{"type": "http.request", "body": body}],
    )

    assert reply.status == 200
    assert re.fullmatch(answered, reply.headers["x-request-id"])


def test_a_body_that_arrives_in_pieces_is_read_whole(service: Service) -> None:
    body = json.dumps(example()).encode()

    reply = ask(
        serve(create_app(Settings()), service),
        headers=[JSON_HEADER],
        messages=[
            {"type": "http.request", "body": body[:50], "more_body": True},
            {"type": "http.request", "body": body[50:]},
        ],
    )

    assert reply.status == 200


def test_a_client_that_hangs_up_in_the_middle_is_no_error(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    reply = ask(
        serve(create_app(Settings()), service),
        headers=[JSON_HEADER],
        messages=[{"type": "http.request", "body": b'{"Age": 24', "more_body": True}, {"type": "http.disconnect"}],
    )

    assert reply.status == 499
    assert capsys.readouterr().out == ""


def test_a_bug_answers_an_id_and_nothing_else(
    connect: Callable[[Settings], Client], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(Settings())

    def broken(_self: Service, _records: object) -> None:
        raise RuntimeError("secret 81.875")

    monkeypatch.setattr(Service, "answer", broken)
    reply = client.post("/predict", example())

    answer = reply.json()
    assert (reply.status, answer["request_id"]) == (500, reply.header("x-request-id"))
    assert answer["detail"] == [
        {"type": "internal_error", "loc": [], "msg": "A fault of the service: report the request_id"}
    ]
    logged = json.loads(capsys.readouterr().out)
    assert (logged["event"], logged["error"], logged["request_id"]) == ("error", "RuntimeError", answer["request_id"])
    assert "81.875" not in str(logged) + str(reply)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in example().items() if key != name}


VALID = json.dumps(example())
REFUSED: dict[str, tuple[bytes, int, list[tuple[str, list[str | int]]]]] = {
    "missing": (json.dumps(without("CAEC")).encode(), 422, [("missing", ["body", "CAEC"])]),
    "unknown": (json.dumps(example() | {"BMI": 81}).encode(), 422, [("extra_forbidden", ["body", "BMI"])]),
    "text for a number": (json.dumps(example() | {"Age": "81"}).encode(), 422, [("float_type", ["body", "Age"])]),
    "truth for a number": (json.dumps(example() | {"Age": True}).encode(), 422, [("float_type", ["body", "Age"])]),
    "null": (json.dumps(example() | {"Age": None}).encode(), 422, [("float_type", ["body", "Age"])]),
    "number for a choice": (
        json.dumps(example() | {"SMOKE": 81}).encode(),
        422,
        [("literal_error", ["body", "SMOKE"])],
    ),
    "other case": (json.dumps(example() | {"SMOKE": "NO81"}).encode(), 422, [("literal_error", ["body", "SMOKE"])]),
    "out of range": (json.dumps(example() | {"Age": 181}).encode(), 422, [("less_than_equal", ["body", "Age"])]),
    "height in cm": (json.dumps(example() | {"Height": 181}).encode(), 422, [("less_than_equal", ["body", "Height"])]),
    "weight in pounds": (json.dumps(example() | {"Weight": 281}).encode(), 422, [("impossible_body", ["body"])]),
    "NaN": (VALID.replace("24", "NaN").encode(), 422, [("finite_number", ["body", "Age"])]),
    "Infinity": (VALID.replace("24", "Infinity").encode(), 422, [("finite_number", ["body", "Age"])]),
    "-Infinity": (VALID.replace("24", "-Infinity").encode(), 422, [("finite_number", ["body", "Age"])]),
    "1e400": (VALID.replace("24", "1e400").encode(), 422, [("finite_number", ["body", "Age"])]),
    "10,000 digits": (VALID.replace("24", "8" * 10_000).encode(), 422, [("json_invalid", ["body"])]),
    "binary": (b"\x80\x81\xff\x00", 422, [("json_invalid", ["body"])]),
    "lone surrogate": (VALID.replace("Female", "\\ud881").encode(), 422, [("json_invalid", ["body"])]),
    "lone surrogate in a name": (VALID.replace("Gender", "\\ud881").encode(), 422, [("json_invalid", ["body"])]),
    "bytes of a surrogate": (
        VALID.replace("Female", "\ud881").encode(errors="surrogatepass"),
        422,
        [("json_invalid", ["body"])],
    ),
    "100,000 deep": (b"[" * 100_000 + b"]" * 100_000, 422, [("json_invalid", ["body"])]),
    "100,000 deep inside": (
        VALID.replace("24", "[" * 100_000 + "]" * 100_000).encode(),
        422,
        [("json_invalid", ["body"])],
    ),
    "a list": (f"[{VALID}]".encode(), 422, [("model_type", ["body"])]),
    "half a record": (VALID[:100].encode(), 422, [("json_invalid", ["body"])]),
    "two records": ((VALID + VALID).encode(), 422, [("json_invalid", ["body"])]),
    "another encoding": (VALID.encode("utf-16"), 422, [("json_invalid", ["body"])]),
    "nothing": (b"", 422, [("json_invalid", ["body"])]),
    "too large": (b" " * 6_000_001, 413, [("too_large", ["body"])]),
}


@pytest.mark.parametrize(("body", "status", "problems"), REFUSED.values(), ids=REFUSED)
def test_a_bad_record_is_refused_with_place_and_reason_and_never_its_value(
    client: Client,
    body: bytes,
    status: int,
    problems: list[tuple[str, list[str | int]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = client.post("/predict", body)

    answer = reply.json()
    logged = capsys.readouterr().out
    assert (reply.status, [(item["type"], item["loc"]) for item in answer["detail"]]) == (status, problems)
    assert set(answer) == {"detail", "total", "request_id"}
    assert all(set(item) == {"type", "loc", "msg"} and item["msg"] for item in answer["detail"])
    assert "81" not in json.dumps([answer["detail"], json.loads(logged)["problems"]])
    assert json.loads(logged)["event"] == "refusal"


BATCHES: dict[str, tuple[bytes, str, list[tuple[str, list[str | int]]]]] = {
    "empty": (b'{"records": []}', "application/json", [("too_short", ["body", "records"])]),
    "oversized": (
        json.dumps({"records": [example()] * 4}).encode(),
        "application/json",
        [("too_long", ["body", "records"])],
    ),
    "no records": (b"{}", "application/json", [("missing", ["body", "records"])]),
    "bare list": (json.dumps([example()]).encode(), "application/json", [("model_type", ["body"])]),
    "second record": (
        json.dumps({"records": [example(), without("Age")]}).encode(),
        "application/json",
        [("missing", ["body", "records", 1, "Age"])],
    ),
    "csv without records": (csv_of(example()).split(b"\n")[0], "text/csv", [("too_short", ["body", "records"])]),
    "csv without anything": (b"", "text/csv", [("too_short", ["body", "records"])]),
    "csv too long": (csv_of(*[example()] * 4), "text/csv", [("too_long", ["body", "records"])]),
    "csv with a word for a number": (
        csv_of(example(), example() | {"Age": "old81"}),
        "text/csv",
        [("float_type", ["body", "records", 1, "Age"])],
    ),
    "csv with nan": (csv_of(example() | {"Age": "nan"}), "text/csv", [("float_type", ["body", "records", 0, "Age"])]),
    "csv with 1e400": (
        csv_of(example() | {"Age": "1e400"}),
        "text/csv",
        [("finite_number", ["body", "records", 0, "Age"])],
    ),
    "csv with a missing column": (csv_of(without("Age")), "text/csv", [("missing", ["body", "records", 0, "Age"])]),
    "csv with the answer": (
        csv_of(example() | {"NObeyesdad": "x"}),
        "text/csv",
        [("extra_forbidden", ["body", "records", 0, "NObeyesdad"])],
    ),
    "csv with a column twice": (
        csv_of(example()).replace(b"Age", b"Gender"),
        "text/csv",
        [("csv_header", ["body"])],
    ),
    "csv with a short row": (csv_of(example()) + b"\nFemale,24\n", "text/csv", [("csv_cells", ["body", "records", 1])]),
    "csv in another encoding": (csv_of(example()).decode().encode("utf-16"), "text/csv", [("csv_text", ["body"])]),
    "csv with an open quote": (csv_of(example()) + b'\n"Fem', "text/csv", [("csv_syntax", ["body"])]),
}


@pytest.mark.parametrize(("body", "kind", "problems"), BATCHES.values(), ids=BATCHES)
def test_a_bad_batch_is_refused_with_the_place_of_each_problem(
    connect: Callable[[Settings], Client], body: bytes, kind: str, problems: list[tuple[str, list[str | int]]]
) -> None:
    reply = connect(Settings(max_records=3)).post("/predict_batch", body, content_type=kind)

    answer = reply.json()
    assert (reply.status, [(item["type"], item["loc"]) for item in answer["detail"]]) == (422, problems)
    assert "81" not in json.dumps(answer["detail"])


def test_many_problems_are_counted_and_the_first_ones_shown(client: Client) -> None:
    answer = client.post("/predict_batch", {"records": [{}] * 10}).json()

    assert (len(answer["detail"]), answer["total"]) == (SHOWN, 160)


def test_a_long_unknown_name_is_cut(client: Client) -> None:
    answer = client.post("/predict", example() | {"x" * 10_000: 1}).json()

    assert answer["detail"][0]["loc"] == ["body", "x" * 64]


def test_refusals_are_logged_by_column_without_what_the_client_wrote(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post("/predict", example() | {"Age": 999, "my weight is 81": 1})

    assert json.loads(capsys.readouterr().out)["problems"] == {"Age:less_than_equal": 1, "request:extra_forbidden": 1}


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "text/csv", "application/jsonx"]
)
def test_a_record_of_another_content_type_is_refused(client: Client, kind: str) -> None:
    reply = client.post("/predict", example(), content_type=kind)

    assert (reply.status, reply.json()["detail"]) == (
        415,
        [
            {
                "type": "content_type",
                "loc": ["header", "content-type"],
                "msg": "Content-Type should be application/json",
            }
        ],
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("GET", "/predict/", 404, "not_found"),
        ("GET", "/docs/../app.py", 404, "not_found"),
        ("GET", "/docs/..%2fapp.py", 404, "not_found"),
        ("GET", "/docs/redoc.standalone.js", 404, "not_found"),
    ],
)
def test_an_unknown_path_or_method_is_answered_in_the_same_form(
    client: Client, method: str, path: str, status: int, kind: str
) -> None:
    reply = client.send(method, path)

    assert (reply.status, [item["type"] for item in reply.json()["detail"]]) == (status, [kind])


def test_other_pages_may_not_call_the_service_unless_their_origin_is_named(
    connect: Callable[[Settings], Client],
) -> None:
    closed, opened = connect(Settings()), connect(Settings(cors_origins=("https://a.example",)))

    def allowed(client: Client, origin: str) -> str | None:
        return client.post("/predict", example(), origin=origin).header("access-control-allow-origin")

    assert allowed(closed, "https://a.example") is None
    assert allowed(opened, "https://a.example") == "https://a.example"
    assert allowed(opened, "https://b.example") is None


def test_a_named_origin_may_send_json_and_read_the_headers(connect: Callable[[Settings], Client]) -> None:
    client = connect(Settings(cors_origins=("https://a.example",)))

    preflight = client.send(
        "OPTIONS",
        "/predict",
        origin="https://a.example",
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    answered = client.post("/predict", b"{", origin="https://a.example")

    assert preflight.status == 200
    assert answered.status == 422
    assert answered.header("access-control-allow-origin") == "https://a.example"
    assert answered.header("access-control-expose-headers") == "X-Model-Version, X-Request-Id"


def test_docs_load_nothing_from_another_host(client: Client) -> None:
    page = client.get("/docs")

    sources = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert [source for source in sources if not source.startswith((b"docs/", b"data:"))] == []
    assert {client.get("/" + source.decode()).status for source in sources if source.startswith(b"docs/")} == {200}
    assert b"http" not in page.body.replace(b"http-equiv", b"")
    assert "default-src 'none'" in (page.header("content-security-policy") or "")


def test_every_columns_range_unit_and_categories_are_in_the_document(client: Client) -> None:
    record = client.get("/openapi.json").json()["components"]["schemas"]["Record"]

    described = {
        name: (field.get("minimum"), field.get("maximum"), field.get("unit"), field.get("enum"))
        for name, field in record["properties"].items()
    }
    assert described == {
        column.name: (column.low, column.high, column.unit, None)
        if column.is_number
        else (None, None, None, list(column.categories))
        for column in columns()
    }
    assert record["required"] == [column.name for column in columns()]
    assert record["additionalProperties"] is False


def test_every_body_in_the_document_has_an_example_that_is_answered(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    examples = [
        (path, kind, media["example"])
        for path, methods in paths.items()
        if "post" in methods
        for kind, media in methods["post"]["requestBody"]["content"].items()
    ]

    replies = [
        client.post(path, value.encode() if isinstance(value, str) else value, content_type=kind)
        for path, kind, value in examples
    ]

    assert [(path, kind) for path, kind, _ in examples] == [
        ("/predict", "application/json"),
        ("/predict_batch", "application/json"),
        ("/predict_batch", "text/csv"),
    ]
    assert [reply.status for reply in replies] == [200, 200, 200]


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"OBESITY_MODEL_DIR": "/nowhere"},
            r"/nowhere/manifest\.json cannot be read .*make it with `pipeline package`",
        ),
        ({"OBESITY_MAX_RECORDS": "many"}, "OBESITY_MAX_RECORDS: got 'many'"),
    ],
)
def test_what_prevents_the_start_is_said_in_one_line(environment: dict[str, str], line: str) -> None:
    with pytest.raises(SystemExit) as stop:
        start(environment)

    assert re.match(f"The service does not start: {line}", str(stop.value))
    assert "\n" not in str(stop.value)


def test_the_environment_names_the_model_that_answers(model_dir: Path) -> None:
    app = start({"OBESITY_MODEL_DIR": str(model_dir)})

    assert (
        app.state.service.manifest.model_sha256 == json.loads((model_dir / "manifest.json").read_text())["model_sha256"]
    )
