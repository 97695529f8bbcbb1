"""The name of a stage -> its stack on AWS, and the model that each version of its function holds.

A published version of a function never changes, and its zip holds code and model together. So the description that it
was published with names its model for ever, and the alias says which version answers. Only the alias is ever written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from golden_hook.golden import CallService
from golden_hook.handler import function_caller
from lambda_api.manifest import Manifest
from pipeline import aws
from pipeline.errors import CloudError, RaceLostError
from pipeline.ship.stages import Stage

UNKNOWN = "unknown"
COMMIT_DIGITS = 12
"""A version's description has at most 256 characters, and two digests are in it."""

_BUSY = "_IN_PROGRESS"


@dataclass(frozen=True)
class FunctionVersion:
    """One published version of the function and the model it holds; `UNKNOWN` if something else published it.

    Attributes:
        number: The function's version, such as "12".
        model: The model's version in the registry, such as "3".
        model_sha256: SHA-256 of the graph.
        commit: The commit that made the model.
        data_sha256: SHA-256 of the data that the model was trained on.
    """

    number: str
    model: str = UNKNOWN
    model_sha256: str = UNKNOWN
    commit: str = UNKNOWN
    data_sha256: str = UNKNOWN

    @classmethod
    def from_description(cls, number: str, description: str) -> Self:
        """The version with this number, its model read from what `version_description` wrote."""
        pairs = (part.partition("=") for part in description.split(";"))
        return cls(number, **{_FIELDS[key]: value for key, _, value in pairs if key in _FIELDS and value})


_FIELDS = {"model": "model", "sha256": "model_sha256", "commit": "commit", "data": "data_sha256"}


def version_description(manifest: Manifest) -> str:
    """The description to publish a function's version with; `FunctionVersion.from_description` reads it."""
    values = {
        "model": manifest.model_version,
        "sha256": manifest.model_sha256,
        "commit": (manifest.git_commit or UNKNOWN)[:COMMIT_DIGITS],
        "data": manifest.data_sha256,
    }
    return ";".join(f"{key}={value}" for key, value in values.items())


@dataclass(frozen=True)
class LiveAlias:
    """Where the alias sends requests.

    Attributes:
        version: The version that answers.
        canary: During a canary, the new version and its share of the requests.
        revision: AWS's id of the alias's present state; `Stack.send_all_to` refuses to overwrite a newer one.
    """

    version: FunctionVersion
    canary: tuple[FunctionVersion, float] | None
    revision: str


@dataclass(frozen=True)
class Stack:
    """A stage's stack as CloudFormation describes it."""

    name: str
    status: str
    outputs: Mapping[str, str]

    @property
    def busy(self) -> bool:
        """Whether CloudFormation is changing it now."""
        return self.status.endswith(_BUSY)

    def output(self, name: str) -> str:
        """The value of one of the template's outputs.

        Raises:
            CloudError: The stack has no output with this name.
        """
        if name not in self.outputs:
            raise CloudError(f"the stack {self.name} ({self.status}) has no output {name}: deploy it again")
        return self.outputs[name]

    def live_alias(self) -> LiveAlias:
        """Which versions answer requests now.

        Raises:
            CloudError: AWS cannot be asked, or the alias is gone.
        """
        function, alias = self.output("FunctionName"), self.output("FunctionAlias")
        with aws.aws_errors(f"the alias {alias} of {function} cannot be read"):
            client = aws.client("lambda")
            response = client.get_alias(FunctionName=function, Name=alias)
            weights = response.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            canaries = [(_get_version(client, function, number), share) for number, share in weights.items()]
            version = _get_version(client, function, response["FunctionVersion"])
        return LiveAlias(version, canaries[0] if canaries else None, response["RevisionId"])

    def versions(self) -> tuple[FunctionVersion, ...]:
        """Every published version that still exists, the newest first.

        Raises:
            CloudError: AWS cannot be asked.
        """
        function = self.output("FunctionName")
        with aws.aws_errors(f"the versions of {function} cannot be listed"):
            pages = aws.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=function)
            versions = [_parse_version(configuration) for page in pages for configuration in _published(page)]
        return tuple(sorted(versions, key=lambda version: -int(version.number)))

    def caller(self, version: FunctionVersion) -> CallService:
        """A function that sends requests to one published version by invoking it, live or not."""
        failure = f"version {version.number} cannot be invoked"
        with aws.aws_errors(failure):
            client = aws.client("lambda", attempts=1)
        invoke = function_caller(client, f"{self.output('FunctionName')}:{version.number}")

        def call(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
            with aws.aws_errors(failure):
                return invoke(method, path, body)

        return call

    def send_all_to(self, version: FunctionVersion, seen: LiveAlias) -> None:
        """Send every request to one version, if the alias is still as it was `seen`.

        Raises:
            RaceLostError: Somebody else moved the alias in between; nothing was changed.
            CloudError: AWS cannot be asked, or refuses; nothing was changed.
        """
        function, alias = self.output("FunctionName"), self.output("FunctionAlias")
        with aws.aws_errors(f"the alias {alias} of {function} cannot be moved"):
            client = aws.client("lambda")
            try:
                client.update_alias(
                    FunctionName=function,
                    Name=alias,
                    FunctionVersion=version.number,
                    RoutingConfig={"AdditionalVersionWeights": {}},
                    RevisionId=seen.revision,
                )
            except client.exceptions.PreconditionFailedException:
                raise RaceLostError(
                    f"somebody else moved the alias {alias} of {function} first: nothing was changed. Look at "
                    "`pipeline status` and decide again"
                ) from None


def stack_name(stage: Stage) -> str:
    """The name of a stage's stack, as in samconfig.toml."""
    return f"obesity-levels-{stage}"


def find_stack(name: str) -> Stack | None:
    """The stack with this name; None if there is none.

    Raises:
        CloudError: AWS cannot be asked.
    """
    with aws.aws_errors(f"the stack {name} cannot be read"):
        client = aws.client("cloudformation")
        try:
            (description,) = client.describe_stacks(StackName=name)["Stacks"]
        except client.exceptions.ClientError as error:
            if aws.error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())}
    return Stack(name, description["StackStatus"], outputs)


def get_stack(stage: Stage) -> Stack:
    """The stack of a stage.

    Raises:
        CloudError: There is none, or AWS cannot be asked.
    """
    stack = find_stack(stack_name(stage))
    if stack is None:
        raise CloudError(
            f"there is no stack {stack_name(stage)} in this account and region: deploy it with "
            f"`make deploy STAGE={stage}`"
        )
    return stack


def _published(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (configuration for configuration in page["Versions"] if configuration["Version"] != "$LATEST")


def _parse_version(configuration: Mapping[str, Any]) -> FunctionVersion:
    return FunctionVersion.from_description(configuration["Version"], configuration.get("Description", ""))


def _get_version(client: Any, function: str, number: str) -> FunctionVersion:
    return _parse_version(client.get_function_configuration(FunctionName=function, Qualifier=number))
