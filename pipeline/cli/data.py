"""Commands about data: get the pinned file, let it grow, make the sample, score a table."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import err, out, progress_shown, say
from pipeline.cli.options import DEFAULT_PARAMS, ParamsFile, load_params
from pipeline.errors import InputError, SourceError
from pipeline.files import Layout

app = typer.Typer()


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
        _accept(source, collected_rows)
        return
    _fetch(source, no_sample=no_sample)


def _accept(source: Path, collected_rows: int | None) -> None:
    from pipeline.data.pin import accept

    accepted = accept(source, collected_rows, DEFAULT_PARAMS, Layout().raw)
    say(f"accepted {source} as the data: SHA-256 {accepted.sha256} is now in {DEFAULT_PARAMS}; run `make run`")
    if collected_rows is None:
        say("Which rows were collected is not known (--collected-rows N): figures by origin will be absent")


def _fetch(source: Path | None, *, no_sample: bool) -> None:
    from pipeline.data.ingest import ingest as fetch

    params = load_params()
    try:
        with progress_shown() as progress:
            raw = fetch(Layout().raw, params.data.sha256, params.data.url, source, progress)
    except SourceError as error:
        if no_sample:
            raise
        err.print(str(error), markup=False, soft_wrap=True)
        say("`make run` will use the embedded sample, which never publishes anything")
        return
    say(f"{raw.path}: SHA-256 {raw.sha256} ({raw.came_from})")


def _add(source: Path, *, synthetic: bool, force: bool) -> None:
    from pipeline.cli.show import additions as show
    from pipeline.data import pin
    from pipeline.repo import remote_is_set

    with progress_shown() as progress:
        additions = pin.proposed(source, DEFAULT_PARAMS, Layout().raw, synthetic=synthetic, progress=progress)
    out.print(show.additions(additions))
    pin.take(additions, DEFAULT_PARAMS, Layout().raw, force=force)
    say(f"added to {Layout().raw}: SHA-256 {additions.sha256} is now in {DEFAULT_PARAMS}")
    if not remote_is_set():
        say("First tell DVC where to push, for no publisher has this file: `dvc remote add --default NAME URL`")
    say("Three commands put it into a pull request:")
    for command in pin.pull_request(
        additions, "dvc" if shutil.which("dvc") else str(Path(sys.executable).with_name("dvc"))
    ):
        say(f"  {command}")


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
    from pipeline.data.sample import RECORDS, write_profile
    from pipeline.data.sample import run as write_sample
    from pipeline.files import digest

    if profile:
        from pipeline.data.records import load_processed

        write_profile(load_processed(Layout().records))
    made, pinned = digest(write_sample(load_params(params).sample).encode()), load_params(params).sample.sha256
    say(f"{RECORDS}: SHA-256 {made}")
    if made != pinned:
        raise InputError(f"sample.sha256 in {params} is {pinned}: set it to {made}")


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
    from pipeline.cli.show.results import predicted
    from pipeline.errors import ModelFileError
    from pipeline.files import CHAMPION_FOLDER
    from pipeline.model.predict import predict as score

    try:
        graph = Model.load(model or Layout(Path(CHAMPION_FOLDER)).model)
    except ModelError as error:
        raise ModelFileError(str(error)) from None
    with progress_shown() as progress:
        scored = score(source, target, graph, rejects, progress=progress)
    out.print(predicted(scored))
