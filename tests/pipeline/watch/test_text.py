"""What a person reads: the table in a terminal, the text of an issue, and the picture."""

import io
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread
from rich.console import Console

from pipeline.report.figures import RULE, drawing
from pipeline.watch import WatchSummary, watch_lines
from pipeline.watch.measures import MEASURES
from pipeline.watch.picture import version_figure, version_png
from pipeline.watch.references import load_manifest
from pipeline.watch.text import headline, issue_text, terminal_table
from tests.fixtures.service_log import Visits, older
from tests.paths import expected


def shown(summary: WatchSummary, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(terminal_table(summary))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def drifting() -> WatchSummary:
    visits = Visits(5)
    return watch_lines([*visits.ask(700), *visits.refused(2), *visits.ask(300, older), b"START", b'{"_aws"'])


@pytest.fixture(scope="module")
def steady() -> WatchSummary:
    return watch_lines(Visits().ask(700))


def test_a_terminal_shows_verdict_reference_and_what_moved(drifting: WatchSummary) -> None:
    assert (
        shown(drifting)
        == """\
Drift by version

  version   verdict    records   reference   windows   drifting since
 ───────────────────────────────────────────────────────────────────────
  3         drifting     1,000         500         3   2026-09-22 01:54

What moved in version 3: its newest 200 records against its reference

  measure   change                    recent higher   by chance    PSI    by chance
 ────────────────────────────────────────────────────────────────────────────────────
  Age       mean about 24.5 -> 36.5   91%             41% to 59%   4.38   up to 0.15

1,004 lines read, 1,002 used, skipped: 1 foreign, 1 broken"""
    )


def test_an_issue_holds_all_that_a_person_needs_to_decide(drifting: WatchSummary) -> None:
    assert issue_text(drifting) == expected("drift-issue.md")


def test_a_steady_version_is_named_in_one_line(steady: WatchSummary) -> None:
    assert headline(steady) == "steady: no drift in version 3"
    assert issue_text(steady).startswith("## Steady: no drift in version 3")


def test_a_big_batch_is_named_because_one_request_made_the_window() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(700), visits.ask_together(3000, older)])
    assert "version 3: its newest 3,000 records (3,000 of them in one batch) against its reference" in shown(
        summary, 200
    )
    assert "its newest 3,000 records (3,000 of them in one batch), compared" in issue_text(summary)


def test_too_few_requests_are_shown_with_their_distance_from_the_training_data(model_dir: Path) -> None:
    manifest = load_manifest(model_dir)
    summary = watch_lines(Visits(version=manifest.model_version).ask(120), manifest=manifest)
    text = shown(summary)
    assert "too few" in text
    assert "none yet" in text
    assert "its first requests against the training data, for information: PSI " in text
    assert headline(summary) == "too few requests to judge"


def test_a_version_that_no_longer_answers_is_called_inactive() -> None:
    old = Visits(1, "3")
    lines = old.ask(300)
    summary = watch_lines([*lines, *Visits(2, "4", old.time).ask(300)])
    assert "3 (inactive)" in shown(summary)
    assert "| 3 (inactive) | too few | - | 300 | 0 |" in issue_text(summary)


def colors(axes: Axes) -> set[object]:
    """Of the lines that have a point in them."""
    return {line.get_color() for line in axes.lines if len(line.get_xdata())}  # type: ignore[arg-type]


def test_the_picture_has_a_panel_for_each_measure_and_marks_what_moved(drifting: WatchSummary) -> None:
    version = drifting.versions["3"]
    assert version.reference is not None
    with drawing():
        figure = version_figure("3", version, version.reference)
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert len(titles) == len(MEASURES) + 1
    assert [title for title, axes in titles.items() if RULE in colors(axes)] == ["Age, mean"]


def test_the_picture_is_the_same_file_each_time_and_absent_without_a_window(drifting: WatchSummary) -> None:
    version = drifting.versions["3"]
    drawn = version_png("3", version)
    assert drawn is not None
    assert drawn == version_png("3", version)
    assert imread(io.BytesIO(drawn)).shape == (2210, 1820, 4)
    assert version_png("3", watch_lines(Visits().ask(600)).versions["3"]) is None
