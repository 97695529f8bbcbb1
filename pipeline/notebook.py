"""The flow as a few obvious lines of Python, for a notebook: `import pipeline`, and each step returns the next.

>>> import pipeline
>>> cleaned = pipeline.load("data/sample/records.csv").clean()
>>> cleaned.report.records
1000
>>> model = cleaned.train()
>>> figures = model.evaluate().metrics
>>> figures["holdout"]["accuracy"] > 0.85
True
>>> path = model.export("runs/notebook/model.onnx")
>>> people = cleaned.records.head(3)
>>> answers = pipeline.load_model(path).predict(people)
>>> bool((answers == model.predict(people)).all(axis=None))
True

Nothing is written but by `export`, and the bytes are those of the command line for the same file and parameters.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline

from lambda_api.contract import LEVELS
from lambda_api.model import Model, ModelError
from pipeline import params as parameters
from pipeline.data import clean
from pipeline.data.records import COLUMNS, feed
from pipeline.errors import DataError, ModelFileError
from pipeline.files import read_data, write_bytes
from pipeline.model import evaluate, train
from pipeline.model.parity import Parity
from pipeline.params import Params
from pipeline.progress import Progress, no_progress


@dataclass(frozen=True)
class Predictor:
    """A checked graph that answers tables of records."""

    model: Model

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`prediction` and a probability for each level, a row for each of the frame's, under its index.

        Args:
            frame: The sixteen columns in any order, others ignored; integers are numbers too.

        Raises:
            DataError: A column is missing, or a row breaks the contract; rows are counted as in a CSV, from 2.
        """
        clean.check_header([str(name) for name in frame.columns], "the frame", extra_allowed=None)
        rows = frame[list(COLUMNS)].astype(object).itertuples(index=False, name=None)
        records = (dict(zip(COLUMNS, row, strict=True)) for row in rows)
        if bad := [line for number, record in enumerate(records, 2) for line in clean.offences(record, number)]:
            raise DataError(f"the frame: {len(bad)} value(s) break the contract:", bad)
        labels, probabilities = self.model.predict(feed(frame))
        answers = pd.DataFrame(probabilities, columns=[str(level) for level in LEVELS], index=frame.index)
        answers.insert(0, "prediction", labels)
        return answers


@dataclass(frozen=True)
class TrainedModel(Predictor):
    """The graph that ships, the scikit-learn Pipeline it was made of, and the proof that they are equal."""

    pipeline: Pipeline
    parity: Parity
    trained: train.TrainingResult
    records: pd.DataFrame
    params: Params

    def evaluate(self) -> evaluate.Evaluation:
        """Every figure, each on rows its graph never saw: `.metrics`, `.plots`, `.answers`."""
        folds = evaluate.load_graphs(dict(enumerate(self.trained.folds)))
        grouped = evaluate.load_graphs(dict(enumerate(self.trained.grouped)))
        return evaluate.evaluate(self.records, folds, grouped, self.params)

    def export(self, path: str | Path) -> Path:
        """Write the graph to `path`, whole or not at all."""
        write_bytes(Path(path), self.trained.graph)
        return Path(path)


@dataclass(frozen=True)
class CleanedTable:
    """Validated records with key, origin and folds, and what was found in the file."""

    records: pd.DataFrame
    report: clean.DataReport
    params: Params

    def train(self, jobs: int = -1, progress: Progress = no_progress) -> TrainedModel:
        """Fit, export and prove the graphs; `progress` is called with each step.

        Raises:
            ParityError: The graph is not equal to the Pipeline.
        """
        trained = train.train(self.records, self.report.sha256, self.params, jobs, progress)
        return TrainedModel(Model(trained.graph), trained.pipeline, trained.parity, trained, self.records, self.params)


@dataclass(frozen=True)
class RawTable:
    """A CSV file as it lies there, not yet judged."""

    path: Path
    content: bytes
    params: Params

    def clean(self) -> CleanedTable:
        """Validate every row.

        Raises:
            DataError: The file breaks the contract; the text lists rows and columns.
        """
        return CleanedTable(*clean.clean(self.content, str(self.path), self.params), self.params)


def load(path: str | Path, params: Params | None = None) -> RawTable:
    """A CSV file to clean and train on, with the parameters of params.yaml here unless others are given.

    Raises:
        DataError: The file cannot be read.
    """
    return RawTable(Path(path), read_data(Path(path)), params or parameters.load())


def load_model(path: str | Path) -> Predictor:
    """The graph in a file, ready to answer.

    Raises:
        ModelFileError: The file is no graph of this contract.
    """
    try:
        return Predictor(Model.load(Path(path), threads=0))
    except ModelError as error:
        raise ModelFileError(str(error)) from None
