"""The documents tell the truth: generated ones are fresh, links resolve, glossary and decisions are complete."""

import re
from pathlib import Path

import pytest

from pipeline.files import Layout
from pipeline.params import Params
from pipeline.report import write as report
from tests.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TERM = re.compile(r"^- \*\*(.+?)\*\*: ", re.MULTILINE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a Markdown text."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: Path) -> list[str]:
    broken = []
    for target in _LINK.findall(_FENCED.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        if not place.exists() or (anchor and anchor not in anchors(place.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


def test_the_data_dictionary_says_what_the_contract_says_now() -> None:
    assert (ROOT / report.DATA_DICTIONARY).read_text(encoding="utf-8") == report.data_dictionary(), (
        "make it again with `pipeline docs`"
    )


def test_the_model_card_says_what_the_reports_say_now(params: Params) -> None:
    layout = Layout(ROOT)
    if not layout.metrics.is_file():
        pytest.skip("there are no reports in this folder: run `make run`")
    assert layout.model_card.read_text(encoding="utf-8") == report.model_card(layout, params.data.published), (
        "make it again with `pipeline report`"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_relative_link_resolves(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# The one `title`, here\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[a](there.md) [b](gone.md) [c](there.md#the-one-title-here) [d](there.md#gone) [e](#page) [f](#gone)\n"
        "[g](https://example.org/gone)\n```\n[h](gone.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["gone.md", "there.md#gone", "#gone"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_document_names_a_place_on_somebodys_machine(path: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|root|home|Users|tmp)/\S*", path.read_text(encoding="utf-8")) == []


def test_the_glossary_has_the_projects_words_in_order() -> None:
    terms = _TERM.findall((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) == len(set(terms))
    needed = {
        *("record", "level", "fold", "holdout", "out-of-fold", "graph", "contract", "challenger", "champion"),
        *("baseline", "verdict", "guard", "floor", "plausible people", "parity", "golden", "drift", "groups held out"),
        *("margin", "lower bound", "BMI rule", "origin", "synthetic", "sample", "fingerprint", "calibration"),
    }
    assert sorted(needed - set(terms)) == []


def test_decisions_are_numbered_without_gaps_and_their_titles_say_so() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    titles = [path.read_text(encoding="utf-8").splitlines()[0] for path in DECISIONS]
    assert [title.split(" ")[1] for title in titles] == [f"{number}." for number in numbers]


@pytest.mark.parametrize("path", DECISIONS, ids=name)
def test_a_decision_gives_context_decision_and_consequences(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("path", DECISIONS, ids=name)
def test_the_files_that_a_decision_names_exist(path: Path) -> None:
    named = re.findall(r"`((?:pipeline|lambda_api|tests|docs)/[\w./-]+\.(?:py|md))`", path.read_text(encoding="utf-8"))
    assert [file for file in named if not (ROOT / file).is_file()] == []
