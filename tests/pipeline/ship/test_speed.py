"""What one prediction uses is measured on the package itself."""

from pathlib import Path

import pytest

from pipeline.errors import ModelFileError
from pipeline.files import Layout
from pipeline.ship.cost import Use, load, per_million
from pipeline.ship.package import package_layout
from pipeline.ship.speed import PLATFORM_LOG_BYTES, PredictionUse, cost, measure
from tests.paths import ROOT


def test_a_packaged_model_is_timed_and_what_it_writes_is_counted(
    small_layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package_layout(small_layout, tmp_path)

    use = measure(tmp_path, calls=5)

    assert use.milliseconds > 0
    assert 500 < use.log_bytes < 900
    assert 300 < use.answer_bytes < 500
    assert capsys.readouterr().out == ""


def test_a_damaged_package_is_refused(small_layout: Layout, tmp_path: Path) -> None:
    package_layout(small_layout, tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelFileError, match="the service would not start from"):
        measure(tmp_path)


def test_a_prediction_is_priced_by_whole_milliseconds_and_with_the_lines_that_lambda_writes() -> None:
    prices = load(ROOT / "infra/prices.json")
    assert cost(PredictionUse(1.2, log_bytes=600, answer_bytes=400), "arm64", prices) == per_million(
        prices, Use(1769, "arm64", 2, log_bytes=600 + PLATFORM_LOG_BYTES, answer_bytes=400)
    )
