"""Who reads a verdict.json, also one of an earlier version of this project."""

from pathlib import Path

import pytest

from pipeline.files import write_json
from pipeline.report.comment import comment
from pipeline.report.comparison import compare
from pipeline.report.snapshot import of_tree


@pytest.mark.parametrize("outcome", ["promoted", "kept", "refused", "floors only", "unchanged"])
def test_the_comment_takes_every_outcome_also_one_that_is_no_longer_given(outcome: str, tmp_path: Path) -> None:
    model = {"model_sha256": "b" * 64, "comparisons": {}}
    write_json(tmp_path / "reports/parity.json", model)
    verdict = {"outcome": outcome, "text": "As it was said then", "challenger_sha256": "b" * 64, "reasons": []}
    write_json(tmp_path / "reports/verdict.json", verdict)
    assert "As it was said then" in comment(compare(None, of_tree(tmp_path)))
