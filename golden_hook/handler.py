"""CodeDeploy's PreTraffic event in -> the new version is asked for its golden answers, and CodeDeploy is told.

Whatever goes wrong here counts against the new version: no traffic moves to what could not be judged. The clients of
AWS come with Lambda's runtime.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from golden_hook.golden import Ask, SilentError, differences

GOLDEN = Path(__file__).parents[1] / "golden.json"

# A little longer than the function's own time-out, so that it is the function which is seen to time out.
ANSWER_SECONDS = float(os.environ.get("ANSWER_SECONDS", "35"))
SHOWN_CHARACTERS = 300


def handler(event: dict[str, str], _context: object) -> dict[str, Any]:
    """Judge the version in NEW_VERSION, and tell CodeDeploy about the deployment that the event names."""
    import boto3
    from botocore.config import Config

    # No second try: a version that answers only the second time is not one to send people to.
    once = Config(connect_timeout=5, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
    found = judge(asking(boto3.client("lambda", config=once), os.environ["NEW_VERSION"]))
    status = "Failed" if found else "Succeeded"
    sys.stdout.write(json.dumps({"event": "golden", "status": status, "differences": found}) + "\n")
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return {"status": status, "differences": found}


def judge(ask: Ask, golden: Path = GOLDEN) -> tuple[str, ...]:
    """What is wrong with the version that `ask` asks; nothing if it may have traffic."""
    try:
        return differences(golden.read_bytes(), ask)
    except Exception as error:  # noqa: BLE001  whatever it is, the version was not proven
        return (f"it could not be judged: {type(error).__name__}: {str(error)[:SHOWN_CHARACTERS]}",)


def asking(client: Any, function: str) -> Ask:
    """Asks a function by invoking it with the events that API Gateway would send."""

    def ask(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        answered = client.invoke(FunctionName=function, Payload=json.dumps(_event(method, path, body)))
        content = answered["Payload"].read().decode(errors="replace")
        try:
            answer = json.loads(content)
            if "FunctionError" not in answered and "statusCode" in answer:
                return int(answer["statusCode"]), json.loads(answer["body"])
        except (TypeError, ValueError):
            pass
        raise SilentError(f"{method} {path}: the function did not answer: {content.strip()[:SHOWN_CHARACTERS]}")

    return ask


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
