"""What a person reads: the table in a terminal, the text of an issue, and the picture."""

import io
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread
from rich.console import Console

from pipeline.report.figures import RULE, drawing
from pipeline.watch import Watched, picture, references, watch, words
from pipeline.watch.tally import MEASURES
from tests.fixtures.service_log import Visits, older


def shown(found: Watched, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(words.table(found))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def drifting() -> Watched:
    visits = Visits(5)
    return watch([*visits.ask(700), *visits.refused(2), *visits.ask(300, older), b"START", b'{"_aws"'])


@pytest.fixture(scope="module")
def steady() -> Watched:
    return watch(Visits().ask(700))


def test_a_terminal_shows_verdict_reference_and_what_moved(drifting: Watched) -> None:
    assert (
        shown(drifting)
        == """\
Drift by version

  version   verdict    records   reference   windows   since
 ───────────────────────────────────────────────────────────────────────
  3         drifting     1,000         500         3   2026-09-22 01:54

What moved: version 3, 200 records against its reference

  measure   from, to                  higher in   by chance    PSI    by chance
 ────────────────────────────────────────────────────────────────────────────────
  Age       mean about 24.5 -> 36.5   91%         41% to 59%   4.38   up to 0.15

1,004 lines read, 1,002 used, skipped: 1 foreign, 1 broken"""
    )


def test_an_issue_holds_all_that_a_person_needs_to_decide(drifting: Watched) -> None:
    assert (
        words.issue(drifting)
        == """\
## Version 3 drifts since 2026-09-22 01:54: Age

Version 3: its newest 200 records, compared with the first ones it met.

| measure | from, to | higher in | by chance | PSI | by chance |
| --- | --- | ---: | ---: | ---: | ---: |
| `Age` | mean about 24.5 -> 36.5 | 91% | 41% to 59% | 4.38 | up to 0.15 |

- *Higher in*: of all pairs of a recent and an earlier record, where the recent value is higher.
- *PSI*: population stability index, of any change.
- *By chance*: how far either goes when nothing has changed.

| version | verdict | since | records | windows |
| --- | --- | --- | ---: | ---: |
| 3 | drifting | 2026-09-22 01:54 | 1,000 | 3 |

<details><summary>The newest windows of version 3</summary>

| window, UTC | moved | records | confidence | warned | errors |
| --- | --- | ---: | ---: | ---: | ---: |
| 2026-09-21 22:34 to 2026-09-22 01:53 | steady | 200 | 90.0% | 0.0% | 0.0% |
| 2026-09-22 01:54 to 2026-09-22 05:13 | Age | 198 | 90.0% | 0.0% | 1.0% |
| 2026-09-22 03:36 to 2026-09-22 06:55 | Age | 200 | 90.0% | 0.0% | 0.0% |

</details>

1,004 lines read, 1,002 used, skipped: 1 foreign, 1 broken. What to do: `docs/operations.md`.
"""
    )


def test_a_steady_version_is_told_in_a_line(steady: Watched) -> None:
    assert words.headline(steady) == "steady: version 3 is asked what it was asked at first"
    assert words.issue(steady).startswith("## Steady: version 3 is asked")


def test_a_big_batch_is_named_because_one_request_made_the_window() -> None:
    visits = Visits()
    found = watch([*visits.ask(700), visits.ask_together(3000, older)])
    assert "version 3, 3,000 records (3,000 of them in one batch) against its reference" in shown(found, 200)
    assert "its newest 3,000 records (3,000 of them in one batch), compared" in words.issue(found)


def test_too_little_is_told_with_the_distance_from_the_training_data(model_dir: Path) -> None:
    manifest = references.manifest(model_dir)
    found = watch(Visits(version=manifest.model_version).ask(120), manifest=manifest)
    text = shown(found)
    assert "too few" in text
    assert "none yet" in text
    assert "its first requests against the training data, for information: PSI " in text
    assert words.headline(found) == "too few requests to say"


def test_a_version_that_no_longer_answers_is_called_silent() -> None:
    old = Visits(1, "3")
    lines = old.ask(300)
    found = watch([*lines, *Visits(2, "4", old.time).ask(300)])
    assert "3 (silent)" in shown(found)
    assert "| 3 (silent) | too few | - | 300 | 0 |" in words.issue(found)


def colors(axes: Axes) -> set[object]:
    """Of the lines that have a point in them."""
    return {line.get_color() for line in axes.lines if len(line.get_xdata())}  # type: ignore[arg-type]


def test_the_picture_has_a_panel_for_each_measure_and_marks_what_moved(drifting: Watched) -> None:
    version = drifting.versions["3"]
    assert version.reference is not None
    with drawing():
        figure = picture.figure("3", version, version.reference)
    titles = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert len(titles) == len(MEASURES) + 1
    assert [title for title, axes in titles.items() if RULE in colors(axes)] == ["Age, mean"]


def test_the_picture_is_the_same_file_each_time_and_absent_without_a_window(drifting: Watched) -> None:
    version = drifting.versions["3"]
    drawn = picture.picture("3", version)
    assert drawn is not None
    assert drawn == picture.picture("3", version)
    assert imread(io.BytesIO(drawn)).shape == (2210, 1820, 4)
    assert picture.picture("3", watch(Visits().ask(600)).versions["3"]) is None
