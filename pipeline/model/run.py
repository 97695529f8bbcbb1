"""The whole pure flow in one process: any CSV that satisfies the contract in -> graph and reports below one folder out.

The only module that knows the order of the stages; dvc.yaml says the same order, and a test compares the two. For the
pinned file the bytes equal DVC's.
"""

from pathlib import Path

from pipeline.data import clean
from pipeline.files import Layout
from pipeline.model import evaluate, train
from pipeline.params import Params
from pipeline.progress import Progress, no_progress

STAGES: tuple[str, ...] = ("clean", "train", "evaluate")


def run(
    raw: Path, out: Layout, params: Params, jobs: int = -1, progress: Progress = no_progress
) -> evaluate.Evaluation:
    """Clean, train and evaluate the CSV file `raw`, writing below `out.root`.

    Args:
        raw: A CSV file with the sixteen columns and the level.
        out: Where everything is written.
        params: The parameters.
        jobs: Processor cores to use; changes nothing but the time.
        progress: Called with progress.

    Raises:
        DataError: The file breaks the contract; nothing was written.
        ParityError: The graph is not equal to the Pipeline; no graph was written.
    """
    progress("clean", 0, 1)
    clean.run(raw, out, params)
    train.run(out, params, jobs, progress)
    progress("evaluate", 0, 1)
    return evaluate.run(out, params)
