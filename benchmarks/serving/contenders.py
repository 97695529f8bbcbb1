"""A trained layout -> the service and what people build instead, each ready to answer the same request.

All answer with the same model: one Pipeline fitted here on the layout's records, and the layout's exact graph of it.
The web contenders all stand behind the same Lambda adapter.
"""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from fastapi import Body, FastAPI
from mangum import Mangum
from sklearn.pipeline import Pipeline

from benchmarks.measure import service_environment
from benchmarks.serving.answers import UsualAnswer, same_answer
from lambda_api.contract import LEVELS, Record, columns
from lambda_api.model import Model
from pipeline.data.records import COLUMNS, FOLD, load_processed
from pipeline.files import Layout
from pipeline.model.train import fit_calibrated
from pipeline.params import Params
from pipeline.ship.gateway import event
from pipeline.ship.package import package_layout

TRUSTED_TYPES = (
    "pipeline.model.features.BodyMassIndex",
    "pipeline.model.forest.VotingForest",
    "sklearn.tree._tree.Tree",
)
"""What skops must be told to load a stored Pipeline."""

FLOOR = "bare `session.run`"
BY_HAND = "onnxruntime + pydantic, no framework"
SERVICE = "this service, through its Lambda handler"
PANDAS = "FastAPI + pandas + scikit-learn Pipeline"
PYFUNC = "FastAPI + `mlflow.pyfunc` (labels only)"

OK = 200
COMPARED = 5
"""Records for which every contender must give the same answer."""

Person = dict[str, Any]
Call = Callable[[], object]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
Predict = Callable[[pd.DataFrame], tuple[list[str], list[list[float]] | None]]


def usual_service(predict: Predict) -> Handler:
    """What people write: FastAPI with typed bodies and answers, a DataFrame per request, behind Mangum."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    def answers(records: list[Record]) -> list[UsualAnswer]:
        labels, shares = predict(pd.DataFrame([record.model_dump() for record in records]))
        rows = shares if shares is not None else [None] * len(labels)
        return [
            UsualAnswer(prediction=label, probabilities=None if row is None else dict(zip(LEVELS, row, strict=True)))
            for label, row in zip(labels, rows, strict=True)
        ]

    @app.post("/predict")
    async def one(record: Record) -> UsualAnswer:
        return answers([record])[0]

    @app.post("/predict_batch")
    async def many(records: Annotated[list[Record], Body(embed=True)]) -> list[UsualAnswer]:
        return answers(records)

    handler: Handler = Mangum(app, lifespan="off")
    return handler


def with_scikit_learn(pipeline: Pipeline) -> Handler:
    """The usual service of a Pipeline."""

    def predict(table: pd.DataFrame) -> tuple[list[str], list[list[float]]]:
        shares = pipeline.predict_proba(table)
        return pipeline.classes_[shares.argmax(axis=1)].tolist(), shares.tolist()

    return usual_service(predict)


def with_pyfunc(pipeline: Pipeline, folder: Path) -> Handler:
    """The usual service of a Pipeline that MLflow has stored and loaded."""
    import mlflow

    mlflow.sklearn.save_model(
        pipeline,
        folder,
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
        pip_requirements=[],
    )
    pyfunc = mlflow.pyfunc.load_model(str(folder))
    return usual_service(lambda table: (pyfunc.predict(table).tolist(), None))


def this_service(layout: Layout, folder: Path) -> Handler:
    """The service's own handler, started from a packaged layout."""
    package_layout(layout, folder)
    with patch.dict(os.environ, service_environment(folder), clear=True):  # it reads them when it is imported
        from lambda_api.handler import handler

    started: Handler = handler
    return started


def inputs(records: list[Record]) -> dict[str, Any]:
    """Records as the graph takes them."""
    return {
        column.name: np.array(
            [getattr(record, column.name) for record in records], dtype="float64" if column.is_number else object
        ).reshape(-1, 1)
        for column in columns()
    }


class Contenders:
    """All contenders, loaded once, and the people whom they are asked about."""

    def __init__(self, layout: Layout, params: Params, scratch: Path) -> None:
        frame = load_processed(layout.records)
        pipeline = fit_calibrated(frame[frame[FOLD] != params.split.holdout], params)
        pipeline[-1].forest_.set_params(n_jobs=1)  # threads cost more than they bring for a request
        self._people: list[Person] = json.loads(frame[list(COLUMNS)].to_json(orient="records", double_precision=15))
        self._model = Model.load(layout.model)
        self._handlers: Mapping[str, Handler] = {
            SERVICE: this_service(layout, scratch / "model"),
            PANDAS: with_scikit_learn(pipeline),
            PYFUNC: with_pyfunc(pipeline, scratch / "pyfunc"),
        }

    def people(self, count: int) -> list[Person]:
        """So many of them, in the data's order, from the start again if there are too few."""
        return list(islice(cycle(self._people), count))

    def for_one(self) -> dict[str, Call]:
        """A call of each contender for one record."""
        person = self._people[0]
        return {
            FLOOR: self._bare([person]),
            BY_HAND: lambda: self._by_hand(json.dumps(person).encode()),
        } | self._web("/predict", person)

    def for_batch(self, count: int) -> dict[str, Call]:
        """A call of each contender for so many records."""
        people = self.people(count)
        return {FLOOR: self._bare(people)} | self._web("/predict_batch", {"records": people})

    def refuse_different_answers(self) -> None:
        """Check that all contenders give the same answer to some records.

        Raises:
            SystemExit: They do not.
        """
        for person in self.people(COMPARED):
            labels, shares = self._model.predict(inputs([Record.model_validate(person)]))
            expected = UsualAnswer(
                prediction=labels[0], probabilities=dict(zip(LEVELS, shares[0].tolist(), strict=True))
            )
            for name, answer in self._answers(person):
                if not same_answer(answer, expected):
                    raise SystemExit(
                        f"{name} answers {answer} about {person} and the layout's graph {expected}, so the figures "
                        "mean nothing: was the layout trained with other parameters? Name them with --params"
                    )

    def _answers(self, person: Person) -> Iterator[tuple[str, UsualAnswer]]:
        for name, call in self._web("/predict", person).items():
            with contextlib.redirect_stdout(io.StringIO()):  # the service logs each answer
                yield name, UsualAnswer.model_validate_json(call()["body"])

    def _bare(self, people: list[Person]) -> Call:
        ready = inputs([Record.model_validate(person) for person in people])
        return lambda: self._model.predict(ready)

    def _by_hand(self, body: bytes) -> bytes:
        labels, shares = self._model.predict(inputs([Record.model_validate_json(body)]))
        return json.dumps({"prediction": labels[0], "probabilities": shares[0].tolist()}).encode()

    def _web(self, path: str, value: object) -> dict[str, Callable[[], dict[str, Any]]]:
        request = event("POST", path, [("content-type", "application/json")], json.dumps(value).encode())
        return {name: _checked(handler, request) for name, handler in self._handlers.items()}


def _checked(handler: Handler, request: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    def call() -> dict[str, Any]:
        answer = handler(request, None)
        if answer["statusCode"] != OK:
            raise SystemExit(f"a contender answered {answer}")
        return answer

    return call
