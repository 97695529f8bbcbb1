"""What happened in -> one line of JSON on standard output each; health data never leaves the process this way.

A prediction's line says which bin each column fell into, never its value; a batch's line only counts. The lines are
CloudWatch's embedded metric format as well, so counters and latencies need no call to any API. The drift watch reads
the bins back: `lambda_api.bins` says what they mean. How much is written is a setting, see docs/privacy.md.
"""

import sys
import time
import traceback
from collections.abc import Mapping

import numpy as np
from pydantic_core import to_json

from lambda_api.bins import BINNINGS, BINS_ID, BMI
from lambda_api.service import AnsweredRecords
from lambda_api.settings import Detail, Settings

_UNITS = {"LatencyMs": "Milliseconds", "BatchLatencyMs": "Milliseconds", "Confidence": "None"}


class Telemetry:
    """Writes the lines of one process; knows whether it has answered before.

    Args:
        model_version: What every line carries.
        detail: `full` writes all; `metrics` nothing that follows from a person's answers; `off` bugs only.
        namespace: Where CloudWatch counts the metrics.
    """

    def __init__(self, model_version: str, detail: Detail = "full", namespace: str = Settings.namespace) -> None:
        self._model_version = model_version
        self._detail = detail
        self._namespace = namespace
        self._start = "cold"

    def restored(self) -> None:
        """The process was restored from a snapshot: its next answer is neither cold nor warm."""
        self._start = "restored"

    def predicted(self, request_id: str, answered: AnsweredRecords, started: float) -> None:
        """One answer: its bins, class and latency; `started` as `time.perf_counter` gave it."""
        values = {name: values.item() for name, values in answered.feed.items()} | {BMI.name: answered.bmi[0]}
        self._write(
            "prediction",
            request_id,
            {"Predictions": 1, "LatencyMs": _since(started), "Confidence": answered.confidences[0]},
            {
                "prediction": answered.labels[0],
                "warnings": len(answered.answers[0]["warnings"]),
                "bins_id": BINS_ID,
                "bins": {name: binning.place(values[name]) for name, binning in BINNINGS.items()},
            },
            start=self._started(),
        )

    def predicted_batch(self, request_id: str, answered: AnsweredRecords, started: float) -> None:
        """A batch: how many records, of which levels and in which bins."""
        table = {**answered.feed, BMI.name: np.array(answered.bmi)}
        self._write(
            "batch",
            request_id,
            {"Predictions": len(answered.labels), "BatchLatencyMs": _since(started)},
            {
                "levels": answered.levels(),
                "warned": sum(bool(answer["warnings"]) for answer in answered.answers),
                "bins_id": BINS_ID,
                "bins": {name: binning.counts(table[name]) for name, binning in BINNINGS.items()},
            },
            mean_confidence=answered.mean_confidence(),
            start=self._started(),
        )

    def refused(self, request_id: str, status: int, problems: Mapping[str, int]) -> None:
        """A request that was not answered; `problems` counts what was wrong, by contract column and kind."""
        self._write("refusal", request_id, {"Refusals": 1}, {"problems": dict(problems)}, status=status)

    def failed(self, request_id: str, error: BaseException) -> None:
        """A bug: where it happened, but not the error's text, which may hold a value."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self._write("error", request_id, {"Errors": 1}, {}, error=type(error).__name__, trace=where)

    def _started(self) -> str:
        start, self._start = self._start, "warm"
        return start

    def _write(
        self,
        event: str,
        request_id: str,
        metrics: Mapping[str, float],
        answers: Mapping[str, object],
        **more: object,
    ) -> None:
        """One line; `answers` is all in it that follows from what a person answered."""
        if self._detail == "off" and event != "error":
            return
        line = {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": self._namespace,
                        "Dimensions": [["model_version"]],
                        "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in metrics],
                    }
                ],
            },
            "event": event,
            "request_id": request_id,
            "model_version": self._model_version,
            **metrics,
            **(answers if self._detail == "full" else {}),
            **more,
        }
        sys.stdout.write(to_json(line).decode() + "\n")
        sys.stdout.flush()


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
