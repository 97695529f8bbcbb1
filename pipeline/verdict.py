"""What the gate weighs and what it says, as values: candidates, their paired answers, reasons, a verdict.

`pipeline.rules` decides, `pipeline.gate` measures, `pipeline.show_registry` tells; they share these words.
"""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Literal

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
class Reached:
    """The challenger's figures, besides its guards, that the floors are held against."""

    holdout_accuracy: float
    out_of_fold_accuracy: float
    rule_accuracy: float
    onnx_flips: int


@dataclass(frozen=True)
class Pairs:
    """Records that only the challenger (b) or only the champion (c) gets right, among all n that both answered."""

    b: int
    c: int
    n: int

    @property
    def difference(self) -> float:
        """The challenger's accuracy minus the champion's."""
        return (self.b - self.c) / self.n

    def lower_bound(self, confidence: float) -> float:
        """What the difference is above with this one-sided confidence: Wald's bound with half a pair added to b and c.

        Agresti & Min (2005), doi:10.1002/sim.1781, show that the added pairs keep its promise on few differences.
        """
        b, c, n = self.b + 0.5, self.c + 0.5, self.n + 2
        error = math.sqrt((b + c) - (b - c) ** 2 / n) / n
        return (b - c) / n - NormalDist().inv_cdf(confidence) * error


@dataclass(frozen=True)
class News:
    """Today's records by whether the champion was judged on them: the known in pairs, the new with right answers."""

    known: Pairs
    records: int
    right: int
    champion_right: int


def at_most(right: int, records: int, share: float) -> float:
    """How likely no more than `right` of `records` are right, if each is with probability `share`; exact (binomial)."""
    if right >= records or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0

    def exactly(k: int) -> float:
        ways = math.lgamma(records + 1) - math.lgamma(k + 1) - math.lgamma(records - k + 1)
        return math.exp(ways + k * math.log(share) + (records - k) * math.log1p(-share))

    return min(1.0, math.fsum(exactly(k) for k in range(right + 1)))


@dataclass(frozen=True)
class Reason:
    """One rule with what was found; `ok` is None where it could not be measured or decides nothing."""

    name: str
    ok: bool | None
    found: float | str | None
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
    news: News | None = None
    difference: float | None = None
    lower_bound: float | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values for `reports/verdict.json`."""
        return asdict(self)
