"""The reports -> figures and the model card, and which generated documents are stale.

Documents quote files: neither a clock nor a path of this machine gets in, so the same reports always make the same
bytes, and a stale document is found by making it again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import ModelFileError
from pipeline.files import Layout, write_bytes, write_text
from pipeline.report import figures
from pipeline.report.data_dictionary import data_dictionary
from pipeline.report.model_card import Reports, card, read

DATA_DICTIONARY = Path("docs/data-dictionary.md")


@contextmanager
def _complete(layout: Layout) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        folder = layout.metrics.parent
        message = f"the reports in {folder} lack {error}: make them again with `pipeline train`, `pipeline evaluate`"
        raise ModelFileError(message) from error


def run(layout: Layout, published: str) -> list[Path]:
    """Draw the figures and write the model card; the paths written.

    Args:
        layout: Where the reports are.
        published: SHA-256 of the data as its publisher gives it, `data.published` of params.yaml.

    Raises:
        ModelFileError: A report is missing, damaged, or was written by an older version.
    """
    reports = read(layout)
    with _complete(layout):
        content = {layout.figures / f"{name}.png": picture for name, picture in pictures(reports).items()}
        text = card(reports, published)
    for path, picture in content.items():
        write_bytes(path, picture)
    write_text(layout.model_card, text)
    return [*content, layout.model_card]


def pictures(reports: Reports) -> dict[str, bytes]:
    """Every figure as a PNG file, by name."""
    metrics, title_suffix = reports.metrics, reports.title_suffix
    with figures.drawing():
        drawn = {
            "summary": figures.summary(metrics, title_suffix),
            "confusion": figures.confusion(reports.confusion, title_suffix),
            "reliability": figures.reliability(reports.reliability, metrics, title_suffix),
            "importances": figures.importances(reports.importances, title_suffix),
            "slices": figures.slices(metrics, title_suffix),
        }
        return {name: figures.png(figure) for name, figure in drawn.items()}


def documents(layout: Layout, published: str) -> dict[Path, str]:
    """Every generated document that belongs in git: where it lies, and what it should say now.

    The model card is among them only where there are reports.
    """
    dictionary = {layout.root / DATA_DICTIONARY: data_dictionary()}
    return dictionary | ({layout.model_card: model_card(layout, published)} if layout.metrics.exists() else {})


def stale(layout: Layout, published: str) -> list[Path]:
    """The generated documents that are missing or do not say what they should."""
    return [
        path
        for path, content in documents(layout, published).items()
        if not path.is_file() or path.read_bytes() != content.encode()
    ]


def model_card(layout: Layout, published: str) -> str:
    """The model card as Markdown, made from the reports and nothing else.

    Raises:
        ModelFileError: A report is missing, damaged, or was written by an older version.
    """
    reports = read(layout)
    with _complete(layout):
        return card(reports, published)
