"""Nothing in -> the gate's values: candidates, their paired answers, circumstances, reasons, a verdict.

`pipeline.judge.gate` measures, `pipeline.judge.rules` decides, `pipeline.cli.show.registry` shows; they share these.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from pipeline.intervals import Pairs

Outcome = Literal["promoted", "kept", "refused", "floors only"]
"""What the gate decides:

- promoted: compared with the champion, not worse, and something gained.
- kept: compared, not worse, nothing gained, or the very same graph. The champion stays.
- refused: a floor fails, or something is worse, or it may not replace this champion.
- floors only: the floors hold, and no champion was compared with. `Verdict.promotes` says whether it becomes champion.
"""


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
    """Today's records by whether the champion was judged on them: the known in pairs, the new with right answers.

    `missing` counts those that the champion was judged on and that are no longer among today's.
    """

    known: Pairs
    records: int
    right: int
    champion_right: int
    missing: int


@dataclass(frozen=True)
class PairedAnswers:
    """Both models' answers to today's records; `new_records` is None for a champion that kept no list of its own."""

    pairs: Pairs
    new_records: NewRecords | None


@dataclass(frozen=True)
class Circumstances:
    """What decides besides the two models.

    Attributes:
        not_asked: Why the champion is not asked at all, as a clause; empty where it is.
        refused_by: The earlier champion that refused this challenger and that the present one succeeded.
        taken_back: Whether this challenger was champion until a rollback, and no person promoted it since.
        floors_only: A person's reason to let the floors decide where the contract changed; empty for none.
    """

    not_asked: str = ""
    refused_by: int | None = None
    taken_back: bool = False
    floors_only: str = ""


@dataclass(frozen=True)
class Reason:
    """One rule and what was measured; False for `ok` refuses, None was not measured or refuses nothing."""

    name: str
    ok: bool | None
    value: float | str | None
    needed: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What was decided and why; `champion` is the version that was champion before.

    `promotes` says whether the challenger becomes champion, or would where nothing is moved.
    """

    outcome: Outcome
    promotes: bool
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
