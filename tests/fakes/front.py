"""GitHub's address on this machine: git over HTTP, the API, identity tokens; each asks what the job's token may do.

What is no repository's content is forwarded to the fake GitHub of the test, whose token no job ever sees.
"""

import base64
import json
import os
import re
import secrets
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.github import REPOSITORY, TOKEN

Answer = tuple[int, bytes, dict[str, str]]
GIT = re.compile(rf"/{REPOSITORY}(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)")
NEEDED = (
    ("GET", r"/actions/.*|/environments.*", ("actions:read",)),
    ("POST", r"/actions/workflows/[^/]+/dispatches|/actions/runs/.*", ("actions:write",)),
    ("PUT", r"/actions/workflows/[^/]+/(?:enable|disable)", ("actions:write",)),
    ("GET", r"/attestations/.*", ("attestations:read",)),
    ("POST", r"/statuses/.*", ("statuses:write",)),
    ("GET", r"/commits/[^/]+/status(?:es)?", ("statuses:read",)),
    ("GET", r"/commits/[^/]+/check-runs", ("checks:read",)),
    ("GET", r"/pulls.*|/commits/[^/]+/pulls", ("pull-requests:read",)),
    ("*", r"/pulls.*", ("pull-requests:write",)),
    ("GET", r"/issues/\d+/comments", ("issues:read", "pull-requests:read")),
    ("*", r"/issues/(?:\d+/)?comments.*|/issues/\d+/labels.*", ("issues:write", "pull-requests:write")),
    ("GET", r"/issues.*|/labels.*", ("issues:read",)),
    ("*", r"/issues.*|/labels.*", ("issues:write",)),
    ("GET", r"/git/.*|/contents.*|/commits.*|/compare.*|/branches.*|/releases.*", ("contents:read",)),
    ("*", r"/git/.*|/contents.*|/releases.*|/merges", ("contents:write",)),
    ("GET", r"", ()),
)
"""What a token needs, one of several; as in a private repository, for a public one lets everybody read.

https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""


@dataclass(frozen=True)
class Grant:
    """What the token of one job may do, and who it says it is to others."""

    permissions: Mapping[str, str]
    claims: Mapping[str, str]

    def may(self, needs: tuple[str, ...]) -> bool:
        """Whether one of the permissions is there; who may write may read."""
        return not needs or any(
            self.permissions.get(scope) in {level, "write"} for scope, _, level in (need.partition(":") for need in needs)
        )


@dataclass
class Front:
    """The server of one run."""

    root: Path
    private: bool
    api: str
    protected: frozenset[str]
    refuse_dispatch: Callable[[str, str, Mapping[str, str]], str]
    take_role: Callable[[str, Mapping[str, str]], str]
    grants: dict[str, Grant] = field(default_factory=dict)
    address: str = ""

    def token(self, grant: Grant) -> str:
        """A new token."""
        token = f"ghs_{secrets.token_hex(18)}"
        self.grants[token] = grant
        return token

    def revoke(self, token: str) -> None:
        """A job's token ends with the job."""
        del self.grants[token]

    def answer(self, request: BaseHTTPRequestHandler, content: bytes) -> Answer:
        """Whatever is asked for."""
        url = urlsplit(request.path)
        words = request.headers.get("Authorization", "").split(maxsplit=1)
        token = words[1] if len(words) == 2 else ""
        if git := GIT.fullmatch(url.path):
            if words[:1] and words[0].lower() == "basic":
                token = base64.b64decode(token).decode().partition(":")[2]
            return self._git(request, git["rest"], url.query, token, content)
        grant = self.grants.get(token)
        if grant is None:
            return _said(401, "Bad credentials")
        if url.path == "/hub/role":
            error = self.take_role(json.loads(content)["role"], grant.claims)
            return _said(403 if error else 200, error)
        return self._api(request.command, url.path.removeprefix("/api"), url.query, grant, content)

    def _api(self, method: str, path: str, query: str, grant: Grant, content: bytes) -> Answer:
        place = path.removeprefix(f"/repos/{REPOSITORY}")
        needs = next(
            (needs for verb, known, needs in NEEDED if verb in {method, "*"} and re.fullmatch(known, place)), None
        )
        if needs is None or not grant.may(needs):
            return _said(403, "Resource not accessible by integration")
        if match := re.fullmatch(r"/actions/workflows/([\w.-]+)/dispatches", place):
            body = json.loads(content)
            if error := self.refuse_dispatch(match[1], body["ref"], body.get("inputs") or {}):
                return _said(422, error)
        if not self.api:
            return _said(404, "Not Found")
        url = f"{self.api}{path}" + (f"?{query}" if query else "")
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, content or None, headers, method=method)
        try:
            with urllib.request.urlopen(asked) as reply:
                return reply.status, reply.read(), {"Content-Type": "application/json"}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {"Content-Type": "application/json"}

    def _git(self, request: BaseHTTPRequestHandler, rest: str, query: str, token: str, content: bytes) -> Answer:
        writes = "git-receive-pack" in {rest, query.removeprefix("service=")}
        grant = self.grants.get(token)
        if token and grant is None or grant is None and (writes or self.private):
            return 401, b"", {"WWW-Authenticate": 'Basic realm="GitHub"'}
        if grant and not grant.may(("contents:write",) if writes else ("contents:read",) if self.private else ()):
            return 403, b"Write access to repository not granted.", {"Content-Type": "text/plain"}
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/origin.git/{rest}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "github-actions[bot]" if grant else "",
            "REMOTE_ADDR": "127.0.0.1",
            "PROTECTED": " ".join(sorted(self.protected)),
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=content, capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        return int(headers.pop("Status", "200").split()[0]), body, headers


def _said(status: int, message: str) -> Answer:
    return status, json.dumps({"message": message}).encode(), {"Content-Type": "application/json"}


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))
    pieces = []
    while size := int(request.rfile.readline().split(b";")[0], 16):
        pieces.append(request.rfile.read(size))
        request.rfile.readline()
    return b"".join(pieces)


@contextmanager
def listening(front: Front) -> Iterator[Front]:
    """The server, while the block runs."""

    class FrontHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            status, content, headers = front.answer(self, _body(self))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815  the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), FrontHandler)
    front.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
