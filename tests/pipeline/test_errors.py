"""The exceptions: one tree, one exit code each, and no wall of offenders."""

import pytest

from pipeline import errors
from pipeline.errors import DataError, InputError, PipelineError, Refusal


def test_every_expected_failure_is_in_one_tree_and_answers_with_two_or_three() -> None:
    kinds = {
        name: (kind.__mro__[1].__name__, kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, PipelineError)
    }
    assert kinds == {
        "PipelineError": ("Exception", 1),
        "StageError": ("PipelineError", 1),
        "InputError": ("PipelineError", 2),
        "ParamsError": ("InputError", 2),
        "DataError": ("InputError", 2),
        "NotPublishedError": ("DataError", 2),
        "SourceError": ("InputError", 2),
        "LogError": ("InputError", 2),
        "ModelFileError": ("InputError", 2),
        "RegistryError": ("InputError", 2),
        "GitError": ("InputError", 2),
        "CloudError": ("InputError", 2),
        "Refusal": ("PipelineError", 3),
        "ParityError": ("Refusal", 3),
        "AdditionRefusal": ("Refusal", 3),
        "GateRefusal": ("Refusal", 3),
        "ChampionRefusal": ("Refusal", 3),
        "DriftRefusal": ("Refusal", 3),
        "ReproductionError": ("Refusal", 3),
        "DeploymentRefusal": ("Refusal", 3),
        "RaceLostError": ("Refusal", 3),
    }
    assert not issubclass(InputError, Refusal)


@pytest.mark.parametrize(
    ("offenders", "text"),
    [
        ([], "bad"),
        (["row 2"], "bad\n  row 2"),
        ([f"row {n}" for n in range(20)], "\n  ".join(["bad", *(f"row {n}" for n in range(20))])),
        (
            [f"row {n}" for n in range(1234)],
            "\n  ".join(["bad", *(f"row {n}" for n in range(20)), "(+1214 more)"]),
        ),
    ],
)
def test_a_data_error_shows_twenty_offenders_and_counts_the_rest(offenders: list[str], text: str) -> None:
    assert str(DataError("bad", offenders)) == text
