"""Where the project lies that is tested, and the long texts that it is expected to write."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def expected(name: str) -> str:
    """A text of tests/expected."""
    return (ROOT / "tests/expected" / name).read_text(encoding="utf-8")
