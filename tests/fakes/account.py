"""An AWS account on this machine: S3, IAM, Lambda and logs by moto; CloudFormation, CodeDeploy and API Gateway by this.

moto's CloudFormation ignores SAM's transform and knows neither aliases nor HTTP APIs nor CodeDeploy. So the few calls
of `sam deploy` are answered here: the template is expanded by SAM's own translator, its functions are carried out by
`cloudformation.Stack`, and what the project's commands read back is really made, by moto's direct APIs, from the zip
that `sam deploy` uploaded. Before the alias moves, the hook from the other uploaded zip judges the new version, both in
Lambda's runtime; and the API's address is a gateway in front of whatever version the alias names.
"""

import io
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen
from xml.sax.saxutils import escape

from pipeline.ship import gateway
from pipeline.ship.emulate import EmulatedFunction, emulated
from tests.fakes.cloudformation import Stack
from tests.fakes.hook_endpoints import hook_endpoints
from tests.paths import ROOT

REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
FUNCTION, HOOK, ALIAS = "ApiFunction", "GoldenHook", "ApiFunctionAliaslive"
STACK_TYPE = "AWS::CloudFormation::Stack"
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}


@dataclass
class StackState:
    """A stack as it is kept: what it was last deployed from, and what has happened to it, the newest last."""

    status: str = "REVIEW_IN_PROGRESS"
    deployed: tuple[str, dict[str, str]] | None = None
    proposed: tuple[str, dict[str, str]] | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Account:
    """The account; `environment` is what a command needs to reach it."""

    moto: str
    folder: Path
    tools: Path
    stacks: dict[str, StackState] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    before_hook: Callable[[Path], None] = lambda _: None

    def client(self, service: str) -> Any:
        """moto's service."""
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        import boto3

        return boto3.client(service, endpoint_url=self.moto, region_name=REGION, **keys)

    def answers(self, event: dict[str, Any]) -> dict[str, Any]:
        """What API Gateway makes of a request: the version that the alias names is started and asked."""
        self.requests.append(event)
        number = self.client("lambda").get_alias(FunctionName=self.function, Name="live")["FunctionVersion"]
        return self.running(number).invoke(event)

    @property
    def function(self) -> str:
        """The one function that the project's commands know of."""
        (name,) = (state.outputs["FunctionName"] for state in self.stacks.values() if "FunctionName" in state.outputs)
        return name

    # ---- CloudFormation -----------------------------------------------------------------------------------------

    def call(self, action: str, asked: dict[str, str]) -> tuple[int, str]:
        """The answer to one call, as XML."""
        name = asked.get("StackName", "").rpartition("stack/")[2].partition("/")[0]
        state = self.stacks.get(name)
        if action == "CreateChangeSet":
            return 200, self._proposed(name, asked)
        if state is None or (action == "DescribeStacks" and state.status == "REVIEW_IN_PROGRESS"):
            return 400, _xml("ErrorResponse", {"Error": {"Type": "Sender", "Code": "ValidationError",
                             "Message": f"Stack with id {name} does not exist"}})  # fmt: skip
        if action == "ExecuteChangeSet":
            state.events.append(_event(name, name, STACK_TYPE, "UPDATE_IN_PROGRESS", "User Initiated"))
            state.status = "UPDATE_IN_PROGRESS"
            threading.Thread(target=self._deploy, args=(name, state), daemon=True).start()
        results: dict[str, Any] = {
            "DescribeStacks": {"Stacks": [self._description(name, state)]},
            "DescribeStackEvents": {"StackEvents": list(reversed(state.events))},
            "DescribeChangeSet": self._changes(state),
            "GetTemplateSummary": {"Parameters": [{"ParameterKey": key} for key in (state.deployed or ("", {}))[1]]},
        }
        return 200, _xml(f"{action}Response", {f"{action}Result": results.get(action, {})})

    def _proposed(self, name: str, asked: dict[str, str]) -> str:
        bucket, _, key = urlsplit(asked["TemplateURL"]).path.lstrip("/").partition("/")
        text = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        places = [key for key in asked if key.endswith(".ParameterKey")]
        parameters = {asked[place]: asked.get(place.replace("Key", "Value"), "") for place in places}
        if name not in self.stacks:
            self.stacks[name] = StackState(
                events=[_event(name, name, STACK_TYPE, "REVIEW_IN_PROGRESS", "User Initiated")]
            )
        self.stacks[name].proposed = (text, parameters)
        return _xml("CreateChangeSetResponse", {"CreateChangeSetResult": {"Id": f"arn:changes/{name}"}})

    def _changes(self, state: StackState) -> dict[str, Any]:
        if state.proposed == state.deployed:
            reason = (
                "The submitted information didn't contain changes. Submit different information to create a change set."
            )
            return {"Status": "FAILED", "StatusReason": reason, "ExecutionStatus": "UNAVAILABLE"}
        change = {"Action": "Modify", "LogicalResourceId": FUNCTION, "ResourceType": "AWS::Lambda::Function"}
        return {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": change}]}

    def _description(self, name: str, state: StackState) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in state.outputs.items()]
        when = datetime.now(UTC).isoformat()
        return {"StackName": name, "StackStatus": state.status, "CreationTime": when, "Outputs": outputs}

    # ---- what a deployment does -----------------------------------------------------------------------------------

    def _deploy(self, name: str, state: StackState) -> None:
        assert state.proposed is not None
        first = state.deployed is None
        try:
            stack = self._stack(name, state)
            version = self._publish(stack, name, first=first)
            refusal = self._judged(stack, version)
        except Exception as error:  # noqa: BLE001  whatever fails here fails the deployment, and the test reads why
            refusal = f"{type(error).__name__}: {error}"
        if refusal:
            state.events.append(_event(name, ALIAS, "AWS::Lambda::Alias", "UPDATE_FAILED", refusal))
            state.status = "ROLLBACK_COMPLETE" if first else "UPDATE_ROLLBACK_COMPLETE"
        else:
            self._move(name, version, first=first)
            state.status = "CREATE_COMPLETE" if first else "UPDATE_COMPLETE"
            state.deployed, state.outputs = state.proposed, stack.outputs
        state.events.append(_event(name, name, STACK_TYPE, state.status, ""))

    def _stack(self, name: str, state: StackState) -> Stack:
        """The template, expanded and with every function carried out; refused where its own rules refuse."""
        assert state.proposed is not None
        text, parameters = state.proposed
        template = self.folder / f"{name}.yaml"
        template.write_text(text)
        command = [str(self.tools / "sam/bin/python"), str(ROOT / "tests/infra/expand.py"), str(template)]
        environment = os.environ | {"AWS_DEFAULT_REGION": REGION}
        done = subprocess.run(
            command, input=json.dumps([parameters]), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        names = {"ApiFunction": name, "ApiFunction.Alias": f"{name}:live"}
        stack = Stack(json.loads(done.stdout)["templates"][0], parameters | {"AWS::StackName": name}, names)
        assert not stack.refusals(), stack.refusals()
        stack.outputs["ApiUrl"] = self.environment["API_URL"]
        return stack

    def _publish(self, stack: Stack, name: str, *, first: bool) -> str:
        """The function as the template has it, its role and log groups too, and its new version's number."""
        client, properties = self.client("lambda"), stack.resources[FUNCTION]["Properties"]
        if first:
            for group in stack.of("AWS::Logs::LogGroup").values():
                self.client("logs").create_log_group(logGroupName=group["LogGroupName"])
            for role, declared in stack.of("AWS::IAM::Role").items():
                trust = json.dumps(declared["AssumeRolePolicyDocument"])
                self.client("iam").create_role(RoleName=f"{name}-{role}", AssumeRolePolicyDocument=trust)
        code = {key: properties["Code"][key] for key in ("S3Bucket", "S3Key")}
        if first:
            client.create_function(
                FunctionName=properties["FunctionName"],
                Role=f"arn:aws:iam::123456789012:role/{name}-ApiFunctionRole",
                Runtime=properties["Runtime"],
                Handler=properties["Handler"],
                Code=code,
                Environment=properties["Environment"],
                MemorySize=int(properties["MemorySize"]),
            )
        else:
            client.update_function_code(FunctionName=properties["FunctionName"], **code)
        (version,) = stack.of("AWS::Lambda::Version").values()
        number = client.publish_version(FunctionName=properties["FunctionName"], Description=version["Description"])[
            "Version"
        ]
        self._unpack(stack, FUNCTION, self.folder / number)
        (self.folder / f"{number}.json").write_text(json.dumps(properties["Environment"]["Variables"]))
        return str(number)

    def _unpack(self, stack: Stack, resource: str, folder: Path) -> None:
        code = stack.resources[resource]["Properties"]["Code"]
        content = self.client("s3").get_object(Bucket=code["S3Bucket"], Key=code["S3Key"])["Body"].read()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)

    def _judged(self, stack: Stack, version: str) -> str:
        """What CodeDeploy makes of the hook's answer about the new version; nothing if it may go on."""
        folder = self.folder / f"hook-{version}"
        self._unpack(stack, HOOK, folder)
        self.before_hook(folder)
        with self._emulated(version) as function, hook_endpoints(function) as aws:
            environment = KEYS | {
                "NEW_VERSION": "arn:aws:lambda:eu-central-1:123456789012:function:obesity-levels-dev:7"
            }
            environment |= {"AWS_ENDPOINT_URL": aws.address}
            with emulated(folder, environment, self.tools, handler="golden_hook.handler.handler") as hook:
                answer = hook.invoke(EVENT)
            assert [item["status"] for item in aws.statuses] == [answer["status"]]
        return "" if answer["status"] == "Succeeded" else f"hook failed: {answer['differences']}"

    def _move(self, name: str, version: str, *, first: bool) -> None:
        client = self.client("lambda")
        (client.create_alias if first else client.update_alias)(FunctionName=name, Name="live", FunctionVersion=version)

    # ---- the function, in Lambda's runtime ------------------------------------------------------------------------

    def _emulated(self, version: str) -> Any:
        variables = json.loads((self.folder / f"{version}.json").read_text())
        return emulated(self.folder / version, variables, self.tools)

    def running(self, version: str) -> EmulatedFunction:
        """A published version, started where it is not running."""
        if version not in self.started:
            self.started[version] = self._stopped.enter_context(self._emulated(version))
        return self.started[version]

    def __post_init__(self) -> None:
        self.started: dict[str, EmulatedFunction] = {}
        self._stopped = ExitStack()

    def close(self) -> None:
        """Stop what was started."""
        self._stopped.close()


def _event(name: str, resource: str, kind: str, status: str, reason: str) -> dict[str, str]:
    why = {"ResourceStatusReason": reason} if reason else {}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    event = {"EventId": f"{resource}-{now}", "LogicalResourceId": resource, "ResourceType": kind, "Timestamp": now}
    return event | why | {"ResourceStatus": status, "StackId": name, "StackName": name, "PhysicalResourceId": resource}


def _xml(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inside = "".join(_xml(key, item) for key, item in value.items())
    elif isinstance(value, list):
        inside = "".join(_xml("member", item) for item in value)
    else:
        inside = escape(str(value))
    return f"<{name}>{inside}</{name}>"


def cloudformation_handler(account: Account) -> type[BaseHTTPRequestHandler]:
    """CloudFormation's address."""

    class CloudFormationHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
            flat = {key: values[0] for key, values in fields.items()}
            status, text = account.call(flat["Action"], flat)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return CloudFormationHandler


def lambda_handler(account: Account) -> type[BaseHTTPRequestHandler]:
    """Lambda's address: moto's, but that a function which is invoked really runs."""

    class LambdaHandler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            url = urlsplit(self.path)
            if url.path.endswith("/invocations"):
                version = unquote(url.path).split("/")[-2].rpartition(":")[2]
                self.reply(200, json.dumps(account.running(version).invoke(json.loads(body))).encode())
                return
            request = Request(f"{account.moto}{self.path}", body or None, dict(self.headers), method=self.command)
            try:
                with urlopen(request) as answered:
                    self.reply(answered.status, answered.read())
            except HTTPError as error:
                with error:
                    self.reply(error.code, error.read(), error.headers.get("X-Amzn-ErrorType", ""))

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  the standard library's names

        def reply(self, status: int, body: bytes, kind: str = "") -> None:
            self.send_response(status)
            if kind:
                self.send_header("X-Amzn-ErrorType", kind)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return LambdaHandler


@contextmanager
def account(moto: str, folder: Path, tools: Path) -> Iterator[Account]:
    """An account on a moto server, while the block runs."""
    fake = Account(moto, folder, tools)

    aws_servers = [
        ThreadingHTTPServer(("127.0.0.1", 0), handler)
        for handler in (cloudformation_handler(fake), lambda_handler(fake))
    ]
    servers = [*aws_servers, gateway.server(fake.answers, 0)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    cloudformation, function, api = (f"http://localhost:{server.server_port}" for server in servers)
    endpoints = {"AWS_ENDPOINT_URL": moto, "AWS_ENDPOINT_URL_CLOUDFORMATION": cloudformation}
    endpoints |= {"AWS_ENDPOINT_URL_LAMBDA": function}
    fake.environment = KEYS | endpoints | {"API_URL": api}
    try:
        yield fake
    finally:
        fake.close()
        for server in servers:
            server.shutdown()
            server.server_close()
