"""The figures and the generated documents: drawn from files alone, honest about samples and about what is missing."""

import copy
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lambda_api.contract import LEVELS, columns
from pipeline.data.records import COLUMNS, PROCESSED
from pipeline.errors import ModelFileError
from pipeline.files import Layout, write_csv, write_json, write_text
from pipeline.report import figures
from pipeline.report import write as report
from pipeline.report.data_dictionary import ADDED, data_dictionary

PUBLISHED = "f" * 64
NAMES = ["summary", "confusion", "reliability", "importances", "slices"]


def share(value: float, rows: int = 100, name: str = "accuracy") -> dict[str, float]:
    return {"rows": rows, name: value, f"{name}_low": value - 0.0321, f"{name}_high": min(value + 0.0123, 1.0)}


def overall(accuracy: float, rows: int) -> dict[str, Any]:
    names = ("f1_macro", "f1_weighted", "precision_macro", "precision_weighted", "recall_macro", "recall_weighted")
    scores: dict[str, Any] = share(accuracy, rows)
    for step, name in enumerate((*names, "within_one_level", "quadratic_kappa")):
        scores |= share(accuracy - step / 1000, rows, name)
    baselines = {"bmi_rule": share(0.8111, rows), "majority": share(0.2222, rows)}
    return scores | {"ece": 0.0217, "brier": 0.0333, "log_loss": 0.0444, "baselines": baselines}


def level_scores(recall: float, rule: float) -> dict[str, float]:
    return share(recall, 30, "recall") | {"precision": 0.7788, "f1": 0.7799, "bmi_rule_recall": rule}


METRICS: dict[str, Any] = {
    "confidence": 0.95,
    "holdout": overall(0.9123, 60),
    "out_of_fold": overall(0.9456, 300),
    "levels": {str(level): level_scores(0.9 + place / 100, 0.81) for place, level in enumerate(LEVELS)},
    "slices": {
        "sex": {"Female": share(0.97, 150) | {"bmi_rule_accuracy": 0.8765}},
        "age": {
            "18 to 20": share(0.96, 80) | {"bmi_rule_accuracy": 0.8654},
            "under 18": share(0.95, 20) | {"bmi_rule_accuracy": 0.8543},
        },
        "origin": {"collected": share(0.94, 50) | {"bmi_rule_accuracy": 1.0}},
    },
    "plausible_people": {
        "holdout": share(0.9211, 600, "agreement"),
        "out_of_fold": share(0.9322, 3000, "agreement") | {"men_type_iii": 0.9744},
    },
    "grouped": share(0.7013, 300)
    | {
        "baselines": {"bmi_rule": share(0.8111, 300), "majority": share(0.2222, 300)},
        "levels": {str(LEVELS[5]): level_scores(0.6, 0.81), str(LEVELS[6]): level_scores(0.25, 0.82)},
    },
}
DATA: dict[str, Any] = {
    "source": "real",
    "sha256": PUBLISHED,
    "rows_read": 1302,
    "duplicates_dropped": 2,
    "records": 1300,
    "levels": {str(level): 100 + place for place, level in enumerate(LEVELS)},
    "origins": {"collected": 325, "synthetic": 975},
    "columns": {"Age": {"min": 15.0, "max": 62.0, "mean": 24.34, "std": 6.0}},
}
PARITY: dict[str, Any] = {
    "model_sha256": "e" * 64,
    "model_bytes": 219788,
    "nodes": 26910,
    "trees": 50,
    "comparisons": {
        name: {"records": 1000 + place, "label_flips": 0, "max_probability_difference": 3.3e-16}
        for place, name in enumerate(("data", "random", "rounded", "on_thresholds", "unknown_categories"))
    },
}
CONFUSION = pd.DataFrame(
    [("Normal_Weight", "Normal_Weight")] * 3
    + [("Normal_Weight", "Overweight_Level_I")]
    + [("Obesity_Type_III", "Obesity_Type_III")] * 2,
    columns=["actual", "predicted"],
)
RELIABILITY = pd.DataFrame(
    {"bin": [4, 9], "confidence": [0.4519, 0.9713], "accuracy": [0.5, 0.9626], "rows": [4, 1296]}
)
IMPORTANCES = pd.DataFrame({"column": ["Weight", "Age", "SMOKE"], "lost": [0.8, 0.004, -0.0005]})

DRAWERS: dict[str, Callable[[str], Figure]] = {
    "summary": lambda title_suffix: figures.summary(METRICS, title_suffix),
    "confusion": lambda title_suffix: figures.confusion(CONFUSION, title_suffix),
    "reliability": lambda title_suffix: figures.reliability(RELIABILITY, METRICS, title_suffix),
    "importances": lambda title_suffix: figures.importances(IMPORTANCES, title_suffix),
    "slices": lambda title_suffix: figures.slices(METRICS, title_suffix),
}


def write(layout: Layout, metrics: dict[str, Any] = METRICS, source: str = "real", sha256: str = PUBLISHED) -> Layout:
    """The reports above as files, with other metrics or another source."""
    write_json(layout.data_report, DATA | {"source": source, "sha256": sha256})
    write_json(layout.metrics, metrics)
    write_json(layout.parity, PARITY)
    for name, plot in (("confusion", CONFUSION), ("reliability", RELIABILITY), ("importances", IMPORTANCES)):
        write_csv(layout.plots / f"{name}.csv", plot)
    return layout


def chunks(png: bytes) -> list[str]:
    """The kinds of a PNG file's chunks, in order, each once."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    kinds, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kinds.append(png[place + 4 : place + 8].decode())
        place += 12 + length
    return sorted(set(kinds), key=kinds.index)


def texts(figure: Figure, axes: int = 0) -> list[str]:
    return [text.get_text() for text in figure.axes[axes].texts]


def leaves(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, int | float):
        yield value


def test_report_draws_every_figure_and_writes_the_card_for_a_trained_layout(
    small_layout: Layout, tmp_path: Path
) -> None:
    layout = Layout(tmp_path)
    shutil.copytree(small_layout.root / "reports", tmp_path / "reports")
    written = report.run(layout, PUBLISHED)
    assert written == [*(layout.figures / f"{name}.png" for name in NAMES), layout.model_card]
    assert [chunks(path.read_bytes()) for path in written[:-1]] == [["IHDR", "pHYs", "IDAT", "IEND"]] * len(NAMES)
    assert layout.model_card.read_text() == report.model_card(layout, PUBLISHED)


def test_the_same_reports_make_the_same_bytes_whatever_the_users_settings_and_folder(tmp_path: Path) -> None:
    first = report.run(write(Layout(tmp_path / "one")), PUBLISHED)
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 20, "axes.facecolor": "black"}):
        second = report.run(write(Layout(tmp_path / "two")), PUBLISHED)
        assert mpl.rcParams["font.size"] == 30
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_drawing_needs_no_pyplot() -> None:
    code = "import sys, pipeline.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(report.__file__).parents[1]).returncode == 0
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_sample_says_so_in_its_title(name: str) -> None:
    assert DRAWERS[name]("sample").get_suptitle() == f"{DRAWERS[name]('').get_suptitle()} (sample)"


@pytest.mark.parametrize(
    ("source", "sha256", "title", "warned", "licence"),
    [
        ("real", PUBLISHED, "# Model card: obesity levels", None, "The data is"),
        ("real", "d" * 64, "# Model card: obesity levels", None, "The source of the data is not known"),
        ("sample", "d" * 64, "# Model card: obesity levels (sample)", "**Sample.**", "The sample was made from"),
        (
            "other",
            "d" * 64,
            "# Model card: obesity levels",
            "**Not the pinned data.**",
            "The source of the data is not known",
        ),
    ],
)
def test_the_card_says_which_data_the_model_was_made_from(
    tmp_path: Path, source: str, sha256: str, title: str, warned: str | None, licence: str
) -> None:
    card = report.model_card(write(Layout(tmp_path), source=source, sha256=sha256), PUBLISHED)
    assert card.splitlines()[0] == title
    assert re.findall(r"^> (\*\*.*?\*\*)", card, re.MULTILINE) == ([warned] if warned else [])
    assert f"## Data and licence\n\n{licence}" in card


def test_parts_that_the_metrics_do_not_hold_are_left_out_of_card_and_figure(tmp_path: Path) -> None:
    metrics = copy.deepcopy(METRICS)
    del metrics["grouped"], metrics["slices"]["origin"], metrics["levels"]["Obesity_Type_III"]
    whole = report.model_card(write(Layout(tmp_path / "whole")), PUBLISHED)
    part = report.model_card(write(Layout(tmp_path / "part"), metrics), PUBLISHED)
    assert "\n## Groups held out\n" in whole
    assert "\n| origin | collected | 50 |" in whole
    assert "\n## Groups held out\n" not in part
    assert "\n| origin | collected | 50 |" not in part
    titles = [axes.get_title("left") for axes in figures.slices(metrics, "").axes]
    assert titles == ["recall by level", "accuracy by sex", "accuracy by age"]
    drawn = [label.get_text() for label in figures.slices(metrics, "").axes[0].get_yticklabels()]
    assert drawn == [f"{level} (30)" for level in LEVELS[:-1]]


def test_every_decimal_in_the_card_stands_in_the_reports(tmp_path: Path) -> None:
    card = report.model_card(write(Layout(tmp_path)), PUBLISHED)
    known = {f"{value:.4f}" for tree in (METRICS, DATA, PARITY) for value in leaves(tree)}
    known |= {
        f"{value:.4f}" for plot in (RELIABILITY, IMPORTANCES) for value in plot.select_dtypes("number").to_numpy().flat
    }
    decimals = re.findall(r"-?\b\d\.\d{4}\b", card)
    assert len(decimals) > 100
    assert sorted(set(decimals) - known) == []


def test_the_card_puts_the_rule_beside_the_model_and_an_interval_behind_each_share(tmp_path: Path) -> None:
    card = report.model_card(write(Layout(tmp_path)), PUBLISHED)
    for line in (
        "| accuracy | 0.9123 (0.8802 to 0.9246) | 0.9456 (0.9135 to 0.9579) |",
        "| BMI rule: accuracy | 0.8111 (0.7790 to 0.8234) | 0.8111 (0.7790 to 0.8234) |",
        "| always the commonest level: accuracy | 0.2222 (0.1901 to 0.2345) | 0.2222 (0.1901 to 0.2345) |",
        "| `Normal_Weight` | 30 | 0.9100 (0.8779 to 0.9223) | 0.8100 | 0.7788 | 0.7799 |",
        "| age | under 18 | 20 | 0.9500 (0.9179 to 0.9623) | 0.8543 |",
        "| holdout | 600 | 0.9211 (0.8890 to 0.9334) | none drawn |",
        "| out of fold | 3,000 | 0.9322 (0.9001 to 0.9445) | 0.9744 |",
        "75% of the records are synthetic: interpolated (SMOTE) between survey answers, level by level.",
        "| every record of the data | 1,000 | 0 | 0.000000000000 |",
        f"| `models/model.onnx` | `{'e' * 64}` |",
    ):
        assert line in card.splitlines()


@pytest.mark.parametrize(("accuracy", "side"), [(0.7013, "below"), (0.9013, "not below")])
def test_the_card_says_whether_grouped_accuracy_is_below_the_rule(tmp_path: Path, accuracy: float, side: str) -> None:
    metrics = copy.deepcopy(METRICS)
    metrics["grouped"] |= share(accuracy, 300)
    card = report.model_card(write(Layout(tmp_path), metrics), PUBLISHED).splitlines()
    assert f"{side} the BMI rule's 0.8111 (0.7790 to 0.8234) on the same records." in card
    assert "| `Obesity_Type_III` | 30 | 0.2500 (0.2179 to 0.2623) | 0.8200 |" in card
    assert any(line.startswith("Lowest is `Obesity_Type_III`.") for line in card)


def damage_csv(layout: Layout) -> None:
    write_text(layout.plots / "reliability.csv", "")


def forget_rule(layout: Layout) -> None:
    metrics = copy.deepcopy(METRICS)
    del metrics["levels"]["Normal_Weight"]["bmi_rule_recall"]
    write_json(layout.metrics, metrics)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda layout: layout.metrics.unlink(), "metrics.json does not exist: make it with `pipeline evaluate`"),
        (lambda layout: layout.data_report.unlink(), "data.json does not exist: make it with `pipeline clean`"),
        (lambda layout: layout.parity.unlink(), "parity.json does not exist: make it with `pipeline train`"),
        (damage_csv, "reliability.csv is not a CSV file"),
        (forget_rule, "lack 'bmi_rule_recall': make them again with `pipeline train`, `pipeline evaluate`"),
    ],
)
def test_a_missing_damaged_or_old_report_is_named_and_nothing_is_written(
    tmp_path: Path, harm: Callable[[Layout], None], message: str
) -> None:
    layout = write(Layout(tmp_path))
    write_text(layout.model_card, "the card before\n")
    harm(layout)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        report.run(layout, PUBLISHED)
    assert layout.model_card.read_text() == "the card before\n"
    assert not layout.figures.exists()


def test_summary_draws_model_rule_and_majority_with_their_intervals() -> None:
    figure = figures.summary(METRICS, "")
    axes = figure.axes[0]
    assert figure.get_suptitle() == "Right answers on 300 records"
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "this model",
        "BMI rule",
        "always the\ncommonest level",
    ]
    assert [(bar.get_width(), to_hex(bar.get_facecolor()).upper()) for bar in axes.patches] == [
        (0.9456, figures.MODEL),
        (0.8111, figures.RULE),
        (0.2222, figures.MAJORITY),
    ]
    assert texts(figure) == ["94.6%", "91.3% to 95.8%", "81.1%", "77.9% to 82.3%", "22.2%", "19.0% to 23.5%"]


def test_confusion_writes_counts_and_row_shares_and_leaves_zeros_empty() -> None:
    figure = figures.confusion(CONFUSION, "")
    assert [(text.get_position(), text.get_text()) for text in figure.axes[0].texts] == [
        ((1, 1), "3\n75.0%"),
        ((2, 1), "1\n25.0%"),
        ((6, 6), "2\n100%"),
    ]
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[:2] == ["Insufficient_Weight (0)", "Normal_Weight (4)"]


def test_reliability_draws_each_bin_with_its_count() -> None:
    figure = figures.reliability(RELIABILITY, METRICS, "")
    points = figure.axes[0].lines[1]
    np.testing.assert_array_equal(points.get_xydata(), RELIABILITY[["confidence", "accuracy"]].to_numpy())
    assert texts(figure, axes=1) == ["4", "1,296"]
    assert "Expected calibration error 0.0217." in figure.get_supxlabel()


def test_importances_magnify_the_columns_that_would_not_show() -> None:
    figure = figures.importances(IMPORTANCES, "")
    assert [texts(figure, axes) for axes in (0, 1)] == [["80.00", "0.40", "-0.05"], ["0.40", "-0.05"]]
    assert len(figures.importances(IMPORTANCES[:1], "").axes) == 1


def test_slices_put_the_rule_beside_the_model_youngest_first() -> None:
    axes = figures.slices(METRICS, "").axes[2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["under 18 (20)", "18 to 20 (80)"]
    drawn = {line.get_label(): list(line.get_xdata()) for line in axes.lines if not line.get_label().startswith("_")}
    assert drawn == {"BMI rule": [0.8543, 0.8654]}
    assert list(axes.containers[0].lines[0].get_xdata()) == [0.95, 0.96]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0%"), (0.12345, "12.3%"), (0.98753, "98.8%"), (0.99951, "99.9%"), (1.0, "100%")]
)
def test_percent_is_never_rounded_up_to_perfect(value: float, text: str) -> None:
    assert figures.percent(value) == text


def test_the_data_dictionary_holds_every_column_and_level_of_the_contract() -> None:
    text = data_dictionary()
    first = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    assert first == [
        *(f"| `{column.name}`" for column in columns()),
        *(f"| `{level}`" for level in LEVELS),
        *(f"| `{name}`" for name in ADDED),
    ]
    for line in (
        "| `Height` | Body height, in metres | number | m | 1 to 2.5 | 1.65 |",
        "| `FAVC` | Eats high-caloric food frequently? | category |  | `no`, `yes` | yes |",
        "| `Insufficient_Weight` | less than 18.5 | Medium |",
        "| `Overweight_Level_I` | 25.0 or more and less than 27.0 | Medium |",
        "| `Obesity_Type_III` | 40.0 or more | High |",
    ):
        assert line in text.splitlines()


def test_the_data_dictionary_explains_every_column_that_clean_adds() -> None:
    assert set(ADDED) | {*COLUMNS, "NObeyesdad"} == set(PROCESSED)


def test_a_document_is_stale_until_it_says_what_it_should(tmp_path: Path) -> None:
    layout = write(Layout(tmp_path))
    dictionary = tmp_path / report.DATA_DICTIONARY
    assert report.stale(layout, PUBLISHED) == [dictionary, layout.model_card]
    for path, content in report.documents(layout, PUBLISHED).items():
        write_text(path, content)
    assert report.stale(layout, PUBLISHED) == []
    dictionary.write_bytes(dictionary.read_bytes().replace(b"\n", b"\r\n"))
    assert report.stale(layout, PUBLISHED) == [dictionary]


def test_without_reports_only_the_data_dictionary_can_be_made(tmp_path: Path) -> None:
    assert list(report.documents(Layout(tmp_path), PUBLISHED)) == [tmp_path / report.DATA_DICTIONARY]
