"""What a pass of the loop shows: figures only beside figures of the same rows, and whose champion it is."""

import pytest
from rich.console import Console, RenderableType

from pipeline.cli.show import results as show
from pipeline.files import Layout, flat, read_json

PLACE = "the registry at https://mlflow.example.org"


def lines(shown: RenderableType) -> list[str]:
    console = Console(width=110, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]


def row(shown: list[str], label: str) -> str:
    return next(line for line in shown if line.strip().startswith(label))


def test_the_champions_figure_stands_beside_those_of_as_many_rows_only(small_layout: Layout) -> None:
    champion = flat(read_json(small_layout.metrics, ""))
    champion |= {"holdout.accuracy": 0.1234, "out_of_fold.accuracy": 0.5678}
    shown = lines(show.metrics(small_layout, champion))
    assert row(shown, "holdout").endswith("0.1234")
    assert row(shown, "out of fold").endswith("0.5678")
    shown = lines(show.metrics(small_layout, champion | {"holdout.rows": 433.0}))
    assert "0.1234" not in row(shown, "holdout")
    assert row(shown, "out of fold").endswith("0.5678")


@pytest.mark.parametrize("champion", [None, {}])
def test_without_figures_of_a_champion_there_is_no_column_of_it(
    small_layout: Layout, champion: dict[str, float] | None
) -> None:
    assert row(lines(show.metrics(small_layout, champion)), "measured on").split()[-2:] == ["BMI", "rule"]
