"""The fake GitHub behind a real HTTP server, page by page."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.github.answers import RefusedError, answer

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub

# Source: docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api.
LARGEST_PAGE, USUAL_PAGE = 100, 30


@contextmanager
def serving(fake: "FakeGitHub") -> Iterator["FakeGitHub"]:
    """The fake behind HTTP, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            secret = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                content = answer(fake, self.command, unquote(url.path), query, body, secret)
                status, content = content if isinstance(content, tuple) else (200, content)
            except RefusedError as refused:
                status, content = refused.status, refused.content
                fake.asked.append(f"{self.command} {url.path}: {status}")
            if isinstance(content, list):
                size = min(int(query.get("per_page", USUAL_PAGE)), LARGEST_PAGE)
                first = (int(query.get("page", "1")) - 1) * size
                content = content[first : first + size]
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
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
