"""The notebook's few lines work as their documentation says, and say what is wrong as the command line does."""

import doctest
from pathlib import Path

import pandas as pd
import pytest

import pipeline
from lambda_api.contract import LEVELS, TARGET, example
from pipeline import notebook
from pipeline.errors import DataError, ModelFileError
from pipeline.files import Layout
from pipeline.params import Params
from tests.paths import ROOT


@pytest.mark.usefixtures("training")
def test_the_documented_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(notebook) == doctest.TestResults(failed=0, attempted=10)


def test_every_step_gives_the_bytes_and_figures_of_the_command_line(
    small_csv: Path, small_params: Params, small_layout: Layout, tmp_path: Path
) -> None:
    model = pipeline.load(small_csv, small_params).clean().train(jobs=1)
    assert model.export(tmp_path / "model.onnx").read_bytes() == small_layout.model.read_bytes()
    figures = model.evaluate()
    assert figures.plots["levels"].to_csv(index=False) == (small_layout.plots / "levels.csv").read_text(
        encoding="utf-8"
    )


def test_predictions_come_under_the_frames_own_index(small_layout: Layout) -> None:
    frame = pd.DataFrame([example(), example() | {"Weight": 150}], index=["ann", "bob"])
    answers = pipeline.load_model(small_layout.model).predict(frame[sorted(frame.columns)])
    assert list(answers.columns) == ["prediction", *map(str, LEVELS)]
    assert list(answers.index) == ["ann", "bob"]
    assert answers.drop(columns="prediction").sum(axis=1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"CAEC": "Never"}, "row 2, CAEC: got 'Never', expected one of 'no', 'Sometimes', 'Frequently', 'Always'"),
        ({"Height": 165}, "row 2, Height: got 165, expected a number from 1 to 2.5"),
        ({"Age": float("nan")}, "row 2, Age: got nan, expected a number from 10 to 110"),
    ],
)
def test_a_row_that_breaks_the_contract_is_named(small_layout: Layout, change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError) as refused:
        pipeline.load_model(small_layout.model).predict(pd.DataFrame([example() | change]))
    assert str(refused.value).splitlines()[1].strip() == said


def test_a_missing_column_is_named(small_layout: Layout) -> None:
    with pytest.raises(DataError, match="missing column CAEC"):
        pipeline.load_model(small_layout.model).predict(pd.DataFrame([example()]).drop(columns="CAEC"))


def test_the_answers_column_may_stay_in_the_frame(small_layout: Layout) -> None:
    frame = pd.DataFrame([example()])
    model = pipeline.load_model(small_layout.model)
    assert model.predict(frame.assign(**{TARGET: "Normal_Weight"})).equals(model.predict(frame))


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelFileError, match=r"model\.onnx"):
        pipeline.load_model(tmp_path / "model.onnx")


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fit_everything'"):
        _ = pipeline.fit_everything
