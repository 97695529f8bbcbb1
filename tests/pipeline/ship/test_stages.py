"""DEPLOY_STAGES, as a person writes it into a field of GitHub -> the stages, or one line that says what is wrong."""

import pytest

from pipeline.errors import InputError
from pipeline.ship.stages import parse_stages


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ('["staging", "prod"]', ("staging", "prod")),
        ("staging, prod", ("staging", "prod")),
        ("staging,prod", ("staging", "prod")),
        (" prod ", ("prod",)),
        ('["prod"]\n', ("prod",)),
        ("prod, staging", ("staging", "prod")),
        ('["prod", "dev", "staging"]', ("dev", "staging", "prod")),
        ("", ()),
        ("  \n", ()),
        ("[]", ()),
    ],
)
def test_stages_are_named_in_json_or_with_commas_and_come_in_a_fixed_order(text: str, stages: tuple[str, ...]) -> None:
    assert parse_stages(text) == stages


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("production", "'production'"),
        ("Staging", "'Staging'"),
        ("staging prod", "'staging prod'"),
        ("staging;prod", "'staging;prod'"),
        ("staging, staging", "'staging' twice"),
        ("staging,", "''"),
        ('["staging", 3]', "3"),
        ('["staging"', "'[\"staging\"'"),
        ("['staging']", "\"['staging']\""),
        ('"staging"', "'\"staging\"'"),
        ('{"staging": true}', "'{\"staging\": true}'"),
        ("[[]]", "[]"),
        ("null", "'null'"),
        ("[staging]", "'[staging]'"),
    ],
)
def test_anything_else_is_refused_with_what_was_found_and_what_is_accepted(text: str, wrong: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_stages(text)
    assert str(refused.value) == (
        f"DEPLOY_STAGES: found {wrong}, expected some of dev, staging, prod, written as "
        '["staging", "prod"] or as staging, prod; empty deploys nowhere'
    )
