"""How a step of work looks in a log, and how it is read back."""

import pytest

from pipeline.progress import step_line, step_of


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (step_line("fit without fold 1", 1.44), "fit without fold 1"),
        (step_line("prove the graph exact", 12345.6), "prove the graph exact"),
        ("[  1.4 s] fit", "fit"),
        ("2111 rows, 24 duplicates dropped", None),
        ("[1] a list", None),
        ("", None),
    ],
)
def test_a_step_is_distinguished_from_any_other_line(line: str, step: str | None) -> None:
    assert step_of(line) == step
