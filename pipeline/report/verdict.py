"""The gate's verdict.json, new or of earlier code -> what a report says of it, if it is about the model at hand.

A champion counts as asked only where the verdict has a comparison with one, whatever its words are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.files import Report, number

PROMOTED, KEPT, REFUSED, FLOORS_ONLY = "promoted", "kept", "refused", "floors only"
EARLIER = {"unchanged": KEPT}
"""Outcomes of earlier code."""


@dataclass(frozen=True)
class ReportedVerdict:
    """What the gate decided about the model at hand.

    Attributes:
        outcome: One of the four words above.
        text: The gate's own sentence.
        reasons: Each rule as the gate wrote it.
        difference: The challenger's accuracy minus the champion's on the same records; None if they were not compared.
        lower_bound: What the difference is above, with the gate's confidence.
        records: How many records both answered.
        champion: The champion's version, as it was before.
        champion_sha256: The champion's graph.
        same_model: Whether the model is the champion, byte for byte.
    """

    outcome: str
    text: str
    reasons: tuple[Report, ...]
    difference: float | None
    lower_bound: float | None
    records: int | None
    champion: int | None
    champion_sha256: str | None
    same_model: bool

    @classmethod
    def of(cls, report: Report | None, model_sha256: object) -> "ReportedVerdict | None":
        """The verdict, if there is one about the model of this SHA-256 whose outcome is known."""
        if not report or report.get("challenger_sha256") != model_sha256:
            return None
        outcome = EARLIER.get(str(report.get("outcome")), str(report.get("outcome")))
        difference, lower_bound = number(report.get("difference")), number(report.get("lower_bound"))
        champion, champion_sha256 = number(report.get("champion")), report.get("champion_sha256")
        if outcome not in {PROMOTED, KEPT, REFUSED, FLOORS_ONLY}:
            return None
        if outcome == PROMOTED and lower_bound is None:
            outcome = FLOORS_ONLY
        pairs, reasons = report.get("pairs"), report.get("reasons")
        records = number(pairs.get("total")) if isinstance(pairs, Mapping) else None
        listed = reasons if isinstance(reasons, Sequence) else ()
        return cls(
            outcome=outcome,
            text=str(report.get("text")),
            reasons=tuple(reason for reason in listed if isinstance(reason, Mapping)),
            difference=difference,
            lower_bound=lower_bound,
            records=int(records) if records is not None else None,
            champion=int(champion) if champion is not None else None,
            champion_sha256=str(champion_sha256) if champion_sha256 else None,
            same_model=champion_sha256 == model_sha256,
        )

    @property
    def against(self) -> tuple[str, ...]:
        """The first words of each reason against the model; the verdict's own words where none is listed."""
        failed = [str(reason.get("text")) for reason in self.reasons if reason.get("ok") is False]
        return tuple(text.partition(";")[0] for text in failed) or (self.text,)

    @property
    def not_compared(self) -> str | None:
        """Why no champion was asked; None where one was."""
        if self.outcome != FLOORS_ONLY:
            return None
        named = (str(reason.get("text")) for reason in self.reasons if reason.get("name") == "comparison")
        return next(named, "no champion was asked")
