"""`pipeline predict` beside pandas with the scikit-learn Pipeline: a million records in, the same with answers out.

    python -m benchmarks.predict --records data/processed/records.csv

Both get the same model (one Pipeline fitted here, and its exact ONNX graph), the same file, and all cores. Each run is
a process of its own, started in turn, so that other load on the machine falls on both. Time is that of the whole
process, imports and loading the model included; memory is the peak that the kernel counted for it. The two outputs are
compared before any figure is printed. This process imports nothing heavy and leaves all work to its children.
"""

import statistics
import sys
import tempfile
from argparse import SUPPRESS
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import ProcessRun, cores, parser, run_process

PANDAS, PIPELINE = CONTENDERS = ("pandas + scikit-learn", "pipeline predict")
FORMS = ("csv", "parquet")
ROWS, ROUNDS = 1_000_000, 3
SHORT_ROWS, SHORT_ROUNDS = 200, 1


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
    """The same by this project's own command."""
    from lambda_api.model import Model
    from pipeline.model.predict import predict

    predict(source, target, Model.load(model, threads=1))


def prepare(records: Path, params_file: Path, rows: int, folder: Path) -> None:
    """Write the model in both forms, and `rows` records drawn from `records` with an id, as CSV and as Parquet."""
    import joblib

    from pipeline import params
    from pipeline.data.records import COLUMNS, load_processed
    from pipeline.model.export import to_onnx
    from pipeline.model.train import fit_calibrated

    frame = load_processed(records)
    fitted = fit_calibrated(frame, params.load(params_file))
    joblib.dump(fitted, folder / "model.joblib")
    (folder / "model.onnx").write_bytes(to_onnx(fitted, "0" * 64))
    table = frame[list(COLUMNS)].sample(rows, replace=True, random_state=1).reset_index(drop=True)
    table.insert(0, "id", table.index)
    table.to_csv(folder / "in.csv", index=False)
    table.to_parquet(folder / "in.parquet", index=False)


def refuse_different_answers(form: str, folder: Path) -> None:
    """Check that both contenders wrote the same rows, labels and probabilities (to 1e-6).

    Raises:
        SystemExit: They did not.
    """
    import numpy as np
    import pandas as pd

    read = pd.read_csv if form == "csv" else pd.read_parquet
    one, other = (read(output(contender, form, folder)) for contender in CONTENDERS)
    numbers = one.select_dtypes("number").columns
    same = list(one) == list(other) and one.drop(columns=numbers).equals(other.drop(columns=numbers))
    if not same or not np.allclose(one[numbers], other[numbers], rtol=0, atol=1.1e-6):
        raise SystemExit(f"{form}: the two outputs differ, so the figures mean nothing")


def output(contender: str, form: str, folder: Path) -> Path:
    """Where a contender writes its answers."""
    return folder / f"out-{CONTENDERS.index(contender)}.{form}"


def in_child(step: str, *words: object) -> ProcessRun:
    """One step in a process of its own."""
    return run_process([sys.executable, "-m", "benchmarks.predict", "--child", step, *map(str, words)])


def child(step: str, *words: str) -> None:
    """Do what `in_child` asks for."""
    match step, words:
        case "prepare", (records, params_file, rows, folder):
            prepare(Path(records), Path(params_file), int(rows), Path(folder))
        case "compare", (folder,):
            for form in FORMS:
                refuse_different_answers(form, Path(folder))
        case contender, (source, target, model):
            answer = pandas_and_scikit_learn if contender == PANDAS else pipeline_predict
            answer(Path(source), Path(target), Path(model))


def measure(form: str, folder: Path, rounds: int) -> dict[str, list[ProcessRun]]:
    """The runs of both contenders, in turn, on a file of one form."""
    models = {PANDAS: folder / "model.joblib", PIPELINE: folder / "model.onnx"}
    runs: dict[str, list[ProcessRun]] = {contender: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender, model in models.items():
            target = output(contender, form, folder)
            runs[contender].append(in_child(contender, folder / f"in.{form}", target, model))
    return runs


def table_rows(form: str, runs: dict[str, list[ProcessRun]], rows: int) -> Sequence[str]:
    """The lines of the table about one form."""
    seconds = {name: statistics.median(run.seconds for run in several) for name, several in runs.items()}
    peaks = {name: statistics.median(run.peak_mib for run in several) for name, several in runs.items()}
    faster, smaller = (figures[PANDAS] / figures[PIPELINE] for figures in (seconds, peaks))
    return [
        *(
            f"| {form} | {name} | {seconds[name]:.2f} | {rows / seconds[name]:,.0f} | {peaks[name]:.0f} |"
            for name in runs
        ),
        f"| {form} | ratio | {faster:.1f} times faster | | {smaller:.1f} times smaller |",
    ]


def main() -> None:
    """Measure and print a table."""
    command = parser(__doc__)
    command.add_argument("--records", type=Path, default=Path("data/processed/records.csv"))
    command.add_argument("--params", type=Path, default=Path("params.yaml"))
    command.add_argument("--rows", type=int, default=ROWS)
    command.add_argument("--rounds", type=int, default=ROUNDS)
    command.add_argument("--child", nargs="+", help=SUPPRESS)
    given = command.parse_args()
    if given.child:
        child(*given.child)
        return
    rows, rounds = (SHORT_ROWS, SHORT_ROUNDS) if given.short else (given.rows, given.rounds)
    with tempfile.TemporaryDirectory() as name:
        in_child("prepare", given.records.absolute(), given.params.absolute(), rows, name)
        runs = {form: measure(form, Path(name), rounds) for form in FORMS}
        in_child("compare", name)
    print(f"{rows:,} rows, {cores()}, medians of {rounds} runs, one process each\n")
    print("| file | what | seconds | rows/s | peak MiB |\n| --- | --- | ---: | ---: | ---: |")
    print("\n".join(row for form in FORMS for row in table_rows(form, runs[form], rows)))


if __name__ == "__main__":
    main()
