import base64
import json
from typing import Any

import pytest

from pipeline.ship.gateway import Reply, event, reply

# A byte that is no UTF-8.
BINARY = b"\xff\x00"


def essence(made: dict[str, Any]) -> dict[str, Any]:
    """An event without what is the same in all of them."""
    left = {key: value for key, value in made.items() if key not in {"version", "routeKey", "requestContext"}}
    return left | {"http": made["requestContext"]["http"]["method"], "path": made["requestContext"]["http"]["path"]}


def test_a_request_becomes_an_event_of_payload_version_2() -> None:
    made = event("POST", "/predict?a=1&a=2", [("Content-Type", "application/json"), ("User-Agent", "test")], b'{"x":1}')

    assert essence(made) == {
        "rawPath": "/predict",
        "rawQueryString": "a=1&a=2",
        "headers": {"content-type": "application/json", "user-agent": "test"},
        "body": '{"x":1}',
        "isBase64Encoded": False,
        "http": "POST",
        "path": "/predict",
    }
    assert (made["version"], made["routeKey"], made["requestContext"]["stage"]) == ("2.0", "$default", "$default")


def test_repeated_headers_are_joined_and_cookies_stand_apart() -> None:
    made = event("GET", "/", [("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2"), ("cookie", "z=3")])

    assert (made["headers"], made["cookies"]) == ({"accept": "a,b"}, ["x=1", "y=2", "z=3"])
    assert "body" not in made


@pytest.mark.parametrize(
    ("kind", "body", "encoded"),
    [
        ("application/json", b"{}", False),
        ("text/csv", "é".encode(), False),
        ("application/json", BINARY, True),
        ("application/octet-stream", b"plain", True),
        ("", b"plain", True),
    ],
)
def test_what_is_not_declared_as_text_or_is_none_is_sent_as_base64(kind: str, body: bytes, encoded: bool) -> None:
    made = event("POST", "/", [("content-type", kind)], body)

    assert made["isBase64Encoded"] is encoded
    assert (base64.b64decode(made["body"]) if encoded else made["body"].encode()) == body


def test_an_encoded_path_arrives_decoded() -> None:
    assert event("GET", "/caf%C3%A9%20x")["rawPath"] == "/café x"


def test_an_answer_becomes_a_response() -> None:
    answer = {"statusCode": 201, "headers": {"X-A": "1"}, "cookies": ["a=1", "b=2"], "body": "é"}

    assert reply(answer) == Reply(201, (("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")), "é".encode())


def test_a_binary_answer_is_decoded() -> None:
    answer = {"statusCode": 200, "body": base64.b64encode(BINARY).decode(), "isBase64Encoded": True}

    assert reply(answer).body == BINARY


def test_a_reply_gives_its_first_header_and_its_json() -> None:
    response = Reply(200, (("a", "1"), ("a", "2")), json.dumps([1]).encode())

    assert (response.header("a"), response.header("b"), response.json()) == ("1", None, [1])
