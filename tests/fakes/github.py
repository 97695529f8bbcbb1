"""A small GitHub: pull requests, issues and their comments, and workflows to start, behind a real HTTP server."""

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
TOKEN = "a token of the tests"
SHA = "1234567890abcdef1234567890abcdef12345678"
RUN_URL = f"https://github.example/{REPOSITORY}/actions/runs/11"


def event(*, fork: bool = False, sha: str = SHA, conclusion: str = "success") -> dict[str, Any]:
    """What GitHub tells about a finished run; of a fork's it does not say for which pull request."""
    pull_requests = [{"number": 7, "head": {"sha": sha, "ref": "change"}}]
    run = {
        "event": "pull_request",
        "head_sha": sha,
        "head_branch": "change",
        "head_repository": {"id": 5, "owner": {"login": "somebody" if fork else "us"}},
        "html_url": RUN_URL,
        "id": 11,
        "conclusion": conclusion,
        "pull_requests": [] if fork else pull_requests,
    }
    return {"repository": {"full_name": REPOSITORY}, "workflow_run": run}


@dataclass
class FakeGitHub:
    """What it holds; `asked` are the requests that changed something, and those that were refused."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        first = (int(query.get("page", "1")) - 1) * int(query.get("per_page", "30"))
        page = slice(first, first + int(query.get("per_page", "30")))
        order = f"{method} {path.removeprefix(f'/repos/{REPOSITORY}')}"
        if order.startswith("GET"):
            content = self._read(order.removeprefix("GET "), query)
            return (404, {}) if content is None else (200, content[page] if isinstance(content, list) else content)
        return self._write(order, body) or (404, {})

    def _read(self, path: str, query: dict[str, str]) -> Any:
        if path == "/pulls":
            wanted = (query["head"], query["state"])
            return [item for item in self.pulls if (item["head"]["label"], item["state"]) == wanted]
        if path == "/issues":
            return [item for item in self.issues if (item["label"], item["state"]) == (query["labels"], query["state"])]
        if match := re.fullmatch(r"/pulls/(\d+)", path):
            return next((item for item in self.pulls if item["number"] == int(match[1])), None)
        if match := re.fullmatch(r"/issues/(\d+)/comments", path):
            return [item for item in self.comments if item["number"] == int(match[1])]
        return None

    def _write(self, order: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        if match := re.fullmatch(r"POST /issues/(\d+)/comments", order):
            self.asked.append("POST")
            return 201, self.add(int(match[1]), body["body"], BOT)
        if match := re.fullmatch(r"PATCH /issues/comments/(\d+)", order):
            self.asked.append("PATCH")
            return 200, _changed(self.comments, "id", int(match[1]), body)
        if order == "POST /issues":
            self.asked.append("open")
            return 201, self.open(body["body"], BOT, label=",".join(body["labels"]), title=body["title"])
        if match := re.fullmatch(r"PATCH /issues/(\d+)", order):
            self.asked.append("close" if body.get("state") == "closed" else "update")
            return 200, _changed(self.issues, "number", int(match[1]), body)
        if match := re.fullmatch(r"POST /actions/workflows/([\w.-]+)/dispatches", order):
            self.asked.append("start")
            self.started.append((match[1], body))
            return 204, None
        return None

    def open(self, body: str, login: str, *, label: str = "drift", **more: object) -> dict[str, Any]:
        """An open issue."""
        number = 20 + len(self.issues)
        issue = {"number": number, "state": "open", "label": label, "body": body, "user": {"login": login}, **more}
        self.issues.append(issue)
        return issue

    def add(self, number: int, body: str, login: str) -> dict[str, Any]:
        """A comment."""
        comment = {"id": 100 + len(self.comments), "number": number, "body": body, "user": {"login": login}}
        self.comments.append(comment)
        return comment


def _changed(items: list[dict[str, Any]], key: str, value: int, body: dict[str, Any]) -> dict[str, Any]:
    item = next(item for item in items if item[key] == value)
    item.update(body)
    return item


def pull(number: int = 7, owner: str = "us", sha: str = SHA, state: str = "open") -> dict[str, Any]:
    """A pull request."""
    return {"number": number, "state": state, "head": {"label": f"{owner}:change", "sha": sha}}


@contextmanager
def serving(fake: FakeGitHub) -> Iterator[FakeGitHub]:
    """The fake behind HTTP, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, content = fake.answer(self.command, url.path, query, body)
            else:
                status, content = 401, {}
            if status >= 400:
                fake.asked.append(f"{self.command} {url.path}: {status}")
            text = b"" if content is None else json.dumps(content).encode()
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
