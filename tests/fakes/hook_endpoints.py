"""Lambda's and CodeDeploy's endpoints, as far as the hook calls them: a thin HTTP server in front of a function."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from pipeline.ship.emulate import EmulatedFunction, EmulationError

VERSION = "arn:aws:lambda:eu-central-1:123456789012:function:obesity-levels-dev:7"
INVOKE = f"/2015-03-31/functions/{VERSION}/invocations"
HOOK_STATUS = "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"


@dataclass
class HookEndpoints:
    """Where AWS answers, and the hook's statuses that CodeDeploy got."""

    address: str
    statuses: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def hook_endpoints(function: EmulatedFunction | None) -> Iterator[HookEndpoints]:
    """The endpoints of Lambda and CodeDeploy; a function of None never answers."""
    aws = HookEndpoints("")
    stop = threading.Event()

    class HookEndpointsHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers.get("X-Amz-Target") == HOOK_STATUS:
                aws.statuses.append(body)
                self.answer({"lifecycleEventHookExecutionId": body["lifecycleEventHookExecutionId"]})
            elif unquote(self.path) != INVOKE:
                self.answer({"__type": "ResourceNotFoundException"}, 404)
            elif function is None:
                stop.wait(20)
            else:
                self.invoke(function, body)

        def invoke(self, function: EmulatedFunction, event: dict[str, Any]) -> None:
            try:
                self.answer(function.invoke(event))
            except EmulationError as error:
                log = function.tail(200).splitlines()
                why = next((line for line in log if "does not start" in line), str(error))
                self.answer({"errorType": "Runtime.ExitError", "errorMessage": why}, failed=True)

        def answer(self, value: object, status: int = 200, *, failed: bool = False) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            if failed:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), HookEndpointsHandler)
    server.daemon_threads = True
    aws.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield aws
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
