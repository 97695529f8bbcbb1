"""A short run of every benchmark, by its own command: they measure, and their documents are what they write now.

No figure is asserted: a short run on a shared machine has none worth it. `serving` and `scaling` run the built function
in Lambda's runtime, so they need `make tools`; `scaling` limits the processor's share as well where it may (root on
Linux) and measures without a limit elsewhere.
"""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scaling.measurements import Measurements
from benchmarks.serving.answers import UsualAnswer, same_answer
from pipeline.files import Layout
from tests.paths import ROOT


def run(name: str, *options: object) -> str:
    """What a short run of a benchmark prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--short", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outline(document: str, cells: int | None = None) -> list[str]:
    """The document's lines with every number as #, of a table's lines some cells only, and lines in a row once."""
    lines = [re.sub(r"\d[\d,.]*", "#", line) for line in document.splitlines()]
    cut = [" | ".join(line.split(" | ")[:cells]) if line.startswith("|") else line for line in lines]
    return [line for line, _ in itertools.groupby(cut)]


@pytest.mark.usefixtures("tools")
def test_serving_measures_and_its_page_is_what_it_writes_now(
    pinned_layout: Layout, pinned_params_file: Path, tmp_path: Path
) -> None:
    page = tmp_path / "benchmarks.md"

    run("serving", "--layout", pinned_layout.root, "--params", pinned_params_file, "--out", page)

    assert outline(page.read_text()) == outline((ROOT / "docs/benchmarks.md").read_text())


@pytest.mark.parametrize(
    ("label", "probabilities", "same"),
    [
        ("a", {"a": 0.7, "b": 0.3}, True),
        ("a", {"a": 0.7000004, "b": 0.2999996}, True),
        ("a", None, True),
        ("b", None, False),
        ("b", {"a": 0.7, "b": 0.3}, False),
        ("a", {"a": 0.69, "b": 0.31}, False),
        ("a", {"a": 0.7}, False),
    ],
)
def test_contenders_give_the_same_answer_if_label_and_known_probabilities_agree(
    label: str,
    probabilities: dict[str, float] | None,
    same: bool,
) -> None:
    expected = UsualAnswer(prediction="a", probabilities={"a": 0.7, "b": 0.3})
    assert same_answer(UsualAnswer(prediction=label, probabilities=probabilities), expected) is same


def test_predict_measures_both_contenders_on_both_forms_and_compares_their_answers(
    pinned_layout: Layout, pinned_params_file: Path
) -> None:
    printed = run("predict", "--records", pinned_layout.records, "--params", pinned_params_file)

    rows = [line.split(" | ")[:2] for line in printed.splitlines() if line.startswith(("| csv", "| parquet"))]
    contenders = ["pandas + scikit-learn", "pipeline predict", "ratio"]
    assert rows == [[f"| {form}", name] for form in ("csv", "parquet") for name in contenders]


def test_drift_simulates_every_scenario_and_its_document_is_what_it_writes_now(
    pinned_layout: Layout, tmp_path: Path
) -> None:
    document = tmp_path / "drift.md"

    run("drift", "--layout", pinned_layout.root, "--out", document)

    assert outline(document.read_text(), cells=2) == outline((ROOT / "docs/drift.md").read_text(), cells=2)


@pytest.mark.usefixtures("whole_program")
def test_watch_reads_every_line_of_a_packed_log() -> None:
    printed = run("watch", "--packed")

    assert "2,200 lines" in printed
    assert "'broken': 0, 'foreign': 200, 'read': 2200, 'used': 2000" in printed


@pytest.mark.usefixtures("tools")
def test_scaling_measures_the_function_and_writes_a_page_of_it(pinned_layout: Layout, tmp_path: Path) -> None:
    page, figures = tmp_path / "scale.md", tmp_path / "scale.json"

    run("scaling", "--layout", pinned_layout.root, "--measurements", figures, "--out", page)

    measured = Measurements.model_validate_json(figures.read_text())
    size = measured.size(1769)
    assert (len(size.first), size.spaced_requests, size.busy_requests) == (1, 2, 3)
    assert [one.environments for one in measured.side_by_side] == [1]
    assert not re.search(r"\bnan\b|\binf\b|None", page.read_text())
    headings = [line for line in page.read_text().splitlines() if line.startswith("#")]
    assert headings == [line for line in (ROOT / "docs/scale.md").read_text().splitlines() if line.startswith("#")]
