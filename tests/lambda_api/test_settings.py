from pathlib import Path

import pytest

from lambda_api.settings import Settings, SettingsError, read
from tests.paths import ROOT


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read({"PATH": "/bin"}) == Settings(
        model_dir=ROOT / "model",
        max_records=5000,
        max_body_bytes=6_000_000,
        cors_origins=(),
        cors_credentials=False,
        namespace="ObesityLevels",
        telemetry="full",
    )


def test_every_setting_can_be_named() -> None:
    assert read(
        {
            "OBESITY_MODEL_DIR": "/models/3",
            "OBESITY_MAX_RECORDS": "10",
            "OBESITY_MAX_BODY_BYTES": "2000",
            "OBESITY_CORS_ORIGINS": "https://a.example, http://localhost:5173",
            "OBESITY_CORS_CREDENTIALS": "true",
            "OBESITY_NAMESPACE": "ObesityLevels/staging",
            "OBESITY_TELEMETRY": "metrics",
        }
    ) == Settings(
        model_dir=Path("/models/3"),
        max_records=10,
        max_body_bytes=2000,
        cors_origins=("https://a.example", "http://localhost:5173"),
        cors_credentials=True,
        namespace="ObesityLevels/staging",
        telemetry="metrics",
    )


def test_no_origins_are_named_by_an_empty_text() -> None:
    assert read({"OBESITY_CORS_ORIGINS": ""}).cors_origins == ()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"OBESITY_MODEL_DIRECTORY": "x"},
            (
                "OBESITY_MODEL_DIRECTORY: unknown setting; known: OBESITY_CORS_CREDENTIALS, OBESITY_CORS_ORIGINS, "
                "OBESITY_MAX_BODY_BYTES, OBESITY_MAX_RECORDS, OBESITY_MODEL_DIR, "
                "OBESITY_NAMESPACE, OBESITY_TELEMETRY"
            ),
        ),
        ({"OBESITY_MAX_RECORDS": "0"}, "OBESITY_MAX_RECORDS: got '0', expected a whole number from 1 to 10000"),
        ({"OBESITY_MAX_RECORDS": "10001"}, "OBESITY_MAX_RECORDS: got '10001', expected a whole number from 1 to 10000"),
        ({"OBESITY_MAX_RECORDS": "-5"}, "OBESITY_MAX_RECORDS: got '-5', expected a whole number from 1 to 10000"),
        ({"OBESITY_MAX_RECORDS": "1e3"}, "OBESITY_MAX_RECORDS: got '1e3', expected a whole number from 1 to 10000"),
        ({"OBESITY_TELEMETRY": "none"}, "OBESITY_TELEMETRY: got 'none', expected full, metrics or off"),
        ({"OBESITY_CORS_CREDENTIALS": "yes"}, "OBESITY_CORS_CREDENTIALS: got 'yes', expected true or false"),
        (
            {"OBESITY_CORS_ORIGINS": "example.org"},
            "OBESITY_CORS_ORIGINS: got 'example.org', expected origins like https://example.org, separated by commas",
        ),
        (
            {"OBESITY_CORS_ORIGINS": "https://example.org/path"},
            (
                "OBESITY_CORS_ORIGINS: got 'https://example.org/path', expected origins like https://example.org, "
                "separated by commas"
            ),
        ),
        (
            {"OBESITY_NAMESPACE": "AWS/Lambda"},
            "OBESITY_NAMESPACE: got 'AWS/Lambda', expected letters, digits and . _ / # : -, and not AWS's own AWS/",
        ),
        (
            {"OBESITY_CORS_ORIGINS": "*", "OBESITY_CORS_CREDENTIALS": "true"},
            "OBESITY_CORS_CREDENTIALS: cannot be true while every origin is allowed: name the origins instead of *",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_it_may_be(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(environment)

    assert str(error.value) == message
