"""The `pipeline` command: parse, call, print, exit code. No logic, and nothing heavy is imported before it is needed.

Exit codes: 0 ok, 1 a bug, 2 bad input, 3 refused (gate, parity, reproduction). What is expected shows no traceback.
"""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli import ci as cli_ci
from pipeline.cli import ci_service as cli_ci_service
from pipeline.cli import deploy as cli_deployment
from pipeline.cli import package as cli_service
from pipeline.cli import registry as cli_registry
from pipeline.cli import watch as cli_watch
from pipeline.cli.console import err, out, progress_shown, say
from pipeline.errors import GateRefusal, InputError, PipelineError, ReproductionError, SourceError
from pipeline.files import Layout

if TYPE_CHECKING:
    from pipeline.params import Params

app = typer.Typer(
    name="pipeline",
    help="Retrain, judge, register and exactly export the model. `make run` does it all; these are its parts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_registry.app, name="registry")
app.add_typer(cli_service.app)
app.add_typer(cli_deployment.app)
app.add_typer(cli_watch.app)
cli_ci.app.add_typer(cli_ci_service.app)
app.add_typer(cli_ci.app, name="ci")

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters.")]
Jobs = Annotated[int, typer.Option("--jobs", help="Processor cores to use; -1 is all. Changes nothing but the time.")]
DEFAULT_PARAMS = Path("params.yaml")


def load_params(path: Path) -> "Params":
    """The parameters, loaded only when a command needs them: --help waits for nothing."""
    from pipeline import params

    return params.load(path)


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
    from pipeline.cli.show import registry as show_registry
    from pipeline.cli.show import results as show
    from pipeline.loop import retrain as loop

    with progress_shown() as progress:
        done = loop.retrain(load_params(DEFAULT_PARAMS), data, progress)
    out.print(show.retrained(done, show_registry.verdict(done.verdict)))


@app.command()
def ingest(  # noqa: PLR0913, PLR0917  a command's options
    source: Annotated[Path | None, typer.Option("--from", help="Take this file, and no other source.")] = None,
    no_sample: Annotated[
        bool, typer.Option("--no-sample", help="Fail where no data can be had; what publishing workflows say.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Make the file of --from the pinned data, recorded in params.yaml.")
    ] = False,
    collected_rows: Annotated[
        int | None, typer.Option(help="With --accept: how many first rows were collected, the rest being synthetic.")
    ] = None,
    add: Annotated[
        Path | None, typer.Option("--add", help="Append the labelled records of this CSV to the pinned data, checked.")
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="With --add: the records are interpolated, not collected from people.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --add: take labels that contradict the records; the gate decides.")
    ] = False,
) -> None:
    """Get the pinned data file and check it.

    Looks where it already lies, in DVC's cache or remote, then at the publisher's address.

    With --add it grows by new records: shows them beside what is there, pins the grown file, and prints the three
    commands that put it into a pull request. Exit code 3 where their labels contradict the records.
    """
    from pipeline.data import ingest as door
    from pipeline.data import pin

    params = load_params(DEFAULT_PARAMS)
    if add is not None:
        if source or accept or collected_rows is not None:
            raise InputError("--add takes neither --from nor --accept nor --collected-rows")
        _add(add, synthetic=synthetic, force=force)
        return
    if synthetic or force:
        raise InputError("--synthetic and --force need --add FILE, the new records")
    if accept:
        if source is None:
            raise InputError("--accept needs --from FILE, the new data")
        found = pin.accept(source, collected_rows, DEFAULT_PARAMS, Layout().raw)
        say(f"accepted {source} as the data: SHA-256 {found.sha256} is now in {DEFAULT_PARAMS}; run `make run`")
        if collected_rows is None:
            say("Which rows were collected is not known (--collected-rows N): figures by origin will be absent")
        return
    try:
        with progress_shown() as progress:
            found = door.ingest(Layout().raw, params.data.sha256, params.data.url, source, progress)
    except SourceError as error:
        if no_sample:
            raise
        err.print(str(error), markup=False, soft_wrap=True)
        say("`make run` will use the embedded sample, which never publishes anything")
        return
    say(f"{found.path}: SHA-256 {found.sha256}, from {found.came_from}")


def _add(source: Path, *, synthetic: bool, force: bool) -> None:
    from pipeline.cli.show import additions as show_additions
    from pipeline.data import pin as add
    from pipeline.repo import remote_is_set

    with progress_shown() as progress:
        found = add.proposed(source, DEFAULT_PARAMS, Layout().raw, synthetic=synthetic, progress=progress)
    out.print(show_additions.additions(found))
    add.take(found, DEFAULT_PARAMS, Layout().raw, force=force)
    say(f"added to {Layout().raw}: SHA-256 {found.sha256} is now in {DEFAULT_PARAMS}")
    if not remote_is_set():
        say("First tell DVC where to push, for no publisher has this file: `dvc remote add --default NAME URL`")
    say("Three commands put it into a pull request:")
    for command in add.pull_request(
        found, "dvc" if shutil.which("dvc") else str(Path(sys.executable).with_name("dvc"))
    ):
        say(f"  {command}")


@app.command()
def clean(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Validate the data file with the contract.

    Writes data/processed/records.csv and reports/data.json.
    """
    from pipeline.data import clean as stage

    report = stage.run(Layout().raw, Layout(), load_params(params))
    say(f"{report.rows_read} rows, {report.duplicates_dropped} duplicates dropped, {report.records} records")


@app.command()
def train(params: ParamsFile = DEFAULT_PARAMS, jobs: Jobs = -1) -> None:
    """Fit, export to ONNX, and prove it exact.

    Writes models/ and reports/parity.json.
    """
    from pipeline.model import train as stage

    with progress_shown() as progress:
        trained = stage.run(Layout(), load_params(params), jobs, progress)
    rows = sum(comparison.records for comparison in trained.parity.comparisons.values())
    say(f"model.onnx: {trained.parity.model_bytes} bytes, 0 of {rows} answers differ from the Pipeline's")


@app.command()
def evaluate(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Measure the graphs on rows they never saw.

    Writes reports/metrics.json, reports/answers.csv and reports/plots/.
    """
    from pipeline.cli.show import results as show
    from pipeline.model import evaluate as stage

    stage.run(Layout(), load_params(params))
    out.print(show.one_line(Layout()))


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
    from pipeline.cli.show import results as show
    from pipeline.model import run as flow

    with progress_shown() as progress:
        flow.run(raw, Layout(folder), load_params(params), jobs, progress)
    out.print(show.metrics(Layout(folder)))


@app.command()
def reproduce(
    raw: Annotated[Path | None, typer.Option(help="A CSV file. Default: the pinned file, else the sample.")] = None,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Run the flow twice and compare every byte.

    Fresh processes with other hash seeds, cores and processor instructions; exit code 3 on any difference.
    """
    from pipeline.cli.show import results as show
    from pipeline.data import sample
    from pipeline.model import reproduce as twice

    chosen = raw or (Layout().raw if Layout().raw.is_file() else sample.RECORDS)
    with progress_shown() as progress:
        reproduction = twice.reproduce(chosen, params, progress)
    out.print(show.reproduction(reproduction, chosen))
    if not reproduction.equal:
        raise ReproductionError(f"two runs differ: difference {reproduction.difference:.4f}, see the table")


@app.command()
def register(params: ParamsFile = DEFAULT_PARAMS, jobs: Jobs = -1) -> None:
    """Record the result in MLflow as a version.

    The same result is never registered twice.
    """
    from pipeline.judge import register as stage

    registered = stage.register(Layout(), load_params(params), jobs)
    verb = "registered as" if registered.created else "is already"
    say(f"this result {verb} {registered.name} version {registered.version}, stage {registered.stage}")


@app.command()
def gate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and change nothing.")] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Promote the challenger, or refuse.

    Compares it with the champion on the same records, moves the alias champion or exits with 3.
    """
    from pipeline.cli.show import registry as show_registry
    from pipeline.judge import gate as stage

    verdict = stage.run(Layout(), load_params(params), dry_run=dry_run)
    out.print(show_registry.verdict(verdict))
    if verdict.outcome == "refused":
        raise GateRefusal("the challenger is not promoted; the champion stays")


@app.command()
def report(
    folder: Annotated[Path, typer.Option("--in", help="Root of the layout that holds reports/.")] = Path(),
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Compare with a commit instead. `auto`: where this branch left main (in a pull request, its target); "
            "on main HEAD if anything was changed since, else the commit before.",
        ),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="With --against: write the Markdown here instead of showing it.")
    ] = None,
    refuse_worse: Annotated[
        bool, typer.Option("--refuse-worse", help="With --against: exit with 3 if a figure is worse beyond noise.")
    ] = False,
) -> None:
    """Draw figures, write the model card; or compare.

    From the report files alone. With --against it says what changed since a commit: in colours on a terminal, as
    Markdown elsewhere, which is what a pull request gets as its comment.
    """
    from pipeline.report import write as stage

    if against is None:
        if target or refuse_worse:
            raise InputError("--out and --refuse-worse need --against REV, the commit to compare with")
        for path in stage.run(Layout(folder)):
            say(str(path))
        return
    from pipeline.files import write_text
    from pipeline.report import comment, comparison

    found = comparison.against(against, folder)
    text = comment.comment(found)
    if target:
        write_text(target, text)
        say(f"{target}: {comment.headline(found)}")
    elif out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(comment.unfolded(text)))
    else:
        out.file.write(text)
    if refuse_worse and found.outcome in {"worse", "mixed"}:
        raise GateRefusal(f"a figure is worse than before: {comment.headline(found)}")


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if a document is stale.")] = False,
) -> None:
    """Write the documents made from the code.

    docs/data-dictionary.md from the contract, docs/model-card.md from the reports.
    """
    from pipeline.files import write_text
    from pipeline.report import write as maker

    stale = maker.stale(Layout())
    if check and stale:
        raise InputError(f"stale: {', '.join(map(str, stale))}: make them again with `pipeline docs`")
    for path in stale:
        write_text(path, maker.documents(Layout())[path])
        say(f"wrote {path}")


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A .csv or .parquet file with the sixteen columns.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A .csv or .parquet file to write.")],
    model: Annotated[Path | None, typer.Option(help="A graph. Default: the champion that `make run` exported.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where bad rows go. Default: OUT's name .rejects.csv.")] = None,
) -> None:
    """Score a table, in bounded memory.

    Bad rows go to a file with row, column and reason; good rows are scored.
    """
    from lambda_api.model import Model, ModelError
    from pipeline.cli.show import results as show
    from pipeline.errors import ModelFileError
    from pipeline.files import CHAMPION_FOLDER
    from pipeline.model import predict as scorer

    try:
        graph = Model.load(model or Layout(Path(CHAMPION_FOLDER)).model)
    except ModelError as error:
        raise ModelFileError(str(error)) from None
    with progress_shown() as progress:
        done = scorer.predict(source, target, graph, rejects, progress=progress)
    out.print(show.predicted(done))


@app.command()
def sample(
    profile: Annotated[
        bool, typer.Option("--profile", help="First make the profile anew from data/processed/records.csv.")
    ] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Make the embedded sample from its profile.

    Writes data/sample/records.csv, the same bytes each time.
    """
    from pipeline.data import sample as maker
    from pipeline.files import digest

    if profile:
        from pipeline.data.records import load_processed

        maker.write_profile(load_processed(Layout().records))
    found, pinned = digest(maker.run(load_params(params).sample).encode()), load_params(params).sample.sha256
    say(f"{maker.RECORDS}: SHA-256 {found}")
    if found != pinned:
        raise InputError(f"sample.sha256 in {params} is {pinned}: set it to {found}")


def main() -> None:
    """Run the command and exit with its code."""
    try:
        app()
    except PipelineError as error:
        err.print(f"{type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
