"""Who may ask what: the API's routes against the application's own, in every mode."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from lambda_api.app import create_app
from lambda_api.settings import Settings
from tests.fakes.cloudformation import Stack
from tests.fixtures.templates import JWT

MakeStack = Callable[..., Stack]

PROTECTED = {"POST /predict", "POST /predict_batch", "GET /model_info"}
PUBLIC = {"GET /", "GET /health", "GET /ui", "GET /docs", "GET /docs/{name}", "GET /openapi.json"}
MODES: dict[str, dict[str, str]] = {"iam": {}, "jwt": JWT, "none": {"AuthMode": "none"}}


def routes(stack: Stack) -> dict[str, dict[str, Any]]:
    copies = [dict(route) for route in stack.of("AWS::ApiGatewayV2::Route").values()]
    return {route.pop("RouteKey"): route for route in copies}


def of_the_application() -> set[str]:
    """Method and path of every route; HEAD comes with GET where the framework adds it."""
    return {
        f"{method} {route.path}"
        for route in create_app(Settings()).routes
        if isinstance(route, APIRoute | Route)
        for method in route.methods or ()
        if method != "HEAD"
    }


def test_each_route_of_the_application_is_decided_upon_and_declared_and_nothing_else_is(make_stack: MakeStack) -> None:
    """A catch-all that is public would carry an encoded path past the lock of the route that it decodes to."""
    assert of_the_application() == PROTECTED | PUBLIC
    for parameters in MODES.values():
        assert routes(make_stack(**parameters)).keys() == PROTECTED | PUBLIC


@pytest.mark.parametrize(
    ("mode", "lock"),
    [
        ("iam", {"AuthorizationType": "AWS_IAM"}),
        ("jwt", {"AuthorizationType": "JWT", "AuthorizerId": "JwtAuthorizer"}),
        ("none", {"AuthorizationType": "NONE"}),
    ],
)
def test_predictions_are_locked_as_the_mode_says_and_pages_are_open(
    make_stack: MakeStack, mode: str, lock: dict[str, str]
) -> None:
    common = {"ApiId": "Api", "Target": "integrations/Integration"}

    assert routes(make_stack(**MODES[mode])) == {
        **dict.fromkeys(PROTECTED, common | lock),
        **{route: common | {"AuthorizationType": "NONE"} for route in PUBLIC},
    }


def test_a_token_counts_only_from_its_issuer_and_for_this_service(make_stack: MakeStack) -> None:
    assert make_stack(**JWT).resources["JwtAuthorizer"]["Properties"] == {
        "ApiId": "Api",
        "Name": "jwt",
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": "https://issuer.example", "Audience": ["obesity", "levels"]},
    }


def test_the_api_asks_the_alias_and_only_this_api_may(make_stack: MakeStack) -> None:
    stack = make_stack()

    integration = stack.resources["Integration"]["Properties"]
    assert (integration["IntegrationUri"], integration["PayloadFormatVersion"]) == ("ApiFunctionAliaslive", "2.0")
    ((_, permission),) = stack.of("AWS::Lambda::Permission").items()
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "ApiFunctionAliaslive",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:eu-central-1:123456789012:Api/*/*",
    }


def test_the_gateway_waits_for_the_function_as_long_as_that_may_take(make_stack: MakeStack) -> None:
    stack = make_stack()

    waits = stack.resources["Integration"]["Properties"]["TimeoutInMillis"]
    assert waits == 1000 * stack.resources["ApiFunction"]["Properties"]["Timeout"]


def test_the_gateway_answers_preflights_where_origins_are_named_and_no_page_may_call_otherwise(
    make_stack: MakeStack,
) -> None:
    """A preflight carries no credentials, so a protected route could not answer it."""
    assert "CorsConfiguration" not in make_stack().resources["Api"]["Properties"]
    api = make_stack(CorsOrigins="https://a.example,http://localhost:5173").resources["Api"]["Properties"]
    assert api["CorsConfiguration"] == {
        "AllowOrigins": ["https://a.example", "http://localhost:5173"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": [
            "authorization",
            "content-type",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-security-token",
            "x-request-id",
        ],
        "ExposeHeaders": ["x-model-version", "x-request-id"],
        "MaxAge": 600,
    }


def test_the_stage_has_no_name_in_its_paths_and_limits_what_comes(make_stack: MakeStack) -> None:
    stage = make_stack(ThrottlingRate="50", ThrottlingBurst="80").resources["ApiStage"]["Properties"]

    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": "50", "ThrottlingBurstLimit": "80"}


def test_the_access_log_is_json_and_says_nothing_of_the_caller_or_what_was_asked(make_stack: MakeStack) -> None:
    stage = make_stack().resources["ApiStage"]["Properties"]

    assert stage["AccessLogSettings"]["DestinationArn"] == "AccessLogGroup.Arn"
    assert json.loads(stage["AccessLogSettings"]["Format"]) == {
        "event": "access",
        "time": "$context.requestTimeEpoch",
        "request_id": "$context.requestId",
        "route": "$context.routeKey",
        "status": "$context.status",
        "latency_ms": "$context.responseLatency",
        "integration_ms": "$context.integrationLatency",
        "integration_status": "$context.integrationStatus",
        "error": "$context.error.responseType",
        "authorizer_error": "$context.authorizer.error",
    }
