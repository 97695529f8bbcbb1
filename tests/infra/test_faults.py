"""Every command that asks AWS says in one line what AWS refused, and starts nothing."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.fakes.account import KEYS
from tests.fixtures.called import called
from tests.paths import ROOT

COMMANDS = (
    ("deploy", "--stage", "prod"),
    ("status", "--stage", "prod"),
    ("bootstrap", "--repository", "us/obesity-levels"),
)


@contextmanager
def answering(code: str, status: int) -> Iterator[str]:
    """The address of an AWS that answers every call with one error."""
    content = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no, testing</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()

    class ErrorHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), ErrorHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def said(folder: Path, command: tuple[str, ...], **environment: str) -> str:
    """The one line that a command says on its way out with 2."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW"))}
    settings = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
    done = called(*command, folder=ROOT, environment=clean | settings | environment)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (
            "ExpiredToken",
            403,
            "AWS does not accept these credentials (ExpiredToken); they may have expired: log in to AWS",
        ),
        ("AccessDenied", 403, "AWS refuses these credentials (AccessDenied)"),
        ("Throttling", 400, "AWS limits the rate of requests (Throttling): wait a minute, then run again"),
    ],
)
def test_what_aws_refuses_is_one_line_with_a_remedy(
    tmp_path: Path, command: tuple[str, ...], code: str, status: int, words: str
) -> None:
    with answering(code, status) as address:
        line = said(tmp_path, command, **KEYS, AWS_ENDPOINT_URL=address)
    assert line.startswith("CloudError: the stack obesity-levels-")
    assert words in line
    assert "testing" not in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_credentials_or_a_network_the_line_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "(NoCredentialsError): log in to AWS" in said(tmp_path, command, AWS_DEFAULT_REGION="eu-central-1")
    nowhere = "http://127.0.0.1:9"
    assert "(EndpointConnectionError): check the network" in said(tmp_path, command, **KEYS, AWS_ENDPOINT_URL=nowhere)


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    assert said(tmp_path, ("status", "--stage", "production")) == (
        "InputError: --stage: got 'production', expected one of dev, staging, prod"
    )
