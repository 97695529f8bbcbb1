"""The registry's champion -> its files below a layout, and its answer to one example record."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_api.contract import LEVELS, example
from pipeline.files import CHAMPION_FOLDER, Layout

if TYPE_CHECKING:
    from pipeline.registry import Registry


@dataclass(frozen=True)
class Champion:
    """The version that ships, where its files were exported to, and its answer to one example record."""

    version: int
    folder: Layout
    metrics: dict[str, float]
    record: dict[str, str | float]
    prediction: str
    probabilities: dict[str, float]


def export(layout: Layout, name: str, registry: "Registry") -> Champion | None:
    """Write the champion's graphs and reports below the layout, and score one example record; None without one.

    What an earlier export left there, with the right SHA-256, is not copied again.
    """
    from lambda_api.model import Model
    from pipeline.data.records import feed

    champion = registry.champion(name)
    if champion is None:
        return None
    import pandas as pd

    folder = Layout(layout.root / CHAMPION_FOLDER)
    registry.fetch(name, champion.number, folder.root)
    record = example()
    labels, probabilities = Model.load(folder.model).predict(feed(pd.DataFrame([record])))
    named = dict(zip(map(str, LEVELS), probabilities[0].tolist(), strict=True))
    return Champion(champion.number, folder, registry.metrics(champion), record, str(labels[0]), named)
