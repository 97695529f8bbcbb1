"""The reports -> the model card, a Markdown document: what the model is, whom it must not be used on, how good it is.

Every figure is read from the files that the stages wrote. The words stand in `model_card.md.j2`, where a person edits
them; they hold for whatever the reports say, and a part that the reports do not hold is left out.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lambda_api.contract import LEVELS, fingerprint
from pipeline.errors import ModelFileError
from pipeline.files import Layout, read_bytes, read_json
from pipeline.model.guards import PLAUSIBLE_BMI
from pipeline.report import figures
from pipeline.report.data_dictionary import CITATION
from pipeline.report.markdown import table

WORDS = "model_card.md.j2"
"""The template beside this file."""

BATTERIES: dict[str, str] = {
    "data": "every record of the data",
    "random": "random records of the contract",
    "rounded": "random records, rounded as people type them",
    "on_thresholds": "records on the forest's own thresholds, or one step beside them",
    "unknown_categories": "records with categories that no contract has",
}

SCORES: dict[str, str] = {
    "accuracy": "accuracy",
    "f1_macro": "F1, mean of levels",
    "f1_weighted": "F1, weighted by records",
    "precision_macro": "precision, mean of levels",
    "precision_weighted": "precision, weighted by records",
    "recall_macro": "recall, mean of levels",
    "recall_weighted": "recall, weighted by records",
    "within_one_level": "at most one level off",
    "quadratic_kappa": "kappa, quadratic weights",
}

BASELINES: dict[str, str] = {
    "bmi_rule": "BMI rule: accuracy",
    "majority": "always the commonest level: accuracy",
}

CALIBRATION: dict[str, str] = {
    "ece": "expected calibration error",
    "brier": "Brier score, 0 (best) to 2",
    "log_loss": "log loss, nats",
}


@dataclass(frozen=True)
class Reports:
    """What the stages wrote, as read."""

    data: dict[str, Any]
    metrics: dict[str, Any]
    parity: dict[str, Any]
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    importances: pd.DataFrame

    @property
    def title_suffix(self) -> str:
        """What every title says besides: `sample` for a model made from the embedded sample, else nothing."""
        return "sample" if self.data["source"] == "sample" else ""


def read(layout: Layout) -> Reports:
    """The reports in a layout.

    Raises:
        ModelFileError: One of them is missing or damaged.
    """
    return Reports(
        data=read_json(layout.data_report, "pipeline clean"),
        metrics=read_json(layout.metrics, "pipeline evaluate"),
        parity=read_json(layout.parity, "pipeline train"),
        confusion=_table(layout.plots / "confusion.csv"),
        reliability=_table(layout.plots / "reliability.csv"),
        importances=_table(layout.plots / "importances.csv"),
    )


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(read_bytes(path, "pipeline evaluate")), keep_default_na=False)
    except ValueError as error:
        raise ModelFileError(f"{path} is not a CSV file ({error}): make it again with `pipeline evaluate`") from None


def card(reports: Reports, published: str) -> str:
    """The whole document; the same reports give the same text.

    Args:
        reports: What the stages wrote.
        published: SHA-256 of the data as its publisher gives it, `data.published` of params.yaml.

    Raises:
        KeyError: The reports lack a figure.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    language = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),  # of HTML files; this one is Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return language.get_template(WORDS).render(
        _facts(reports)
        | _tables(reports)
        | {"grouped": _grouped(reports), "relation": _relation(reports, published), "citation": CITATION}
    )


def _facts(reports: Reports) -> dict[str, str]:
    """The figures that stand between the words, as text."""
    data, parity, metrics = reports.data, reports.parity, reports.metrics
    age, synthetic = data["columns"]["Age"], data["origins"].get("synthetic", 0)
    return {
        "title_suffix": f" ({reports.title_suffix})" if reports.title_suffix else "",
        "source": data["source"],
        "trees": str(parity["trees"]),
        "nodes": f"{parity['nodes']:,}",
        "model_bytes": f"{parity['model_bytes']:,}",
        "age_min": f"{age['min']:g}",
        "age_max": f"{age['max']:g}",
        "age_mean": f"{age['mean']:.1f}",
        "rows_read": f"{data['rows_read']:,}",
        "duplicates_dropped": f"{data['duplicates_dropped']:,}",
        "records": f"{data['records']:,}",
        "synthetic_share": f"{synthetic / data['records']:.0%}" if synthetic else "",
        "confidence": f"{metrics['confidence']:.0%}",
        "plausible_low": f"{PLAUSIBLE_BMI[0]:g}",
        "plausible_high": f"{PLAUSIBLE_BMI[1]:g}",
        "model_sha256": parity["model_sha256"],
        "data_sha256": data["sha256"],
        "contract": fingerprint(),
    }


def _tables(reports: Reports) -> dict[str, str]:
    data = reports.data
    origins = [(name, f"{count:,}") for name, count in sorted(data["origins"].items())]
    return {
        "levels_table": table(("level", "records"), [(f"`{level}`", f"{data['levels'][level]:,}") for level in LEVELS]),
        "origins_table": table(("origin", "records"), origins),
        "scores_table": _scores(reports.metrics),
        "level_scores_table": _level_scores(reports.metrics),
        "group_scores_table": _group_scores(reports.metrics),
        "plausible_people_table": _plausible_people(reports.metrics),
        "calibration_table": _calibration(reports.metrics),
        "reliability_table": _reliability(reports.reliability),
        "importances_table": _importances(reports.importances),
        "exactness_table": _exactness(reports.parity),
    }


def _relation(reports: Reports, published: str) -> str:
    """What the data has to do with the file that the citation names."""
    if reports.data["sha256"] == published:
        return "The data is"
    if reports.data["source"] == "sample":
        return "The sample was made from aggregated figures of"
    return "The source of the data is not known to this project; its columns and levels are those of"


def _between(score: dict[str, float], name: str) -> str:
    return f"{score[name]:.4f} ({score[f'{name}_low']:.4f} to {score[f'{name}_high']:.4f})"


def _scores(metrics: dict[str, Any]) -> str:
    holdout, pooled = metrics["holdout"], metrics["out_of_fold"]
    rows = [("records", f"{holdout['rows']:,}", f"{pooled['rows']:,}")]
    rows += [(words, _between(holdout, name), _between(pooled, name)) for name, words in SCORES.items()]
    for name, words in BASELINES.items():
        beside = [_between(scores["baselines"][name], "accuracy") for scores in (holdout, pooled)]
        rows.append((words, beside[0], beside[1]))
    return table(("measure", "holdout", "out of fold"), rows)


def _level_scores(metrics: dict[str, Any]) -> str:
    rows = [
        (
            f"`{level}`",
            f"{score['rows']:,}",
            _between(score, "recall"),
            f"{score['bmi_rule_recall']:.4f}",
            f"{score['precision']:.4f}",
            f"{score['f1']:.4f}",
        )
        for level in LEVELS
        if (score := metrics["levels"].get(level))
    ]
    return table(("level", "records", "recall", "BMI rule's recall", "precision", "F1"), rows)


def _group_scores(metrics: dict[str, Any]) -> str:
    rows = [
        (
            title.removeprefix("accuracy by "),
            group.name,
            f"{group.rows:,}",
            f"{group.share:.4f} ({group.low:.4f} to {group.high:.4f})",
            f"{group.rule:.4f}",
        )
        for title, groups in figures.sections(metrics).items()
        if title.startswith("accuracy by ")
        for group in groups
    ]
    return table(("", "group", "records", "accuracy", "BMI rule's accuracy"), rows, left=2)


def _plausible_people(metrics: dict[str, Any]) -> str:
    rows = [
        (
            words,
            f"{people['rows']:,}",
            _between(people, "agreement"),
            f"{people['men_type_iii']:.4f}" if "men_type_iii" in people else "none drawn",
        )
        for name, words in (("holdout", "holdout"), ("out_of_fold", "out of fold"))
        if (people := metrics["plausible_people"][name])
    ]
    return table(
        ("records made from", "people", "agreement with the rule", "heavy men called `Obesity_Type_III`"), rows
    )


def _grouped(reports: Reports) -> dict[str, str]:
    """What is known with groups held out; nothing where origins are unknown."""
    if "grouped" not in reports.metrics:
        return {}
    grouped = reports.metrics["grouped"]
    rule = grouped["baselines"]["bmi_rule"]
    scores = {level: grouped["levels"][level] for level in LEVELS if level in grouped["levels"]}
    rows = [
        (f"`{level}`", f"{score['rows']:,}", _between(score, "recall"), f"{score['bmi_rule_recall']:.4f}")
        for level, score in scores.items()
    ]
    return {
        "rows": f"{grouped['rows']:,}",
        "accuracy": _between(grouped, "accuracy"),
        "ungrouped_accuracy": f"{reports.metrics['out_of_fold']['accuracy']:.4f}",
        "side": "below" if grouped["accuracy"] < rule["accuracy"] else "not below",
        "rule_accuracy": _between(rule, "accuracy"),
        "levels_table": table(("level", "records", "recall", "BMI rule's recall"), rows),
        "lowest": str(min(scores, key=lambda level: scores[level]["recall"])),
    }


def _calibration(metrics: dict[str, Any]) -> str:
    holdout, pooled = metrics["holdout"], metrics["out_of_fold"]
    rows = [(words, f"{holdout[name]:.4f}", f"{pooled[name]:.4f}") for name, words in CALIBRATION.items()]
    return table(("measure", "holdout", "out of fold"), rows)


def _reliability(bins: pd.DataFrame) -> str:
    rows = [(f"{row.confidence:.4f}", f"{row.accuracy:.4f}", f"{row.rows:,}") for row in bins.itertuples(index=False)]
    return table(("mean confidence", "right", "answers"), rows, left=0)


def _importances(importances: pd.DataFrame) -> str:
    rows = [(f"`{row.column}`", f"{row.lost:.4f}") for row in importances.itertuples(index=False)]
    return table(("column", "accuracy lost"), rows, most=len(rows))


def _exactness(parity: dict[str, Any]) -> str:
    rows = [
        (
            words,
            f"{compared['records']:,}",
            f"{compared['label_flips']:,}",
            f"{compared['max_probability_difference']:.12f}",
        )
        for name, words in BATTERIES.items()
        if (compared := parity["comparisons"][name])
    ]
    return table(("records", "compared", "labels that differ", "largest difference of a probability"), rows)
