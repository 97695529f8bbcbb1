"""docs/drift.md was measured with the limits and by the judge that are in the code now."""

from pathlib import Path

import pytest

from benchmarks.drift.__main__ import limits
from benchmarks.drift.checks import BLOCK, pool, populations, run_checks
from benchmarks.drift.scenarios import FALSE, SECTIONS
from lambda_api.service import Service
from pipeline.files import Layout
from pipeline.ship.package import package_layout
from tests.paths import ROOT


@pytest.fixture(scope="module")
def document() -> str:
    return (ROOT / "docs/drift.md").read_text(encoding="utf-8")


def test_the_limits_in_the_document_are_those_of_the_code(document: str) -> None:
    assert limits() in document, "make it again with `python -m benchmarks.drift`"


def test_every_scenario_has_its_line_in_the_document(document: str) -> None:
    named = [scenario.name for section in SECTIONS for scenario in section.scenarios]
    assert [
        line.split(" | ")[0].removeprefix("| ")
        for line in document.splitlines()
        if "%" in line and " to " in line and line.startswith("| ")
    ] == named


def test_what_was_promised_was_measured(document: str) -> None:
    """False alarms below 1% of checks, and 5 kg more caught in 95% of them; the interval's ends count."""
    cells = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in document.splitlines()}
    for people in ("survey answers", "the embedded sample", "plausible people"):
        low_high = cells[f"nothing changes: {people}"][2]
        assert float(low_high.split(" to ")[1].rstrip("%")) < 1, people
    assert float(cells["everybody 5 kg heavier"][2].split("%")[0]) >= 95


def test_the_first_checks_of_the_document_come_out_the_same_again(
    document: str, real_layout: Layout, tmp_path: Path
) -> None:
    package_layout(real_layout, tmp_path)
    scenario = FALSE[0]
    entries = pool(Service.load(tmp_path), populations(real_layout)[scenario.population], scenario.change)
    counts = run_checks(scenario, range(BLOCK), entries, entries)
    assert f"first {BLOCK} checks of the first line {counts.alarms} raised an alarm" in document
