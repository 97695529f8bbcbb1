"""HTTP in -> answers out: the routes, what they promise in OpenAPI, and what happens when something is wrong.

A pure ASGI application, made by `create_app`; what runs it (Lambda, uvicorn, a test) does not matter to it. `start`
gives it the model that an environment names, or refuses in one line.
"""

import os
from collections.abc import Callable, Coroutine, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lambda_api import settings as environment
from lambda_api.contract import Record, columns, example
from lambda_api.manifest import ManifestError
from lambda_api.middleware import RequestContext, error_response
from lambda_api.model import ModelError
from lambda_api.requests import CSV, JSON, ErrorBody, Reader, RequestError, request_error
from lambda_api.service import BatchPrediction, ModelInfo, Prediction, Service
from lambda_api.settings import Settings, SettingsError
from lambda_api.telemetry import Telemetry

TITLE = "obesity-levels"
VERSION = "1.0.0"
"""Of the API, not of the model: its first number rises when a client would have to change."""

DESCRIPTION = """\
One of seven weight levels from sixteen answers about body and habits, with calibrated probabilities and the BMI rule
beside them. For teaching and demonstration; not medical advice.

Data: Palechor & de la Hoz Manotas, *Estimation of Obesity Levels Based On Eating Habits and Physical Condition*, UCI
dataset 544, CC BY 4.0; three quarters of its rows are synthetic.
"""

UI_FILE = Path(__file__).with_name("ui.html")
ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""What /docs loads, from the package that ships them: nothing comes from another host."""

_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_SCHEMA = "#/components/schemas/"


class Health(BaseModel):
    """The service answers, and who it is."""

    status: Literal["ok"] = "ok"
    service: str = TITLE
    api_version: str = VERSION
    model_version: str = Field(examples=["3"])
    source: Literal["real", "sample", "other"] = Field(description="Data that the model was trained on")
    links: dict[str, str] = {"docs": "/docs", "openapi": "/openapi.json", "form": "/ui", "model": "/model_info"}


def _answer(model: type[BaseModel], description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": {"$ref": f"{_SCHEMA}{model.__name__}"}}}}


def _ok(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: _answer(model, "Successful Response")}


_MEANINGS = {413: "The body is too large", 415: "Another Content-Type", 422: "Not what the contract says"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: _answer(ErrorBody, meaning) for status, meaning in _MEANINGS.items()
}
# FastAPI's own telemetry would record refused bodies and the texts of errors as soon as an exporter is configured.
_SILENT: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
_PRIVATE = {"Cache-Control": "no-store"}


def _csv_example() -> str:
    return ",".join(column.name for column in columns()) + "\n" + ",".join(map(str, example().values())) + "\n"


def _body(media: Mapping[str, object]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": dict(media)}}


_ONE = _body({JSON: {"schema": {"$ref": f"{_SCHEMA}Record"}, "example": example()}})
_MANY = _body(
    {
        JSON: {"schema": {"$ref": f"{_SCHEMA}Batch"}, "example": {"records": [example(), example()]}},
        CSV: {"schema": {"type": "string"}, "example": _csv_example()},
    }
)


async def _request_error(request: Request, error: RequestError) -> Response:
    request.app.state.telemetry.refused(request.scope["request_id"], error.status, error.kinds())
    return error_response(error, request.scope["request_id"])


async def _no_such_route(request: Request, error: HTTPException) -> Response:
    kind, msg = {
        404: ("not_found", "No such path: see /docs"),
        405: ("method_not_allowed", "No such method on this path: see /docs"),
    }.get(error.status_code, ("refused", "The request cannot be answered"))
    response = error_response(request_error(error.status_code, kind, ["path"], msg), request.scope["request_id"])
    response.headers.update(error.headers or {})
    return response


async def _hung_up(_request: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=499)  # the client has left, which is no fault of the service


def _page(content: bytes | str) -> Response:
    return Response(content, media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY})


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _answers(app: FastAPI, reader: Reader) -> None:
    """The routes that answer about records."""

    @app.post("/predict", responses=_ok(Prediction) | _ERRORS, openapi_extra=_ONE, tags=["predict"])
    async def predict(request: Request) -> Response:
        """The level of one person, with seven calibrated probabilities and the BMI rule beside them."""
        body = await reader.body(request.stream())
        record = reader.one(request.headers.get("content-type", ""), body)
        answered = _service(request).answer([record])
        answer = answered.answers[0] | {"model_version": _service(request).manifest.model_version}
        request.app.state.telemetry.predicted(request.scope["request_id"], answered, request.scope["started"])
        return Response(to_json(answer), media_type=JSON, headers=_PRIVATE)

    @app.post(
        "/predict_batch",
        responses=_ok(BatchPrediction) | _ERRORS,
        openapi_extra=_MANY,
        tags=["predict"],
    )
    async def predict_batch(request: Request) -> Response:
        """The levels of many people, in their order, from JSON or CSV, with a count of each level."""
        body = await reader.body(request.stream())
        records = reader.batch(request.headers.get("content-type", ""), body)
        answered = _service(request).answer(records)
        answer = {
            "predictions": answered.answers,
            "summary": {
                "records": len(records),
                "levels": answered.levels(),
                "mean_confidence": answered.mean_confidence(),
            },
            "model_version": _service(request).manifest.model_version,
        }
        request.app.state.telemetry.predicted_batch(request.scope["request_id"], answered, request.scope["started"])
        return Response(to_json(answer), media_type=JSON, headers=_PRIVATE)


def _about(app: FastAPI) -> None:
    """The routes that answer about the service itself."""

    @app.get("/", responses=_ok(Health), tags=["service"])
    async def identity(request: Request) -> Response:
        """The same as /health."""
        return await health(request)

    @app.get("/health", responses=_ok(Health), tags=["service"])
    async def health(request: Request) -> Response:
        """The service has just answered the example record, and with which model."""
        service = _service(request)
        service.example()
        health = Health(model_version=service.manifest.model_version, source=service.manifest.source)
        return Response(to_json(health), media_type=JSON)

    @app.get("/model_info", responses=_ok(ModelInfo), tags=["service"])
    async def model_info(request: Request) -> Response:
        """Where the model comes from, what was measured on which rows, and what a record must have."""
        return Response(to_json(_service(request).info()), media_type=JSON)


def _pages(app: FastAPI) -> None:
    """The pages for people; neither loads anything from another host."""

    @app.get("/ui", include_in_schema=False)
    async def ui(_request: Request) -> Response:
        return _page(UI_FILE.read_bytes())

    @app.get("/docs", include_in_schema=False)
    async def docs(_request: Request) -> Response:
        script, style = (f"docs/{name}" for name in ASSETS)
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=TITLE,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url="data:,",
        )
        return _page(bytes(page.body))

    @app.get("/docs/{name}", include_in_schema=False)  # noqa: FAST003  _Direct gives the request only
    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        package = find_spec("fastapi_offline")
        if name not in ASSETS or package is None or package.origin is None:
            raise HTTPException(404)
        content = (Path(package.origin).parent / "static" / name).read_bytes()
        return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})


class _Direct(APIRoute):
    """A route that hands the request itself to its function: `Reader` is quicker and names each problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function as it is."""
        return self.endpoint


class _Application(FastAPI):
    """FastAPI whose document also has the schemas of the bodies and answers that it does not parse or make."""

    batch_type: type[BaseModel]

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if not self.openapi_schema:
            document = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=self.routes)
            sent, answered = (Record, self.batch_type), (Prediction, BatchPrediction, Health, ModelInfo, ErrorBody)
            _, definitions = models_json_schema(
                [*((model, "validation") for model in sent), *((model, "serialization") for model in answered)],
                ref_template=f"{_SCHEMA}{{model}}",
            )
            schemas = definitions["$defs"]
            schemas["Record"]["description"] = schemas["Record"]["description"].partition("\n")[
                0
            ]  # the rest is Python's
            document["components"] = {"schemas": schemas}
            self.openapi_schema = document
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """The application without a model: it can describe itself, and answers once `serve` has given it one."""
    reader = Reader(settings.max_body_bytes, settings.max_records)
    app = _Application(
        title=TITLE,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry=_SILENT,
    )
    app.batch_type = reader.batch_type
    app.router.route_class = _Direct
    _answers(app, reader)
    _about(app)
    _pages(app)
    app.exception_handler(RequestError)(_request_error)
    app.exception_handler(HTTPException)(_no_such_route)
    app.exception_handler(ClientDisconnect)(_hung_up)
    app.add_middleware(RequestContext)
    if settings.cors_origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=settings.cors_credentials,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "X-Request-Id"],
            expose_headers=["X-Model-Version", "X-Request-Id"],
        )
    return app


def serve(app: FastAPI, service: Service, settings: Settings | None = None) -> FastAPI:
    """The application, ready to answer with this model; it has answered one example already."""
    service.example()
    settings = settings or Settings()
    app.state.service = service
    app.state.telemetry = Telemetry(service.manifest.model_version, settings.telemetry, settings.namespace)
    return app


def start(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The application that an environment names.

    Raises:
        SystemExit: A setting, the manifest or the model is wrong; its one line says which, and what to do.
    """
    try:
        settings = environment.read(environ)
        return serve(create_app(settings), Service.load(settings.model_dir), settings)
    except (SettingsError, ManifestError, ModelError) as error:
        raise SystemExit(f"The service does not start: {error}") from None
