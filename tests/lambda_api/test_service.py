import json
from pathlib import Path
from shutil import copytree

import pytest

from lambda_api.contract import LEVELS, RISK, Record, bmi_level, example
from lambda_api.manifest import ManifestError, Support
from lambda_api.model import ModelError
from lambda_api.service import Answer, Service
from pipeline.data.records import COLUMNS, random_records, rounded
from pipeline.files import Layout


def record(**values: object) -> Record:
    """The contract's example with other values."""
    return Record.model_validate(example() | values)


def golden(layout: Layout) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = json.loads(layout.golden.read_text())["cases"]
    return cases


def test_golden_records_get_their_golden_answers(service: Service, small_layout: Layout) -> None:
    cases = golden(small_layout)

    answers = service.answer([Record.model_validate(case["record"]) for case in cases]).answers

    assert [(answer["prediction"], [round(p, 6) for p in answer["probabilities"].values()]) for answer in answers] == [
        (case["prediction"], [round(p, 6) for p in case["probabilities"]]) for case in cases
    ]  # type: ignore[attr-defined]


def test_a_record_gets_the_same_answer_alone_and_in_a_batch(service: Service) -> None:
    frame = rounded(random_records(200, seed=5))
    people = [person for row in frame[list(COLUMNS)].to_dict("records") if (person := possible(row)) is not None]

    together = service.answer(people).answers

    assert together == [service.answer([person]).answers[0] for person in people]
    assert len(people) > 150


def possible(row: dict[str, object]) -> Record | None:
    """The record of a row, if rounding has not made it impossible."""
    try:
        return Record.model_validate(row)
    except ValueError:
        return None


def test_an_answer_is_consistent_with_the_contract(service: Service) -> None:
    person = record(Height=1.8, Weight=70)

    answered = service.answer([person])
    answer = Answer.model_validate(answered.answers[0])

    assert list(answer.probabilities) == list(LEVELS)
    assert answer.confidence == max(answer.probabilities.values()) == answer.probabilities[answer.prediction]
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.risk_level == RISK[answer.prediction]
    assert answer.bmi == 21.6
    assert answer.bmi_class == bmi_level(person.bmi) == "Normal_Weight"
    assert answered.levels() == {str(level): int(level == answer.prediction) for level in LEVELS}
    assert answered.mean_confidence() == answer.confidence


def test_only_what_lies_outside_the_training_data_is_warned_of(service: Service) -> None:
    support = service.manifest.support | {
        "Age": Support(low=20, high=30),
        "NCP": Support(low=2, high=4),
        "MTRANS": Support(categories=("Bike", "Walking")),
    }
    narrow = Service(service.model, service.manifest.model_copy(update={"support": support}))
    people = [
        record(Age=25, NCP=3, MTRANS="Bike"),
        record(Age=31, NCP=1, MTRANS="Bike"),
        record(Age=20, NCP=2, MTRANS="Automobile"),
    ]

    warnings = [answer["warnings"] for answer in narrow.answer(people).answers]

    assert warnings == [
        [],
        [
            {"loc": ["Age"], "msg": "outside the 20 to 30 that the model was trained on"},
            {"loc": ["NCP"], "msg": "outside the 2 to 4 that the model was trained on"},
        ],
        [{"loc": ["MTRANS"], "msg": "a category that the model was not trained on"}],
    ]


@pytest.fixture
def copied(model_dir: Path, tmp_path: Path) -> Path:
    """A packaged model that a test may damage."""
    copytree(model_dir, tmp_path / "model")
    return tmp_path / "model"


def test_a_model_that_is_not_the_manifests_is_refused_with_both_digests(copied: Path, service: Service) -> None:
    content = (copied / "model.onnx").read_bytes()
    (copied / "model.onnx").write_bytes(content + b"\0")

    with pytest.raises(ModelError, match=f"has SHA-256 .*, expected {service.manifest.model_sha256}"):
        Service.load(copied)


def test_a_model_of_another_contract_is_refused(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps(manifest | {"contract": "0" * 64}))

    with pytest.raises(ManifestError, match=f"made for contract {'0' * 64}, this code has .*: train again"):
        Service.load(copied)


def test_a_missing_model_is_refused(copied: Path) -> None:
    (copied / "model.onnx").unlink()

    with pytest.raises(ModelError, match=r"model\.onnx cannot be read"):
        Service.load(copied)


def test_what_is_known_about_the_model_names_every_column(service: Service) -> None:
    info = service.info().model_dump(mode="json")

    assert info["levels"] == [str(level) for level in LEVELS]
    assert [feature["name"] for feature in info["features"]] == list(COLUMNS)
    assert info["features"][1] == {
        "name": "Age",
        "description": "Age",
        "unit": "years",
        "low": 10.0,
        "high": 110.0,
        "categories": None,
    }
    assert info["features"][0]["categories"] == ["Female", "Male"]
    assert {key: info[key] for key in service.manifest.model_dump()} == service.manifest.model_dump(mode="json")
