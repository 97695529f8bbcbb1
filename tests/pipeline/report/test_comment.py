"""What a pull request's comment says, word for word, and that nothing in a value breaks it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.intervals import newcombe, wilson
from pipeline.report.answers import RecordAnswer
from pipeline.report.comment import LARGEST_BYTES, comment, unfolded
from pipeline.report.comparison import compare
from pipeline.report.context import RunContext
from pipeline.report.markdown import COMMENT_MARKER, cell, code, folded, table, words
from pipeline.report.snapshot import Snapshot
from tests.fixtures.snapshots import (
    BASE,
    FLOORS_ONLY,
    KEPT,
    LEVELS,
    PROMOTED,
    PULL_REQUEST,
    REFUSED,
    answers,
    data,
    metrics,
    parity,
    share,
    side,
    this,
)
from tests.paths import expected

NOWHERE, ON_GITHUB = RunContext(), RunContext.of(PULL_REQUEST)
FORK = RunContext.of(PULL_REQUEST | {"HEAD_REPOSITORY": "ada/r"})
PROVEN = replace(BASE, answers=answers(90, 10))
BETTER = this(
    0.97,
    verdict=PROMOTED,
    answers=answers(97, 3),
    parity=parity("b", 300_000),
    confusion=Counter({(LEVELS[0], LEVELS[0]): 38, (LEVELS[0], LEVELS[1]): 2, (LEVELS[1], LEVELS[1]): 60}),
)
STALE = ("train: forest in params.yaml is not what was locked", "train: models/model.onnx is not what was locked")
SAMPLE = this(0.95, data=data(source="sample"), verdict=FLOORS_ONLY)


@pytest.mark.parametrize(
    ("base", "snapshot", "context", "name"),
    [
        (PROVEN, BETTER, ON_GITHUB, "comment-merge.md"),
        (BASE, replace(BETTER, verdict=FLOORS_ONLY), ON_GITHUB, "comment-floors-only.md"),
        (PROVEN, replace(BETTER, stale=STALE), FORK, "comment-fix-lock.md"),
        (PROVEN, this(0.80, verdict=REFUSED, answers=answers(80, 20)), ON_GITHUB, "comment-do-not-merge.md"),
    ],
    ids=["MERGE", "FLOORS ONLY", "FIX LOCK", "DO NOT MERGE"],
)
def test_a_comment_word_for_word(base: Snapshot, snapshot: Snapshot, context: RunContext, name: str) -> None:
    assert comment(compare(base, snapshot), context) == expected(name)


SIGN = re.compile(r"[^\x00-\x7f▲▼·]")
CONTEXTS = [NOWHERE, ON_GITHUB, FORK, *(RunContext.of(PULL_REQUEST | {"REPRODUCED": said}) for said in ("failure", ""))]


@pytest.mark.parametrize("context", CONTEXTS, ids=["laptop", "pull request", "fork", "differed", "not reproduced"])
@pytest.mark.parametrize("stale", [(), STALE], ids=["fresh", "stale"])
@pytest.mark.parametrize("verdict", [None, PROMOTED, KEPT, FLOORS_ONLY, REFUSED])
@pytest.mark.parametrize(
    "snapshot",
    [BETTER, this(0.91), this(0.80), this(0.97, metrics=metrics(0.97, people=0.8)), SAMPLE, side("this", 0.9, "b")],
)
def test_a_comment_has_one_sign_in_its_first_line_and_never_says_passed(
    snapshot: Snapshot, verdict: dict[str, Any] | None, stale: tuple[str, ...], context: RunContext
) -> None:
    for base in (PROVEN, BASE, None):
        text = comment(compare(base, replace(snapshot, verdict=verdict, stale=stale)), context)
        assert len(SIGN.findall(text)) == 1
        assert re.match(r"## (✅ MERGE|🔧 FIX LOCK|⛔ DO NOT MERGE|🟡 FLOORS ONLY): \*\*", text)
        assert "passed" not in text
        assert "> [!" not in text


def notes(snapshot: Snapshot, base: Snapshot | None = PROVEN, context: RunContext = ON_GITHUB) -> str:
    """What stands between the first line and the figures."""
    text = comment(compare(base, snapshot), context)
    return text[text.index("\n\n") + 2 : text.index("\n\n|  |")]


def test_what_the_gate_says_and_how_the_model_is_beside_its_base_are_two_sentences() -> None:
    assert notes(BETTER) == "The gate says: Promoted: better than the champion. Better than `main (aaaaaaaa)`."
    other = replace(BETTER, verdict=PROMOTED | {"challenger_sha256": "c" * 64})
    assert notes(other) == "Better than `main (aaaaaaaa)`.\n\nNot proven here: the gate has not judged this model."


@pytest.mark.parametrize(
    ("snapshot", "sentence"),
    [
        (this(0.80), "Worse than `main (aaaaaaaa)`."),
        (this(0.91), "No difference from `main (aaaaaaaa)` beyond noise."),
        (
            this(0.97, metrics=metrics(0.97, people=0.8)),
            "Better than `main (aaaaaaaa)` in one figure and worse in another.",
        ),
        (replace(BASE, name="this"), "The same model and figures as `main (aaaaaaaa)`."),
        (SAMPLE, "This model was made from sample data, that of `main (aaaaaaaa)` from real data."),
    ],
)
def test_a_model_beside_its_base(snapshot: Snapshot, sentence: str) -> None:
    assert sentence in notes(snapshot, BASE)


@pytest.mark.parametrize(
    ("base", "snapshot", "sentence"),
    [
        (None, BETTER, "there is no commit before this one."),
        (replace(BASE, metrics=None), BETTER, "`main (aaaaaaaa)` has no reports."),
        (BASE, replace(BASE, metrics=None), "there are no reports here."),
    ],
)
def test_where_there_is_nothing_to_compare_with_it_says_why(
    base: Snapshot | None, snapshot: Snapshot, sentence: str
) -> None:
    assert f"Nothing to compare with: {sentence}" in comment(compare(base, snapshot), ON_GITHUB)


@pytest.mark.parametrize(
    ("base", "snapshot", "context", "proofs"),
    [
        (PROVEN, BETTER, ON_GITHUB, []),
        (PROVEN, replace(BETTER, verdict=FLOORS_ONLY), ON_GITHUB, ["no champion was asked"]),
        (
            BASE,
            SAMPLE,
            RunContext.of(PULL_REQUEST | {"REPRODUCED": ""}),
            [
                "no champion was asked",
                "`dvc.lock` was not checked, because the sample was used",
                "two runs were not compared",
            ],
        ),
        (
            BASE,
            BETTER,
            ON_GITHUB,
            ["small differences from `main` may be missed, because its answers to these records are not here"],
        ),
        (PROVEN, BETTER, NOWHERE, []),
    ],
    ids=["all was proven", "no champion", "sample", "no answers", "a laptop compares no two runs"],
)
def test_each_proof_that_did_not_happen_is_named_in_one_line(
    base: Snapshot, snapshot: Snapshot, context: RunContext, proofs: list[str]
) -> None:
    said = re.findall(r"^Not proven here: (.*)\.$", notes(snapshot, base, context), flags=re.MULTILINE)
    assert said == (["; ".join(proofs)] if proofs else [])


def test_where_two_runs_agree_the_base_is_what_was_not_reproduced() -> None:
    sentence = "`main` made another model of the same code, data and parameters; two runs here made the same bytes."
    assert sentence in notes(side("this", 0.97, "b", verdict=PROMOTED, answers=answers(97, 3)))


def test_a_stale_lock_is_described_once_in_the_first_line_and_in_full_behind_a_click() -> None:
    text = comment(compare(PROVEN, replace(BETTER, stale=STALE)), ON_GITHUB)
    assert (
        "<details><summary>dvc.lock is stale: 2 differences from what the code makes</summary>\n\n"
        "- train: forest in params.yaml is not what was locked\n- train: models/model.onnx is not what was locked\n"
    ) in text
    other = comment(compare(PROVEN, replace(BETTER, model_file_sha256="c" * 64)), NOWHERE)
    assert other.startswith("## 🔧 FIX LOCK: ")
    assert "- models/model.onnx is not the model that the reports describe" in other


def test_the_gates_reasons_are_a_table_behind_a_click() -> None:
    text = comment(compare(PROVEN, this(0.80, verdict=REFUSED)), ON_GITHUB)
    assert "<summary>The gate's reasons: 2 against it</summary>" in text
    assert "| collected rows | 0.81 | `>= 0.95` | **no** | collected rows 0.8100 < 0.95 |" in text


def test_the_foot_names_the_pushed_commit_and_the_run() -> None:
    foot = comment(compare(PROVEN, BETTER), ON_GITHUB).splitlines()[-3]
    run = "https://github.com/o/r/actions/runs/7"
    assert foot == (
        f"[`12345678`](https://github.com/o/r/commit/{'12345678' * 5}) · [run]({run}) · "
        f"[model and reports]({run}#artifacts)"
    )


def test_a_model_that_is_not_comparable_shows_its_own_figures() -> None:
    text = comment(compare(BASE, SAMPLE), NOWHERE)
    assert "| accuracy, out of fold | 0.9500 | [0.9300, 0.9700] |" in text


def test_a_slice_and_a_level_on_one_side_only_are_said_to_be_new_or_gone() -> None:
    changed = metrics(0.90)
    changed["slices"] = {"origin": {"collected": share(0.8)}}
    changed["levels"]["Obesity_Type_II"] = share(0.7, 0.1, "recall")
    text = comment(compare(BASE, side("this", 0.90, "b", metrics=changed)), NOWHERE)
    assert "<summary>Accuracy of slices: 1 new, 1 gone</summary>" in text
    assert "| origin: collected | new | 0.8000 | - | - |  |" in text
    assert "| sex: Male | 0.9000 | gone | - | - |  |" in text
    assert "<summary>Recall of each level: 1 new</summary>" in text
    assert "| Obesity_Type_II | new | 0.7000 | - | - |  |" in text


def test_paired_answers_find_a_difference_that_two_intervals_do_not() -> None:
    base, this = replace(BASE, answers=answers(90, 10)), side("this", 0.96, "b", answers=answers(96, 4))
    assert compare(BASE, side("this", 0.92, "b")).outcome == "no difference"
    comparison = compare(base, replace(this, metrics=metrics(0.92)))
    # b = 6, c = 0, n = 100: (6.5 - 0.5) / 102 -+ 1.96 * sqrt(7 - 36 / 102) / 102
    assert comparison.figures[0].pairs == 100
    assert (comparison.figures[0].low, comparison.figures[0].high) == pytest.approx((0.00929, 0.10836), abs=1e-5)
    assert comparison.outcome == "better"
    text = comment(comparison, NOWHERE)
    assert "| accuracy, out of fold | 0.9000 | 0.9200 | +0.0600 | [+0.0093, +0.1084] paired, 100 | ▲ better |" in text
    assert "Paired: on the same 100 records." in text


def test_a_lower_calibration_error_would_be_better() -> None:
    def erring(low: float, high: float) -> dict[str, Any]:
        return {"out_of_fold": {"ece": (low + high) / 2, "ece_low": low, "ece_high": high}}

    comparison = compare(replace(BASE, metrics=erring(0.1, 0.2)), side("this", 0, "b", metrics=erring(0.01, 0.02)))
    assert [(figure.label, figure.moved) for figure in comparison.figures] == [("calibration error, out of fold", 1)]


def test_newcombes_interval_is_that_of_his_own_example() -> None:
    # 56/70 against 48/80: his example (a), method 10.
    old, new = wilson(48, 80, 0.95), wilson(56, 70, 0.95)
    low, high = newcombe((48 / 80, *old), (56 / 70, *new))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_changed_data_is_described_by_records_balance_and_drift() -> None:
    this = side("this", 0.92, "b", data=data(rows=120, mean=27.5))
    text = comment(compare(BASE, this), NOWHERE)
    assert "<summary>Data: added and removed records are not known</summary>" in text
    assert "| `records` | `100` | `120` |" in text
    assert "| Normal_Weight | 40 (40.0%) | 60 (50.0%) | +20 |" in text
    assert "| Age | 0.500 deviations | mean 25 -> 27.5, std 5 -> 5, min 14 -> 14, max 60 -> 60 |" in text
    assert "| SMOKE | 1.7% of rows | no 90.0% -> 91.7%, yes 10.0% -> 8.3% |" in text


def test_records_added_removed_and_changed_are_counted_by_their_keys() -> None:
    old = {("1", "A"): RecordAnswer("0", "A"), ("2", "A"): RecordAnswer("0", "A"), ("3", "A"): RecordAnswer("0", "A")}
    new = {("2", "A"): RecordAnswer("0", "B"), ("3", "B"): RecordAnswer("0", "B"), ("4", "A"): RecordAnswer("0", "A")}
    this = side("this", 0.92, "b", data=data(rows=120), answers=new)
    text = comment(compare(replace(BASE, answers=old), this), NOWHERE)
    assert "<summary>Data: 1 records added, 1 removed, 1 with another level</summary>" in text
    assert "1 records are as they were." in text
    head = text[: text.index("|  | main")]
    sentence = (
        "1 records added, 1 removed, 1 with another level. Of the added, 1 (100.0%) are answered right out of fold."
    )
    assert f"The data changed: {sentence}" in head


def test_the_same_records_are_no_change_of_data() -> None:
    answers = {("1", "A"): RecordAnswer("0", "A")}
    this = side("this", 0.92, "b", data=data(rows=120), answers=answers)
    text = comment(compare(replace(BASE, answers=answers), this), NOWHERE)
    assert "<summary>Data: the same records</summary>" in text
    assert "The data changed" not in text


def test_what_a_package_weighs_and_costs_is_shown_where_one_was_built() -> None:
    package = {"arch": "arm64", "unzipped_bytes": 85_000_000, "zipped_bytes": 24_000_000, "model_sha256": "a"}
    package |= {"prediction_ms": 0.144, "usd_per_million_lambda": 0.22, "usd_per_million": 1.5, "unknown": "|"}
    text = comment(compare(BASE, replace(BASE, package=package)), NOWHERE)
    assert (
        """\
<details><summary>Size of model and package, cost: 200 kB, 1.50 USD a million predictions</summary>

|  | main | this |
| --- | ---: | ---: |
| model.onnx, bytes | 200,000 | 200,000 |
| nodes | 900 | 900 |
| trees | 50 | 50 |
| package for | - | arm64 |
| package zipped, bytes | - | 24,000,000 |
| package unzipped, bytes | - | 85,000,000 |
| one prediction, in process, milliseconds (median) | - | 0.144 |
| a million predictions, Lambda alone, US dollars | - | 0.22 |
| a million predictions, with gateway, log and transfer, US dollars | - | 1.5 |

</details>"""
        in text
    )


def test_a_package_that_names_no_cost_is_described_by_its_size() -> None:
    text = comment(compare(BASE, replace(BASE, package={"arch": "arm64", "usd_per_million": "much"})), NOWHERE)
    assert "<summary>Size of model and package, cost: 200 kB</summary>" in text


HOSTILE = [
    "a|b",
    "a\nb",
    "`x`",
    "<img src=x onerror=alert(1)>",
    "@everyone",
    "\\|",
    "|",
    "``",
    " ",
    "",
    "]( x",
    "\u202e",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_stays_in_its_cell(value: str) -> None:
    this = side("this", 0.92, "b", params=BASE.params | {value: value})
    text = comment(compare(BASE, this), NOWHERE)
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<img" not in rendered
    rows = re.findall(r"<tr>\s*(.*?)</tr>", rendered, flags=re.DOTALL)
    assert all(row.count("<td") in {0, 2, 3, 4, 6} for row in rows)
    assert text.count("\n\n<details>") == rendered.count("<details>")


def cells(markdown: str) -> list[list[str]]:
    """The text of each cell of a table, read by a parser that GitHub's is like."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            assert {child.type for child in token.children or []} <= {"code_inline", "text"}, token
            rows[-1].append("".join(child.content for child in token.children or []))
    return rows


@given(st.lists(st.text(), min_size=3, max_size=3))
def test_no_text_breaks_a_table_or_starts_markup(values: list[str]) -> None:
    shown = cells(table(("a", "b", "c"), [[code(value) for value in values], [words(value) for value in values]]))
    assert [len(row) for row in shown] == [3, 3, 3]
    for row in shown[1:]:
        for value, text in zip(values, row, strict=True):
            if value.isprintable() and value.strip() and len(value) <= 80:
                assert text == value


def test_a_table_survives_pipes_and_newlines_in_its_cells_and_says_how_many_rows_it_leaves_out() -> None:
    rows = [(cell("a|b"), "3"), (cell("c\nd"), "4")]
    assert table(("name", "rows"), rows) == "| name | rows |\n| --- | ---: |\n| a\\|b | 3 |\n| c d | 4 |"
    assert table(("name", "rows"), rows, most=1).endswith("| a\\|b | 3 |\n\n(+1 more rows)")


@given(st.text())
def test_a_folded_title_is_text(title: str) -> None:
    assert folded(title, "body").count("<") == 4


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_json_value_is_shown_on_one_line(value: object) -> None:
    assert "\n" not in code(value)


def test_values_that_are_no_text_are_shown_as_json() -> None:
    assert [code(value) for value in (None, True, 0.5, "null", [1, "x"])] == [
        "`null`", "`true`", "`0.5`", "`null`", '`[1, "x"]`',
    ]  # fmt: skip
    assert json.loads(code({"b": 1, "a": None}).strip("`")) == {"a": None, "b": 1}


def huge(count: int, letter: str) -> Mapping[str, str]:
    return {f"key{place:06d}{'x' * 70}": letter * 500 for place in range(count)}


def test_a_comment_fits_githubs_limit_and_says_what_it_leaves_out() -> None:
    names = [f"level{place:05d}{'|' * 60}" for place in range(300)]
    levels = {name: share(0.5, 0.1, "recall") for name in names}
    huge_metrics = metrics(0.97) | {"levels": levels, "slices": {f"s{place}": levels for place in range(3)}}
    snapshot = side(
        "this",
        0.97,
        "b",
        metrics=huge_metrics,
        params=huge(2000, "é"),
        stale=tuple(huge(500, "")),
        confusion=Counter({(one, other): 7 for one in names for other in names}),
    )
    text = comment(compare(replace(BASE, params=huge(2000, "ü")), snapshot), NOWHERE)
    assert len(text.encode()) <= LARGEST_BYTES
    assert text.startswith("## 🔧 FIX LOCK: ")
    assert text.count("\n- key") == 20
    assert "\n- 480 more\n" in text
    assert "<summary>Parameters: 2000 changed</summary>" in text
    assert "(+1940 more rows)" in text
    assert "Confusion matrix" not in text
    assert text.endswith(f"1 of 8 details are left out: the comment would be too long.\n\n{COMMENT_MARKER}\n")


def test_the_same_comparison_makes_the_same_text() -> None:
    this = side("this", 0.97, "b", data=data(rows=120, mean=30), answers=answers(97, 3))
    first = comment(compare(replace(BASE, answers=answers(90, 10)), this), NOWHERE)
    assert comment(compare(replace(BASE, answers=answers(90, 10)), this), NOWHERE) == first


def test_a_terminal_gets_titles_for_what_is_folded() -> None:
    assert unfolded(folded("Data: new", "body")) == "### Data: new\n\nbody\n\n"
