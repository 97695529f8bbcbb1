"""A small GitHub: pull requests and their comments behind a real HTTP server, and who asked for what."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "us/obesity"
BOT = "github-actions[bot]"
TOKEN = "a token of the tests"  # noqa: S105  of the fake alone
SHA = "1234567890abcdef1234567890abcdef12345678"
RUN_URL = f"https://github.example/{REPOSITORY}/actions/runs/11"


def event(*, fork: bool = False, sha: str = SHA, conclusion: str = "success") -> dict[str, Any]:
    """What GitHub tells about a finished run; of a fork's it does not say for which pull request."""
    ours = [{"number": 7, "head": {"sha": sha, "ref": "change"}}]
    run = {
        "event": "pull_request",
        "head_sha": sha,
        "head_branch": "change",
        "head_repository": {"id": 5, "owner": {"login": "somebody" if fork else "us"}},
        "html_url": RUN_URL,
        "id": 11,
        "conclusion": conclusion,
        "pull_requests": [] if fork else ours,
    }
    return {"repository": {"full_name": REPOSITORY}, "workflow_run": run}


@dataclass
class FakeGitHub:
    """What it holds; `asked` are the requests that changed something, and those that were refused."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        root = f"/repos/{REPOSITORY}"
        first = (int(query.get("page", "1")) - 1) * int(query.get("per_page", "30"))
        page = slice(first, first + int(query.get("per_page", "30")))
        if method == "GET" and path == f"{root}/pulls":
            wanted = (query["head"], query["state"])
            return 200, [item for item in self.pulls if (item["head"]["label"], item["state"]) == wanted][page]
        if method == "GET" and (found := re.fullmatch(rf"{root}/pulls/(\d+)", path)):
            item = next((item for item in self.pulls if item["number"] == int(found[1])), None)
            return (200, item) if item else (404, {})
        if found := re.fullmatch(rf"{root}/issues/(\d+)/comments", path):
            if method == "GET":
                return 200, [item for item in self.comments if item["number"] == int(found[1])][page]
            self.asked.append("POST")
            return 201, self.add(int(found[1]), body["body"], BOT)
        if method == "PATCH" and (found := re.fullmatch(rf"{root}/issues/comments/(\d+)", path)):
            self.asked.append("PATCH")
            item = next(item for item in self.comments if item["id"] == int(found[1]))
            item["body"] = body["body"]
            return 200, item
        return 404, {}

    def add(self, number: int, body: str, login: str) -> dict[str, Any]:
        """A comment."""
        comment = {"id": 100 + len(self.comments), "number": number, "body": body, "user": {"login": login}}
        self.comments.append(comment)
        return comment


def pull(number: int = 7, owner: str = "us", sha: str = SHA, state: str = "open") -> dict[str, Any]:
    """A pull request."""
    return {"number": number, "state": state, "head": {"label": f"{owner}:change", "sha": sha}}


@contextmanager
def serving(fake: FakeGitHub) -> Iterator[FakeGitHub]:
    """The fake behind HTTP, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            asked = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, content = fake.answer(self.command, asked.path, query, body)
            else:
                status, content = 401, {}
            if status >= 400:
                fake.asked.append(f"{self.command} {asked.path}: {status}")
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815  the names that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
