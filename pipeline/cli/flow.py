"""Commands that make a model: the whole loop, then its steps in their order."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import out, progress_shown, say
from pipeline.cli.options import DEFAULT_PARAMS, FLOORS_ONLY, Jobs, ParamsFile, load_params
from pipeline.errors import GateRefusal, InputError, ReproductionError
from pipeline.files import SAMPLE_ROOT, Layout

app = typer.Typer()


@app.command()
def retrain(
    data: Annotated[
        str | None, typer.Option(help="A CSV file, or `sample`. Default: the pinned file, wherever it can be had.")
    ] = None,
) -> None:
    """Do the whole loop, as `make run` does.

    Get the data, dvc repro, register, gate, export the champion, score one example.

    Without data and network it says so and uses the embedded sample, in runs/sample with a registry of its own.
    """
    from pipeline.cli.show.registry import verdict
    from pipeline.cli.show.results import retrained
    from pipeline.loop.retrain import retrain as run_loop

    with progress_shown() as progress:
        result = run_loop(load_params(DEFAULT_PARAMS), data, progress)
    out.print(retrained(result, verdict(result.verdict)))


@app.command()
def clean(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Validate the data file with the contract.

    Writes data/processed/records.csv and reports/data.json.
    """
    from pipeline.data.clean import run as run_stage

    report = run_stage(Layout().raw, Layout(), load_params(params))
    say(f"{report.rows_read} rows, {report.duplicates_dropped} duplicates dropped, {report.records} records")


@app.command()
def train(params: ParamsFile = DEFAULT_PARAMS, jobs: Jobs = -1) -> None:
    """Fit, export to ONNX, and prove it exact.

    Writes models/ and reports/parity.json.
    """
    from pipeline.model.train import run as run_stage

    with progress_shown() as progress:
        trained = run_stage(Layout(), load_params(params), jobs, progress)
    rows = sum(comparison.records for comparison in trained.parity.comparisons.values())
    say(f"model.onnx: {trained.parity.model_bytes} bytes, 0 of {rows} answers differ from the Pipeline's")


@app.command()
def evaluate(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Measure the graphs on rows they never saw.

    Writes reports/metrics.json, reports/answers.csv and reports/plots/.
    """
    from pipeline.cli.show.results import one_line
    from pipeline.model.evaluate import run as run_stage

    run_stage(Layout(), load_params(params))
    out.print(one_line(Layout()))


@app.command()
def run(
    raw: Annotated[Path, typer.Option(help="A CSV file with the sixteen columns and the level.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder to write models and reports below.")],
    params: ParamsFile = DEFAULT_PARAMS,
    jobs: Jobs = -1,
) -> None:
    """Run the pure flow on any CSV, without DVC.

    Clean, train and evaluate in one process; for the pinned file the bytes equal DVC's.
    """
    from pipeline.cli.show.results import metrics
    from pipeline.model.run import run as run_flow

    with progress_shown() as progress:
        run_flow(raw, Layout(folder), load_params(params), jobs, progress)
    out.print(metrics(Layout(folder)))


@app.command()
def reproduce(
    raw: Annotated[Path | None, typer.Option(help="A CSV file. Default: the pinned file, else the sample.")] = None,
    here: Annotated[bool, typer.Option("--here", help="Run once, and compare with the results that lie here.")] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Run the flow twice and compare every byte.

    Fresh processes with other hash seeds, cores and processor instructions; exit code 3 on any difference.
    """
    from pipeline.cli.show.results import reproduction
    from pipeline.data import sample
    from pipeline.model.reproduce import reproduce as run_twice

    if here and raw:
        raise InputError("--here compares with the results of the pinned data, or of the sample: it takes no --raw")
    layout = Layout() if Layout().raw.is_file() else Layout(SAMPLE_ROOT)
    table = raw or (layout.raw if layout == Layout() else sample.RECORDS)
    with progress_shown() as progress:
        runs = run_twice(table, params, progress, layout.root if here else None)
    out.print(reproduction(runs, table))
    if not runs.equal:
        raise ReproductionError(f"two runs differ: difference {runs.difference:.4f}, see the table")


@app.command()
def register(params: ParamsFile = DEFAULT_PARAMS, jobs: Jobs = -1) -> None:
    """Record the result in MLflow as a version.

    The same result is never registered twice.
    """
    from pipeline.judge.register import register as register_result
    from pipeline.model.result import result_of

    parameters = load_params(params)
    registered = register_result(result_of(Layout(), parameters), parameters, jobs)
    verb = "registered as" if registered.created else "is already"
    say(f"this result {verb} {registered.name} version {registered.version}, stage {registered.stage}")


@app.command()
def gate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and change nothing.")] = False,
    floors_only: Annotated[str, typer.Option(metavar="WHY", help=FLOORS_ONLY)] = "",
    shared: Annotated[bool, typer.Option("--shared", help="Also move the champion of an MLflow server.")] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Promote the challenger, keep the champion, or refuse.

    Compares it with the champion on the same records and moves the alias champion; exits with 3 if it refuses.
    """
    from pipeline.cli.show import registry as show
    from pipeline.cli.show.results import not_moved
    from pipeline.judge.gate import judge
    from pipeline.judge.gate import run as judge_and_move
    from pipeline.model.result import result_of
    from pipeline.registry import Registry

    parameters, registry = load_params(params), Registry()
    result = result_of(Layout(), parameters)
    if dry_run:
        verdict = judge(result, parameters, registry, floors_only=floors_only)
    else:
        verdict = judge_and_move(result, parameters, registry, floors_only=floors_only, shared=shared)
    out.print(show.verdict(verdict))
    if verdict.promotes and not dry_run and registry.is_shared and not shared:
        say(not_moved(registry.whose))
    if verdict.outcome == "refused":
        raise GateRefusal("the challenger is not promoted; the champion stays")
