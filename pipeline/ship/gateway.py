"""HTTP requests in -> API Gateway's events (payload version 2) out, and a function's answers back into HTTP.

Stands between a client and a Lambda function as AWS's gateway does: `make lambda` listens with it, and the tests send
their requests to the handler through it.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

Event = dict[str, Any]
Invoke = Callable[[Event], dict[str, Any]]

LARGEST_PAYLOAD = 6 * 1024 * 1024
"""Bytes of one event or answer that Lambda accepts."""

_MOST_DRAINED = 10 * LARGEST_PAYLOAD


@dataclass(frozen=True)
class Reply:
    """An HTTP response; header names in lower case, cookies as repeated `set-cookie`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of a name, given in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


def event(method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Event:
    """The event of one HTTP request.

    Repeated headers are joined with commas and cookies stand apart, as API Gateway does. A body that is not declared
    as text is base64, and so is one that is not UTF-8.

    Args:
        method: In capitals.
        target: Path with query, as the client sent it.
        headers: Any case, repeated as often as sent.
        body: The body's bytes.
    """
    parts = urlsplit(target)
    joined: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in headers:
        if name.lower() == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";")]
        else:
            joined[name.lower()] = f"{joined[name.lower()]},{value}" if name.lower() in joined else value
    text, encoded = _as_text(body, joined.get("content-type", ""))
    made: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(parts.path),
        "rawQueryString": parts.query,
        "headers": joined,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": "localhost",
            "http": {
                "method": method,
                "path": unquote(parts.path),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": uuid4().hex,
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": encoded,
    }
    if cookies:
        made["cookies"] = cookies
    if body:
        made["body"] = text
    return made


def _as_text(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.startswith(("text/", "application/json")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def reply(answer: dict[str, Any]) -> Reply:
    """The HTTP response of a function's answer."""
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    headers = [(name.lower(), str(value)) for name, value in (answer.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or ()]
    return Reply(answer["statusCode"], tuple(headers), content)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection; `server` makes a subclass that knows what to invoke."""

    protocol_version = "HTTP/1.1"
    invoke: Invoke
    turn: threading.Lock

    def answer(self) -> None:
        """Read one request, invoke, and write what comes back."""
        length = self.headers.get("content-length") or "0"
        if "transfer-encoding" in self.headers or not length.isdecimal():
            self._refuse(411, "Length Required")
        elif int(length) > LARGEST_PAYLOAD:
            self.rfile.read(min(int(length), _MOST_DRAINED))  # else the client never reads the answer
            self._refuse(413, "Request Too Long")
        else:
            request = event(self.command, self.path, self.headers.items(), self.rfile.read(int(length)))
            with self.turn:
                answer = type(self).invoke(request)
            self._send(reply(answer) if "statusCode" in answer else _message(500, "Internal Server Error"))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815  the standard library's names

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True  # part of the body may not have been read
        self._send(_message(status, message))

    def _send(self, response: Reply) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            if name != "content-length":
                self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the standard library's name
        """Print nothing: the function logs."""


def _message(status: int, message: str) -> Reply:
    return Reply(status, (("content-type", "application/json"),), json.dumps({"message": message}).encode())


def server(invoke: Invoke, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """An HTTP server, not yet serving, that answers every request by invoking a function, one at a time.

    One at a time, because one execution environment is all there is here; on AWS there are as many as needed.
    """
    connection = type("Connection", (_Connection,), {"invoke": staticmethod(invoke), "turn": threading.Lock()})
    listening = ThreadingHTTPServer((host, port), connection)
    listening.daemon_threads = True
    return listening
