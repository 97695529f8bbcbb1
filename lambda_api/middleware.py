"""Any ASGI application in -> the same one, in which every response can be traced and a bug tells nothing.

Outside of the framework, because the framework's own last resort prints an error's text, and that may hold health data.
"""

import os
import re
import time

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lambda_api.requests import JSON, SHOWN_PROBLEMS, ErrorBody, RequestError, request_error

_CLEAN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id(scope: Scope) -> str:
    """API Gateway's id where there is one, else the client's own if it is harmless, else a new one."""
    if event := scope.get("aws.event"):
        given = event.get("requestContext", {}).get("requestId")
        if isinstance(given, str) and given:
            return given
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _CLEAN.fullmatch(value):
            return str(value, "ascii")
    return os.urandom(16).hex()


def error_response(error: RequestError, request_id: str) -> Response:
    """The response that says why a request was not answered."""
    shown = list(error.problems[:SHOWN_PROBLEMS])
    body = ErrorBody(detail=shown, total=len(error.problems), request_id=request_id)
    return Response(to_json(body), error.status, media_type=JSON)


class RequestContext:
    """Gives each request an id and a start time, each response its headers, and each bug an empty 500.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["started"] = time.perf_counter()
        scope["request_id"] = request_id(scope)
        state = scope["app"].state
        response_started = False

        async def traced(message: Message) -> None:
            nonlocal response_started
            if message["type"] == "http.response.start":
                response_started = True
                message["headers"] += [
                    (b"x-request-id", scope["request_id"].encode()),
                    (b"x-model-version", state.service.manifest.model_version.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, traced)
        except Exception as error:  # noqa: BLE001  whatever it is, the client learns an id and nothing else
            state.telemetry.failed(scope["request_id"], error)
            if not response_started:
                fault = request_error(500, "internal_error", [], "A fault of the service: report the request_id")
                await error_response(fault, scope["request_id"])(scope, receive, traced)
