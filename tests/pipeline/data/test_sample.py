"""The sample is made from aggregated figures alone, the same bytes each time, and no real person is in it."""

from pathlib import Path

import pytest

from lambda_api.contract import LEVELS, TARGET, Record
from pipeline.data import clean, sample
from pipeline.data.records import COLUMNS, load_processed
from pipeline.errors import DataError, ModelFileError
from pipeline.files import Layout, digest
from pipeline.params import Params
from tests.paths import ROOT

RECORDS = ROOT / sample.RECORDS
PROFILE = ROOT / sample.PROFILE


def test_the_committed_sample_is_what_the_committed_profile_makes(params: Params, tmp_path: Path) -> None:
    text = sample.run(params.sample, PROFILE, tmp_path / "records.csv")
    assert (tmp_path / "records.csv").read_bytes() == text.encode() == RECORDS.read_bytes()
    assert digest(text.encode()) == params.sample.sha256


def test_another_seed_makes_other_records(params: Params) -> None:
    profile = sample.load_profile(PROFILE)
    assert sample.generate(profile, params.sample.model_copy(update={"seed": 1})) != RECORDS.read_text(encoding="utf-8")


def test_the_sample_has_a_thousand_valid_records_of_every_level() -> None:
    frame = clean.load(RECORDS)
    assert (len(frame), set(frame[TARGET])) == (1000, {str(level) for level in LEVELS})


def test_the_profile_holds_aggregated_figures_only() -> None:
    profile = sample.load_profile(PROFILE)
    assert set(profile.levels) == {str(level) for level in LEVELS}
    numbers = {name for name, field in Record.model_fields.items() if field.metadata} - {"Weight"} | {"BMI"}
    for level in profile.levels.values():
        assert {name: len(values) for name, values in level.quantiles.items()} == dict.fromkeys(numbers, 7)
        assert all(values == sorted(values) for values in level.quantiles.values())
        assert all(abs(sum(shares.values()) - 1) < 0.03 for shares in level.shares.values())


def test_no_person_of_the_real_file_is_in_the_sample(real_csv: Path) -> None:
    real, made = clean.load(real_csv), clean.load(RECORDS)
    assert real[list(COLUMNS)].merge(made[list(COLUMNS)]).empty


def test_the_committed_profile_is_that_of_the_real_data(real_layout: Layout, tmp_path: Path) -> None:
    sample.write_profile(load_processed(real_layout.records), tmp_path / "profile.json")
    assert (tmp_path / "profile.json").read_bytes() == PROFILE.read_bytes()


def test_the_sample_is_not_profiled_again(params: Params, tmp_path: Path) -> None:
    frame, report = clean.clean(RECORDS.read_bytes(), "records.csv", params)
    assert report.source == "sample"
    with pytest.raises(DataError, match="give real records"):
        sample.write_profile(frame, tmp_path / "profile.json")
    assert not (tmp_path / "profile.json").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist: make it with `pipeline sample --profile`"),
        ('{"levels": 3}', "is not a profile: 2 value(s) do not fit"),
        ('{"contract": "older", "levels": {}}', "was made for another contract"),
    ],
)
def test_a_profile_that_cannot_be_used_is_named(tmp_path: Path, params: Params, content: str | None, said: str) -> None:
    path, target = tmp_path / "profile.json", tmp_path / "records.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelFileError) as refused:
        sample.run(params.sample, path, target)
    assert said in str(refused.value)
    assert not target.exists()
