"""CodeDeploy's PreTraffic event -> a check of the new version's golden answers, and the result sent to CodeDeploy.

Every error counts against the new version: one that could not be checked gets no traffic. boto3 comes with Lambda's
runtime.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from golden_hook.golden import CallService, NoAnswerError, differences

GOLDEN = Path(__file__).parents[1] / "golden.json"

# A little longer than the function's own timeout, so that a slow function fails by its own timeout first.
ANSWER_SECONDS = float(os.environ.get("ANSWER_SECONDS", "35"))
SHOWN_CHARACTERS = 300


def handler(event: dict[str, str], _context: object) -> dict[str, Any]:
    """Check the version in NEW_VERSION, and send the result to the deployment that the event names."""
    import boto3
    from botocore.config import Config

    # One attempt only: a version that answers only at the second one must not get traffic.
    config = Config(connect_timeout=5, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
    problems = check_version(function_caller(boto3.client("lambda", config=config), os.environ["NEW_VERSION"]))
    status = "Failed" if problems else "Succeeded"
    sys.stdout.write(json.dumps({"event": "golden", "status": status, "differences": problems}) + "\n")
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return {"status": status, "differences": problems}


def check_version(call: CallService, golden: Path = GOLDEN) -> tuple[str, ...]:
    """What is wrong with the version that `call` reaches; empty if it may have traffic."""
    try:
        return differences(golden.read_bytes(), call)
    except Exception as error:  # noqa: BLE001  after any error at all the version is not proven
        return (f"it could not be checked: {type(error).__name__}: {str(error)[:SHOWN_CHARACTERS]}",)


def function_caller(client: Any, function: str) -> CallService:
    """Sends requests to a function by invoking it with the events that API Gateway would send."""

    def call(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        response = client.invoke(FunctionName=function, Payload=json.dumps(_event(method, path, body)))
        content = response["Payload"].read().decode(errors="replace")
        try:
            answer = json.loads(content)
            if "FunctionError" not in response and "statusCode" in answer:
                return int(answer["statusCode"]), json.loads(answer["body"])
        except (TypeError, ValueError):
            pass
        raise NoAnswerError(f"{method} {path}: the function did not answer: {content.strip()[:SHOWN_CHARACTERS]}")

    return call


def _event(method: str, path: str, body: bytes | None) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "golden",
            "stage": "$default",
        },
        "body": body.decode() if body else "",
        "isBase64Encoded": False,
    }
