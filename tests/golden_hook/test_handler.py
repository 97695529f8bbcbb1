"""The hook in Lambda's own runtime, against the packaged function in another: the result it sends to CodeDeploy."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from pipeline.files import digest
from pipeline.ship import bundle
from pipeline.ship.emulate import EmulatedFunction, emulated, template_environment
from tests.fakes.hook_endpoints import VERSION, hook_endpoints
from tests.paths import ROOT

pytestmark = pytest.mark.xdist_group("built")

HANDLER = "golden_hook.handler.handler"
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}


@pytest.fixture(scope="module")
def hook(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built hook."""
    folder = tmp_path_factory.mktemp("built") / "GoldenHook"
    bundle.build_hook(folder, model_dir)
    return folder


def judged(hook: Path, function: EmulatedFunction | None, tools: Path, seconds: float = 35) -> tuple[str, list[str]]:
    """The status that CodeDeploy got, and the differences that the hook found."""
    with hook_endpoints(function) as aws:
        environment = {
            "NEW_VERSION": VERSION,
            "AWS_ENDPOINT_URL": aws.address,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "ANSWER_SECONDS": str(seconds),
        }
        with emulated(hook, environment, tools, handler=HANDLER) as running:
            answer = running.invoke(EVENT)
        assert aws.statuses == [
            {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "hook-1", "status": answer["status"]}
        ]
    return answer["status"], answer["differences"]


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The built function, to be damaged."""
    shutil.copytree(built, tmp_path / "function")
    return tmp_path / "function"


@pytest.fixture(scope="module")
def function(built: Path, tools: Path) -> Iterator[EmulatedFunction]:
    with emulated(built, template_environment(ROOT / "template.yaml"), tools) as running:
        yield running


def of(folder: Path, hook: Path, tools: Path) -> tuple[str, list[str]]:
    with emulated(folder, template_environment(ROOT / "template.yaml"), tools) as running:
        return judged(hook, running, tools)


def test_the_hook_is_its_code_and_the_golden_answers_and_is_the_same_from_every_build(
    hook: Path, model_dir: Path, tmp_path: Path
) -> None:
    bundle.build_hook(tmp_path / "again", model_dir)
    assert {path.stat().st_mtime for path in bundle.list_files(hook)} == {315532800.0}
    assert sorted(path.relative_to(hook).as_posix() for path in bundle.list_files(hook)) == [
        "golden.json",
        "golden_hook/__init__.py",
        "golden_hook/golden.py",
        "golden_hook/handler.py",
    ]
    assert bundle.folder_digest(tmp_path / "again") == bundle.folder_digest(hook)


def test_the_packaged_model_passes_and_codedeploy_goes_on(hook: Path, function: EmulatedFunction, tools: Path) -> None:
    assert judged(hook, function, tools) == ("Succeeded", [])


def flipped(content: bytes) -> bytes:
    """The graph, every node of its first tree going right where it went left."""
    model = onnx.load_from_string(content)
    (forest,) = [node for node in model.graph.node if node.op_type == "TreeEnsemble"]
    held = {item.name: item.ints for item in forest.attribute}
    for node in range(held["tree_roots"][1]):
        for one, other in (("nodes_truenodeids", "nodes_falsenodeids"), ("nodes_trueleafs", "nodes_falseleafs")):
            held[one][node], held[other][node] = held[other][node], held[one][node]
    return bytes(model.SerializeToString())


def change(folder: Path, **keys: str) -> None:
    path = folder / "model/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_another_model_than_the_golden_answers_were_made_with_stops_the_deployment(
    hook: Path, copy: Path, tools: Path
) -> None:
    path = copy / "model/model.onnx"
    path.write_bytes(flipped(path.read_bytes()))
    change(copy, model_sha256=digest(path.read_bytes()))

    status, (problem,) = of(copy, hook, tools)
    assert status == "Failed"
    assert problem.startswith(f"the model that answers has model_sha256 {digest(path.read_bytes())}, expected ")


def test_a_model_with_one_flipped_tree_stops_the_deployment_though_every_digest_fits(
    hook: Path, copy: Path, tools: Path, tmp_path: Path
) -> None:
    graph = flipped((copy / "model/model.onnx").read_bytes())
    golden = json.dumps(json.loads((hook / "golden.json").read_text()) | {"model_sha256": digest(graph)}).encode()
    (copy / "model/model.onnx").write_bytes(graph)
    change(copy, model_sha256=digest(graph), golden_sha256=digest(golden))
    shutil.copytree(hook, tmp_path / "hook")
    (tmp_path / "hook/golden.json").write_bytes(golden)

    status, problems = of(copy, tmp_path / "hook", tools)
    assert status == "Failed"
    assert problems
    assert all(problem.startswith("/predict") for problem in problems[:5]), problems


def test_a_function_without_its_model_stops_the_deployment_with_its_own_message(
    hook: Path, copy: Path, tools: Path
) -> None:
    (copy / "model/model.onnx").unlink()
    status, (problem,) = of(copy, hook, tools)
    assert status == "Failed"
    assert "The service does not start: " in problem
    assert "model.onnx cannot be read" in problem


def test_a_model_of_another_contract_stops_the_deployment(hook: Path, copy: Path, tools: Path) -> None:
    change(copy, contract="0" * 64)
    status, (problem,) = of(copy, hook, tools)
    assert status == "Failed"
    assert "the model was made for contract 000" in problem


def test_a_function_that_never_answers_stops_the_deployment(hook: Path, tools: Path) -> None:
    status, (problem,) = judged(hook, None, tools, seconds=1)
    assert status == "Failed"
    assert problem.startswith("it could not be checked: ReadTimeoutError: ")
