"""Nothing in -> the gate's values: candidates, their paired answers, reasons, a verdict.

`pipeline.judge.gate` measures, `pipeline.judge.rules` decides, `pipeline.cli.show.registry` shows; they share these.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from pipeline.intervals import Pairs

Outcome = Literal["promoted", "refused", "unchanged"]


@dataclass(frozen=True)
class Guards:
    """What must not get worse, out of fold on today's records; collected is None where origins are unknown."""

    worst_level_recall: float
    collected_accuracy: float | None
    plausible_people: float


@dataclass(frozen=True)
class Candidate:
    """One of the two models; `guards` is None for a champion that cannot answer today's records."""

    version: int | None
    model_sha256: str
    data_sha256: str
    source: str
    contract: str
    guards: Guards | None


@dataclass(frozen=True)
class ChallengerFigures:
    """The challenger's figures, besides its guards, that the floors are held against."""

    holdout_accuracy: float
    out_of_fold_accuracy: float
    rule_accuracy: float
    onnx_flips: int


@dataclass(frozen=True)
class NewRecords:
    """Today's records by whether the champion was judged on them: the known in pairs, the new with right answers."""

    known: Pairs
    records: int
    right: int
    champion_right: int


@dataclass(frozen=True)
class Reason:
    """One rule and what was measured; `ok` is None where it could not be measured or decides nothing."""

    name: str
    ok: bool | None
    value: float | str | None
    needed: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What was decided and why; `champion` is the version that was champion before."""

    outcome: Outcome
    text: str
    reasons: tuple[Reason, ...]
    challenger: int | None
    champion: int | None
    challenger_sha256: str
    champion_sha256: str | None
    pairs: Pairs | None = None
    new_records: NewRecords | None = None
    difference: float | None = None
    lower_bound: float | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values for `reports/verdict.json`."""
        return asdict(self)
