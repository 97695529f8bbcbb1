"""Who loads whom, seen from the outside: in fresh processes, and in every module's own text."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.paths import ROOT

MODULES = sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "lambda_api").glob("*.py")])
PURE = [*(ROOT / "pipeline/data").glob("*.py"), *(ROOT / "pipeline/model").glob("*.py")]
HEAVY = {
    "pandas",
    "sklearn",
    "scipy",
    "mlflow",
    "onnx",
    "skl2onnx",
    "matplotlib",
    "boto3",
    "dvc",
    "onnxruntime",
    "numpy",
}
PYDANTIC_NEEDS = {"annotated_types", "pydantic_core", "typing_extensions", "typing_inspection"}
SPEAKERS = {"print", ".print", ".Exit", "SystemExit", "input", "exit", "quit", ".exit", "._exit", ".echo", ".secho"}
WRITERS = {"open", ".open", ".write_text", ".write_bytes", ".to_parquet", ".to_pickle", ".savefig", ".dump"}


def loaded(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a fresh process."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@cache
def nodes(module: Path) -> list[ast.AST]:
    """Every node of a file's syntax; read once, however many tests ask."""
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


def imports(module: Path) -> set[str]:
    """Every module that a file imports anywhere, also inside functions, by its full name."""
    names: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def calls(module: Path) -> set[str]:
    """Everything that a file calls: a function as `print`, a method as `.exit`."""
    names = set()
    for node in nodes(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.add(node.func.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.add(f".{node.func.attr}")
    return names


def importers(package: str) -> list[str]:
    """The files that import a package."""
    return [
        module.relative_to(ROOT).as_posix()
        for module in MODULES
        if any(name.partition(".")[0] == package for name in imports(module))
    ]


def test_the_contract_loads_pydantic_and_the_standard_library_only() -> None:
    packages = {name for name in loaded("import lambda_api.contract") if not name.startswith("_")}
    packages -= loaded("") | set(sys.stdlib_module_names)
    assert {"lambda_api", "pydantic"} <= packages
    assert packages <= {"lambda_api", "pydantic", *PYDANTIC_NEEDS}


def test_the_bins_load_numpy_and_nothing_heavier() -> None:
    packages = loaded("import lambda_api.bins")
    assert {"numpy", "pydantic"} <= packages
    assert not packages & (HEAVY - {"numpy"})


def test_the_served_model_loads_onnxruntime_and_numpy_and_nothing_heavier() -> None:
    packages = loaded("import lambda_api.model")
    assert {"onnxruntime", "numpy", "pydantic"} <= packages
    assert not packages & (HEAVY - {"onnxruntime", "numpy"})


def test_the_package_and_its_parameters_load_nothing_heavy() -> None:
    assert not loaded("import pipeline, pipeline.errors, pipeline.files, pipeline.params, pipeline.progress") & HEAVY


def test_the_registry_loads_mlflow_only_when_it_is_asked() -> None:
    assert not loaded("from pipeline.registry import Registry\nRegistry('sqlite:///mlflow.db')") & HEAVY


def test_help_loads_nothing_heavy() -> None:
    statement = (
        "import atexit, runpy\n"
        "sys.argv = ['pipeline', '--help']\n"
        "try: runpy.run_module('pipeline', run_name='__main__')\n"
        "except SystemExit as leave: assert leave.code in (0, None), leave.code\n"
    )
    packages = loaded(statement)
    assert {"typer", "pipeline"} <= packages
    assert not packages & HEAVY


def test_no_service_module_knows_the_pipeline_or_anything_heavier_than_its_model() -> None:
    for module in (ROOT / "lambda_api").glob("*.py"):
        known = {name.partition(".")[0] for name in imports(module)}
        assert not known & (HEAVY - {"onnxruntime", "numpy"} | {"pipeline"}), module.name


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("botocore", {"pipeline/aws.py"}),
        ("dvc", {"pipeline/repo.py"}),
        ("mlflow", {"pipeline/registry/store.py", "pipeline/registry/tracking.py"}),
        ("onnx", {"pipeline/model/export.py"}),
        ("skl2onnx", {"pipeline/model/export.py"}),
    ],
)
def test_a_heavy_package_is_imported_in_its_own_modules_only(package: str, allowed: set[str]) -> None:
    importing = set(importers(package))
    assert importing
    assert importing <= allowed


def test_git_and_dvc_are_started_in_one_place() -> None:
    starters = []
    for module in MODULES:
        words = {
            element.value
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            if isinstance(node, ast.List | ast.Tuple)
            for element in node.elts
            if isinstance(element, ast.Constant)
        }
        if "subprocess" in imports(module) and words & {"git", "dvc"}:
            starters.append(module.relative_to(ROOT).as_posix())
    assert starters == ["pipeline/repo.py"]


def test_only_the_command_line_prints_or_exits() -> None:
    speaking = {module.relative_to(ROOT).as_posix() for module in MODULES if calls(module) & SPEAKERS}
    assert speaking
    # The service leaves with one line when it must not start; nothing else may.
    assert {name for name in speaking if not name.startswith("pipeline/cli/")} <= {
        "pipeline/__main__.py",
        "lambda_api/app.py",
    }


def test_no_pure_module_reads_a_clock_or_makes_a_random_name() -> None:
    for module in PURE:
        known = {name.partition(".")[0] for name in imports(module)}
        assert not known & {"time", "datetime", "uuid", "secrets", "mlflow"}, module


def test_the_watch_reads_no_clock() -> None:
    for module in (ROOT / "pipeline/watch").glob("*.py"):
        assert not calls(module) & {".now", ".today", ".utcnow", ".time", ".monotonic", ".perf_counter"}, module.name


def test_pure_modules_write_no_file_themselves() -> None:
    stages = ("data/clean", "model/train", "model/export", "model/parity", "model/evaluate")
    for name in (*stages, "data/sample", "report/write", "judge/gate"):
        module = ROOT / "pipeline" / f"{name}.py"
        assert not calls(module) & WRITERS, name


def test_no_test_imports_another_test_or_a_conftest() -> None:
    for module in (ROOT / "tests").rglob("*.py"):
        parts = {part for name in imports(module) if name.startswith("tests.") for part in name.split(".")}
        assert not {part for part in parts if part.startswith(("test_", "conftest"))}, module


def test_no_test_asks_for_a_fixture_while_it_runs() -> None:
    """Which tests are fast follows from the fixtures that they name: tests/tiers.py sees no other."""
    files = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [path.name for path in files if "getfixturevalue(" in path.read_text(encoding="utf-8")] == []


def test_conftest_and_fixtures_import_nothing_heavy_at_their_top() -> None:
    names = sorted(path.stem for path in (ROOT / "tests/fixtures").glob("*.py"))
    assert "trained" in names
    statement = "import tests.conftest" + "".join(f", tests.fixtures.{name}" for name in names)
    assert not loaded(statement) & (HEAVY - {"numpy"} | {"moto", "playwright"})
