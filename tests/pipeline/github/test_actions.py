"""The commands that a runner reads, line by line."""

from pathlib import Path

import pytest

from pipeline.github import actions


@pytest.mark.parametrize(
    ("name", "message", "where", "expected"),
    [
        ("endgroup", "", {}, "::endgroup::"),
        ("group", "stage train", {}, "::group::stage train"),
        ("error", "50%\r\n::set-output name=x::y", {}, "::error::50%25%0D%0A::set-output name=x::y"),
        ("error", "a: b, c", {"file": "a,b:c", "title": "t"}, "::error file=a%2Cb%3Ac,title=t::a: b, c"),
    ],
)
def test_nothing_in_a_command_can_end_it(name: str, message: str, where: dict[str, str], expected: str) -> None:
    assert actions.command(name, message, **where) == expected


def test_stages_are_groups_and_failures_are_annotations() -> None:
    said = [
        "Verifying data sources",
        "Running stage 'ingest':",
        "> python -m pipeline ingest",
        "",
        "Running stage 'clean':",
        "DataError: mine.csv does not satisfy the contract",
        "  row 3, MTRANS: got 'Rocket'",
        "  (+2 more)",
        "ERROR: failed to reproduce 'clean': exited with 2",
    ]
    assert list(actions.folded(said)) == [
        "Verifying data sources",
        "::group::stage ingest",
        "> python -m pipeline ingest",
        "",
        "::endgroup::",
        "::group::stage clean",
        (
            "::error title=stage clean::DataError: mine.csv does not satisfy the contract%0A"
            "  row 3, MTRANS: got 'Rocket'%0A  (+2 more)"
        ),
        "::error title=stage clean::ERROR: failed to reproduce 'clean': exited with 2",
        "::endgroup::",
    ]


def test_a_failure_before_any_stage_is_dvcs() -> None:
    assert list(actions.folded(["ERROR: no"])) == ["::error title=dvc repro::ERROR: no"]


def test_outputs_and_summary_are_added_to_the_runners_files(tmp_path: Path) -> None:
    files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    actions.hand_on({"outcome": "promoted", "champion": ""}, files)
    actions.hand_on({"more": "1"}, files)
    actions.summarize("# a\n\n", files)
    actions.summarize("b", files)
    assert (tmp_path / "output").read_text(encoding="utf-8") == "outcome=promoted\nchampion=\nmore=1\n"
    assert (tmp_path / "summary").read_text(encoding="utf-8") == "# a\nb\n"


def test_an_output_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        actions.hand_on({"outcome": "refused\noutcome=promoted"}, {"GITHUB_OUTPUT": str(tmp_path / "output")})
    assert not (tmp_path / "output").exists()


def test_on_a_laptop_nothing_is_handed_on() -> None:
    assert not actions.on_github({})
    actions.hand_on({"outcome": "promoted"}, {})
    actions.summarize("# a", {})
