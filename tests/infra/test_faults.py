"""What AWS refuses, told in one line by every command that asks it, and nothing begun."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.cli.flow import main
from tests.fakes.account import KEYS

Said = Callable[..., str]
COMMANDS = (
    ("deploy", "--stage", "prod"),
    ("deployed", "--stage", "prod"),
    ("bootstrap", "--repository", "us/obesity-levels"),
)


@contextmanager
def answering(code: str, status: int) -> Iterator[str]:
    """The address of an AWS that answers every call with one error."""
    content = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no, testing</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    """Gives the one line that a command says on its way out with 2; the environment names no AWS but what is given."""

    def run(command: tuple[str, ...], **environment: str) -> str:
        with monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW"))]:
                patched.delenv(name)
            ours = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
            for name, value in (ours | environment).items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["pipeline", *command])
            with pytest.raises(SystemExit) as left:
                main()
        printed = capsys.readouterr()
        assert (left.value.code, printed.out) == (2, "")
        (line,) = printed.err.splitlines()
        return line

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (
            "ExpiredToken",
            403,
            "AWS does not take these credentials (ExpiredToken), they may have expired: log in to AWS",
        ),
        ("AccessDenied", 403, "AWS refuses these credentials (AccessDenied)"),
        ("Throttling", 400, "AWS asks to slow down (Throttling): wait a minute, then run again"),
    ],
)
def test_what_aws_refuses_is_one_line_with_a_remedy(
    said: Said, command: tuple[str, ...], code: str, status: int, words: str
) -> None:
    with answering(code, status) as address:
        line = said(command, **KEYS, AWS_ENDPOINT_URL=address)
    assert line.startswith("CloudError: the stack obesity-levels-")
    assert words in line
    assert "testing" not in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_credentials_or_a_network_the_line_says_so(said: Said, command: tuple[str, ...]) -> None:
    assert "(NoCredentialsError): log in to AWS" in said(command, AWS_DEFAULT_REGION="eu-central-1")
    nowhere = "http://127.0.0.1:9"
    assert "(EndpointConnectionError): check the network" in said(command, **KEYS, AWS_ENDPOINT_URL=nowhere)


def test_a_stage_that_is_none_is_refused(said: Said) -> None:
    assert said(("deployed", "--stage", "production")) == (
        "InputError: --stage: got 'production', expected one of dev, staging, prod"
    )
