"""A stage -> its stack on AWS, and which model each version of its function holds. Reads only, but for the alias.

A function's version is never changed once published, and code and model are in the same zip. So the description that
a version is published with says for ever what it holds; the alias says which one answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from golden_hook.golden import CallService
from golden_hook.handler import function_caller
from lambda_api.manifest import Manifest
from pipeline import aws
from pipeline.errors import CloudError, RaceLostError

Stage = Literal["dev", "staging", "prod"]
STAGES: tuple[Stage, ...] = ("dev", "staging", "prod")

UNKNOWN = "unknown"
COMMIT_DIGITS = 12
"""A version's description has at most 256 characters, and two digests are in it."""

_BUSY = "_IN_PROGRESS"


@dataclass(frozen=True)
class Shipped:
    """What one published version of the function holds; `UNKNOWN` where it was published by other means.

    Attributes:
        number: The function's version, as "12".
        model: The registry's version, as "3".
        model_sha256: Of the graph.
        commit: That the model was made from.
        data_sha256: Of the data it was trained on.
    """

    number: str
    model: str = UNKNOWN
    model_sha256: str = UNKNOWN
    commit: str = UNKNOWN
    data_sha256: str = UNKNOWN

    @classmethod
    def of(cls, number: str, description: str) -> Self:
        """What a version's description says."""
        pairs = (part.partition("=") for part in description.split(";"))
        told = {name: value for name, _, value in pairs if name in _TOLD and value}
        return cls(number, **{_TOLD[name]: value for name, value in told.items()})


_TOLD = {"model": "model", "sha256": "model_sha256", "commit": "commit", "data": "data_sha256"}


def description(manifest: Manifest) -> str:
    """What a function's version that holds this model is published with; `Shipped.of` reads it."""
    told = {
        "model": manifest.model_version,
        "sha256": manifest.model_sha256,
        "commit": (manifest.git_commit or UNKNOWN)[:COMMIT_DIGITS],
        "data": manifest.data_sha256,
    }
    return ";".join(f"{name}={value}" for name, value in told.items())


@dataclass(frozen=True)
class Live:
    """What the alias sends requests to; `canary` is the new version and its share, while one is being tried."""

    shipped: Shipped
    canary: tuple[Shipped, float] | None
    revision: str


@dataclass(frozen=True)
class Stack:
    """A stage's stack as CloudFormation knows it."""

    name: str
    status: str
    outputs: Mapping[str, str]

    @property
    def busy(self) -> bool:
        """Whether something is changing it at this moment."""
        return self.status.endswith(_BUSY)

    def output(self, name: str) -> str:
        """One of the template's outputs.

        Raises:
            CloudError: It has none of this name.
        """
        if name not in self.outputs:
            raise CloudError(f"the stack {self.name} ({self.status}) has no output {name}: deploy it again")
        return self.outputs[name]

    def live(self) -> Live:
        """What answers there now.

        Raises:
            CloudError: AWS cannot be asked, or the alias is gone.
        """
        function, alias = self.output("FunctionName"), self.output("FunctionAlias")
        with aws.aws_errors(f"the alias {alias} of {function} cannot be read"):
            client = aws.client("lambda")
            found = client.get_alias(FunctionName=function, Name=alias)
            weights = found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            canary = next(((_shipped(client, function, number), share) for number, share in weights.items()), None)
            shipped = _shipped(client, function, found["FunctionVersion"])
        return Live(shipped, canary, found["RevisionId"])

    def versions(self) -> tuple[Shipped, ...]:
        """Every published version that is still there, the newest first.

        Raises:
            CloudError: AWS cannot be asked.
        """
        function = self.output("FunctionName")
        with aws.aws_errors(f"the versions of {function} cannot be listed"):
            pages = aws.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=function)
            found = [_of_configuration(item) for page in pages for item in _published(page)]
        return tuple(sorted(found, key=lambda shipped: -int(shipped.number)))

    def asking(self, shipped: Shipped) -> CallService:
        """Asks one published version by invoking it, whether or not it gets requests."""
        with aws.aws_errors(f"version {shipped.number} cannot be asked"):
            client = aws.client("lambda", attempts=1)
        ask = function_caller(client, f"{self.output('FunctionName')}:{shipped.number}")

        def told(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
            with aws.aws_errors(f"version {shipped.number} cannot be asked"):
                return ask(method, path, body)

        return told

    def send_all_to(self, shipped: Shipped, live: Live) -> None:
        """Send every request to one version, if the alias is still what it was when `live` was read.

        Raises:
            RaceLostError: Somebody else moved the alias since; nothing was changed.
            CloudError: AWS cannot be asked, or refuses; nothing was changed.
        """
        function, alias = self.output("FunctionName"), self.output("FunctionAlias")
        with aws.aws_errors(f"the alias {alias} of {function} cannot be moved"):
            client = aws.client("lambda")
            try:
                client.update_alias(
                    FunctionName=function,
                    Name=alias,
                    FunctionVersion=shipped.number,
                    RoutingConfig={"AdditionalVersionWeights": {}},
                    RevisionId=live.revision,
                )
            except client.exceptions.PreconditionFailedException:
                raise RaceLostError(
                    f"somebody else moved the alias {alias} of {function} at this moment: look at "
                    "`pipeline deployed` and decide again"
                ) from None


def stack_name(stage: Stage) -> str:
    """The name of a stage's stack, as in samconfig.toml."""
    return f"obesity-levels-{stage}"


def named(name: str) -> Stack | None:
    """The stack of a name; None if there is none.

    Raises:
        CloudError: AWS cannot be asked.
    """
    with aws.aws_errors(f"the stack {name} cannot be read"):
        client = aws.client("cloudformation")
        try:
            (found,) = client.describe_stacks(StackName=name)["Stacks"]
        except client.exceptions.ClientError as error:
            if aws.code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}
    return Stack(name, found["StackStatus"], outputs)


def existing(stage: Stage) -> Stack:
    """The stack of a stage.

    Raises:
        CloudError: There is none, or AWS cannot be asked.
    """
    found = named(stack_name(stage))
    if found is None:
        raise CloudError(
            f"there is no stack {stack_name(stage)} in this account and region: `make deploy STAGE={stage}`"
        )
    return found


def _published(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (item for item in page["Versions"] if item["Version"] != "$LATEST")


def _of_configuration(found: Mapping[str, Any]) -> Shipped:
    return Shipped.of(found["Version"], found.get("Description", ""))


def _shipped(client: Any, function: str, number: str) -> Shipped:
    return _of_configuration(client.get_function_configuration(FunctionName=function, Qualifier=number))
