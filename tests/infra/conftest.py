"""The templates as CloudFormation sees them: SAM's expansion of template.yaml, and infra/bootstrap.yaml."""

import itertools
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from tests.conftest import once
from tests.fakes.cloudformation import Stack
from tests.lambda_api.conftest import model_dir, service, tools
from tests.paths import ROOT

__all__ = ["model_dir", "service", "tools"]

RELEASE = "0123456789abcdef"
Parameters = dict[str, str]


@cache
def read(path: str) -> dict[str, Any]:
    """A template's text as JSON, its short functions written out."""
    template: dict[str, Any] = json.loads(json.dumps(cfn_yaml.load(str(ROOT / path))))
    return template


def allowed(parameter: str) -> list[str]:
    """The values that a parameter of template.yaml lists."""
    return [str(value) for value in read("template.yaml")["Parameters"][parameter]["AllowedValues"]]


@cache
def expansions() -> list[Parameters]:
    """Every pair of the two parameters that SAM itself reads, and every listed value of every other one."""
    declared = read("template.yaml")["Parameters"]
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in declared.items()}
    read_by_sam = itertools.product(allowed("Canary"), ("", RELEASE))
    pairs = [defaults | {"Canary": canary, "Release": release} for canary, release in read_by_sam]
    listed = [name for name, parameter in declared.items() if "AllowedValues" in parameter and name != "Canary"]
    return pairs + [defaults | {name: value} for name in listed for value in allowed(name)]


@dataclass(frozen=True)
class Expanded:
    """What SAM makes of template.yaml: the different results, and which of them each set of parameters gives."""

    templates: list[dict[str, Any]]
    numbers: list[int]

    def template(self, canary: str = "Canary10Percent5Minutes", release: str = "") -> dict[str, Any]:
        """The result for these two."""
        wanted = {"Canary": canary, "Release": release}
        found = (
            number for made, number in zip(expansions(), self.numbers, strict=True) if wanted.items() <= made.items()
        )
        return self.templates[next(found)]


@pytest.fixture(scope="session")
def expanded(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Expanded:
    """template.yaml, expanded by SAM's own translator."""

    def make(folder: Path) -> None:
        command = [str(tools / "sam/bin/python"), "tests/infra/expand.py", "template.yaml"]
        environment = os.environ | {"AWS_DEFAULT_REGION": "eu-central-1"}
        asked = json.dumps(expansions())
        done = subprocess.run(
            command, input=asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        (folder / "expanded.json").write_text(done.stdout)

    found = json.loads((once(tmp_path_factory, "expanded", make) / "expanded.json").read_text())
    return Expanded(found["templates"], found["numbers"])


def named(stage: str) -> dict[str, str]:
    """What AWS calls a stage's resources, where a policy names them."""
    stack, account = f"obesity-levels-{stage}", "eu-central-1:123456789012"
    groups = {"ApiLogGroup": f"/aws/lambda/{stack}", "GoldenHookLogGroup": f"/aws/lambda/CodeDeployHook_{stack}"}
    return {
        "ApiFunction": stack,
        "ServerlessDeploymentApplication": f"{stack}-ServerlessDeploymentApplication-1A",
        "ApiFunctionDeploymentGroup": f"{stack}-ApiFunctionDeploymentGroup-1A",
        **groups,
        **{f"{name}.Arn": f"arn:aws:logs:{account}:log-group:{group}:*" for name, group in groups.items()},
    }


@pytest.fixture(scope="session")
def deployed(expanded: Expanded) -> Callable[..., Stack]:
    """Makes the stack of some parameters."""

    def make(**parameters: str) -> Stack:
        stage = parameters.get("Stage", "dev")
        template = expanded.template(parameters.get("Canary", "Canary10Percent5Minutes"), parameters.get("Release", ""))
        return Stack(template, {"AWS::StackName": f"obesity-levels-{stage}"} | parameters, named(stage))

    return make
