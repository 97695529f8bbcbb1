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
from pipeline.report.comment import COMMENT_MARKER, LARGEST_BYTES, Links, comment, headline, unfolded
from pipeline.report.comparison import compare
from pipeline.report.markdown import cell, code, folded, table, words
from pipeline.report.snapshot import Answers, RecordAnswer, Snapshot
from tests.paths import expected

LEVELS = ("Normal_Weight", "Obesity_Type_I")
NOWHERE = Links()


def share(value: float, width: float = 0.02, name: str = "accuracy") -> dict[str, float]:
    return {name: value, f"{name}_low": value - width, f"{name}_high": value + width}


def metrics(accuracy: float, people: float = 0.9) -> dict[str, Any]:
    return {
        "confidence": 0.95,
        "out_of_fold": share(accuracy) | {"ece": 0.01},
        "levels": {level: share(accuracy, 0.04, "recall") for level in LEVELS},
        "slices": {"sex": {"Male": share(accuracy, 0.03)}},
        "plausible_people": {"out_of_fold": share(people, 0.01, "agreement")},
    }


def data(rows: int = 100, source: str = "real", mean: float = 25.0) -> dict[str, Any]:
    return {
        "sha256": f"{rows:064d}",
        "source": source,
        "records": rows,
        "levels": {LEVELS[0]: rows - 60, LEVELS[1]: 60},
        "columns": {
            "Age": {"mean": mean, "std": 5.0, "min": 14.0, "max": 60.0},
            "SMOKE": {"no": rows - 10, "yes": 10},
        },
    }


def parity(model: str, size: int = 200_000) -> dict[str, Any]:
    compared = {"data": {"records": 100, "label_flips": 0, "max_probability_difference": 3.3e-16}}
    return {"model_sha256": model * 64, "model_bytes": size, "nodes": 900, "trees": 50, "comparisons": compared}


def side(name: str, accuracy: float, model: str, **changes: Any) -> Snapshot:
    snapshot = Snapshot(
        name=name,
        params={"forest.n_estimators": 50, "forest.max_depth": None, "split.holdout": 0},
        stages={"train": {"deps": [{"path": "x", "md5": "1"}], "params": {}}},
        metrics=metrics(accuracy),
        data=data(),
        parity=parity(model),
        confusion=Counter({(LEVELS[0], LEVELS[0]): 40, (LEVELS[1], LEVELS[1]): 60}),
    )
    return replace(snapshot, **changes)


BASE = side("main", 0.90, "a")


def answers(right: int, wrong: int) -> Answers:
    """Records of the first level in fold 1, the first `right` of them answered rightly."""
    predicted = [LEVELS[0]] * right + [LEVELS[1]] * wrong
    return {(f"{place:064x}", LEVELS[0]): RecordAnswer("1", level) for place, level in enumerate(predicted)}


def test_a_better_model_is_described_in_full() -> None:
    this = side(
        "this",
        0.97,
        "b",
        params=BASE.params | {"forest.n_estimators": 80},
        stages={"train": {"deps": [{"path": "x", "md5": "1"}], "params": {"n": 80}}},
        confusion=Counter({(LEVELS[0], LEVELS[0]): 38, (LEVELS[0], LEVELS[1]): 2, (LEVELS[1], LEVELS[1]): 60}),
        parity=parity("b", 300_000),
    )
    links = Links.of(
        {
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "7",
            "GITHUB_SHA": "abc",
        }
    )
    assert comment(compare(BASE, this), links) == expected("comment-better.md")


def test_an_unchanged_model_is_described_in_short() -> None:
    assert comment(compare(BASE, replace(BASE, name="this")), NOWHERE) == expected("comment-unchanged.md")


GAINED = "accuracy, out of fold +0.0700 [+0.0417, +0.0983]"
NEW = "🆕 Nothing to compare: "
SAMPLE = side("this", 0.95, "b", data=data(source="sample"))


@pytest.mark.parametrize(
    ("base", "this", "line"),
    [
        (BASE, side("this", 0.80, "b"), "❌ Worse than `main`: accuracy, out of fold -0.1000 [-0.1283, -0.0717]"),
        (
            BASE,
            side("this", 0.91, "b"),
            "🟰 No difference beyond noise from `main`: accuracy, out of fold +0.0100 [-0.0183, +0.0383]",
        ),
        (
            BASE,
            side("this", 0.97, "b", metrics=metrics(0.97, people=0.8)),
            f"⚠️ Better and worse than `main`: {GAINED}; but plausible people -0.1000 [-0.1141, -0.0859]",
        ),
        (None, BASE, NEW + "there is no commit before this one, everything is new"),
        (replace(BASE, metrics=None), BASE, NEW + "`main` has no reports, everything is new"),
        (BASE, replace(BASE, metrics=None), NEW + "there are no reports here, `dvc repro` makes them"),
        (BASE, SAMPLE, "⚠️ Not comparable with `main`: this model was made from sample data, that one from real data"),
    ],
)
def test_the_first_line_is_the_verdict(base: Snapshot | None, this: Snapshot, line: str) -> None:
    comparison = compare(base, this)
    assert headline(comparison) == line
    assert comment(comparison, NOWHERE).splitlines()[0] == f"## {line}"


def verdict(outcome: str, model: str) -> dict[str, object]:
    reason = {"name": "collected rows", "ok": False, "value": 0.81, "needed": ">= 0.95", "text": "0.81 < 0.95"}
    return {"outcome": outcome, "challenger_sha256": model * 64, "text": "Refused: it is worse", "reasons": [reason]}


def test_the_gates_verdict_comes_first_if_it_is_about_this_model() -> None:
    refused = compare(BASE, side("this", 0.80, "b", verdict=verdict("refused", "b")))
    assert headline(refused).startswith("⛔ Gate: refused. ❌ Worse than `main`: ")
    text = comment(refused, NOWHERE)
    assert "The gate says: Refused: it is worse" in text
    assert "| collected rows | 0.81 | `>= 0.95` | **no** | `0.81 < 0.95` |" in text
    stranger = compare(BASE, side("this", 0.80, "b", verdict=verdict("refused", "c")))
    assert headline(stranger).startswith("❌ Worse than `main`: ")
    assert "Gate" not in comment(stranger, NOWHERE)


def test_a_model_that_is_not_comparable_shows_its_own_figures_and_a_warning() -> None:
    text = comment(compare(BASE, SAMPLE), NOWHERE)
    assert "| accuracy, out of fold | 0.9500 | [0.9300, 0.9700] |" in text
    assert "> Made from the embedded sample of invented people" in text


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
    assert "Paired: on the same 100 records, answered by both out of fold." in text


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
    head = text[: text.index("|  | base")]
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


def test_warnings_stand_before_the_figures() -> None:
    this = side(
        "this", 0.92, "b", stale=("train: pipeline/model/train.py is not what was locked",), model_file_sha256="c" * 64
    )
    text = comment(compare(BASE, this), NOWHERE)
    head = text[: text.index("|  | base")]
    assert "> `dvc.lock` is stale" in head
    assert "> - train: pipeline/model/train.py is not what was locked" in head
    assert "`models/model.onnx` is not the model that the reports describe" in head
    assert "> Not reproducible: the same code, data and parameters made another model." in head
    assert "> [!" not in comment(compare(BASE, replace(BASE, name="this")), NOWHERE)


def test_what_a_package_weighs_and_costs_is_shown_where_one_was_built() -> None:
    package = {"arch": "arm64", "unzipped_bytes": 85_000_000, "zipped_bytes": 24_000_000, "model_sha256": "a"}
    package |= {"prediction_ms": 0.144, "usd_per_million_lambda": 0.22, "usd_per_million": 1.5, "unknown": "|"}
    text = comment(compare(BASE, replace(BASE, package=package)), NOWHERE)
    assert (
        """\
<details><summary>Size of model and package, cost: 200 kB, 1.50 USD a million predictions</summary>

|  | base | this |
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
    this = side(
        "this",
        0.97,
        "b",
        metrics=huge_metrics,
        params=huge(2000, "é"),
        stale=tuple(huge(500, "")),
        confusion=Counter({(one, other): 7 for one in names for other in names}),
    )
    text = comment(compare(replace(BASE, params=huge(2000, "ü")), this), NOWHERE)
    assert len(text.encode()) <= LARGEST_BYTES
    assert text.startswith("## ✅ Better than `main`")
    assert text.count("\n> - key") == 20
    assert "<summary>Parameters: 2000 changed</summary>" in text
    assert "(+1940 more rows)" in text
    assert "Confusion matrix" not in text
    assert text.endswith(
        f"1 of 7 details are left out: the comment would be too long.\n\nCompared with `main`\n\n{COMMENT_MARKER}\n"
    )


def test_the_same_comparison_makes_the_same_text() -> None:
    this = side("this", 0.97, "b", data=data(rows=120, mean=30), answers=answers(97, 3))
    first = comment(compare(replace(BASE, answers=answers(90, 10)), this), NOWHERE)
    assert comment(compare(replace(BASE, answers=answers(90, 10)), this), NOWHERE) == first


def test_a_terminal_gets_titles_for_what_is_folded() -> None:
    assert unfolded(folded("Data: new", "body")) == "### Data: new\n\nbody\n\n"
