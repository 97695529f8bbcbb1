"""`pipeline predict` beside pandas with the scikit-learn Pipeline: a million records in, the same with answers out.

    python benchmarks/predict.py --records data/processed/records.csv

Both get the same model (one Pipeline fitted here, and its exact ONNX graph), the same file, and all cores. Each run is
a process of its own, started in turn, so that what else the machine does falls on both. Time is that of the whole
process, imports and loading the model included; memory is the peak that the kernel counted for it. The two outputs are
compared before any figure is printed.

This process imports nothing heavy and leaves all work to its children: Linux counts what a process holds when it
starts a child as the child's own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CONTENDERS = ("pandas + scikit-learn", "pipeline predict")


@dataclass(frozen=True)
class Run:
    """One process: how long it took, and how much memory it had at its peak."""

    seconds: float
    megabytes: float


def pandas_and_scikit_learn(source: Path, target: Path, model: Path) -> None:
    """What a data scientist would write: read all, one `predict_proba` on all cores, write all."""
    import joblib
    import numpy as np
    import pandas as pd

    from lambda_api.contract import LEVELS
    from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS

    if source.suffix == ".csv":
        dtype = dict.fromkeys(CATEGORIES, object) | dict.fromkeys(NUMBERS, "float64")
        frame = pd.read_csv(source, dtype=dtype, keep_default_na=False)
    else:
        frame = pd.read_parquet(source)
    probabilities = joblib.load(model).predict_proba(frame[list(COLUMNS)])
    best = probabilities.argmax(axis=1)
    frame["prediction"] = np.array(LEVELS, dtype=object)[best]
    frame["confidence"] = probabilities.max(axis=1)
    frame[[f"p_{level}" for level in LEVELS]] = probabilities
    if target.suffix == ".csv":
        frame.round(dict.fromkeys(["confidence", *(f"p_{level}" for level in LEVELS)], 6)).to_csv(target, index=False)
    else:
        frame.to_parquet(target, index=False)


def pipeline_predict(source: Path, target: Path, model: Path) -> None:
    """This project's own."""
    from lambda_api.model import Model
    from pipeline.model.predict import predict

    predict(source, target, Model.load(model, threads=1))


def prepare(records: Path, rows: int, folder: Path) -> None:
    """The model in both forms, and `rows` records drawn from `records` with an id, as CSV and as Parquet."""
    import joblib

    from pipeline import params
    from pipeline.data.records import COLUMNS, load_processed
    from pipeline.model.export import to_onnx
    from pipeline.model.train import fit_calibrated

    frame = load_processed(records)
    fitted = fit_calibrated(frame, params.load())
    joblib.dump(fitted, folder / "model.joblib")
    (folder / "model.onnx").write_bytes(to_onnx(fitted, "0" * 64))
    table = frame[list(COLUMNS)].sample(rows, replace=True, random_state=1).reset_index(drop=True)
    table.insert(0, "id", table.index)
    table.to_csv(folder / "in.csv", index=False)
    table.to_parquet(folder / "in.parquet", index=False)


def in_child(step: str, *words: object) -> Run:
    """One step in a process of its own."""
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, "--child", step, *map(str, words)])
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"{step} failed with status {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss / 1024)  # Linux counts in KiB


def measure(contender: str, form: str, folder: Path) -> Run:
    """One run of a contender."""
    model = folder / ("model.joblib" if contender == CONTENDERS[0] else "model.onnx")
    return in_child(contender, folder / f"in.{form}", folder / f"out-{CONTENDERS.index(contender)}.{form}", model)


def refuse_different_answers(form: str, folder: Path) -> None:
    """Nothing, if both contenders wrote the same rows, labels and probabilities (to 1e-6)."""
    import numpy as np
    import pandas as pd

    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}[form]
    one, other = (read(folder / f"out-{place}.{form}") for place in range(2))
    numbers = one.select_dtypes("number").columns
    same = list(one) == list(other) and one.drop(columns=numbers).equals(other.drop(columns=numbers))
    if not same or not np.allclose(one[numbers], other[numbers], rtol=0, atol=1.1e-6):
        raise SystemExit(f"{form}: the two outputs differ, so the figures mean nothing")


def child(step: str, *words: str) -> None:
    """What `in_child` asks for."""
    match step, words:
        case "prepare", (records, rows, folder):
            prepare(Path(records), int(rows), Path(folder))
        case "compare", (form, folder):
            refuse_different_answers(form, Path(folder))
        case "pandas + scikit-learn", (source, target, model):
            pandas_and_scikit_learn(Path(source), Path(target), Path(model))
        case "pipeline predict", (source, target, model):
            pipeline_predict(Path(source), Path(target), Path(model))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=Path("data/processed/records.csv"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child("prepare", given.records, given.rows, folder)
        print(f"{given.rows:,} rows, {os.cpu_count()} cores, medians of {given.repeats} runs, one process each\n")
        print("| file | what | seconds | rows/s | peak MB |\n| --- | --- | --- | --- | --- |")
        for form in ("csv", "parquet"):
            runs: dict[str, list[Run]] = {contender: [] for contender in CONTENDERS}
            for _ in range(given.repeats):
                for contender in CONTENDERS:
                    runs[contender].append(measure(contender, form, folder))
            in_child("compare", form, folder)
            figures = []
            for contender, several in runs.items():
                seconds = statistics.median(run.seconds for run in several)
                megabytes = statistics.median(run.megabytes for run in several)
                figures.append((seconds, megabytes))
                print(f"| {form} | {contender} | {seconds:.2f} | {given.rows / seconds:,.0f} | {megabytes:.0f} |")
            faster, smaller = (one / other for one, other in zip(*figures, strict=True))
            print(f"| {form} | ratio | {faster:.1f} times faster | | {smaller:.1f} times smaller |")


if __name__ == "__main__":
    main()
