"""A file of new labelled records -> the grown data in place and pinned, and how it gets into a pull request.

In two steps, so that a person sees what `pipeline.additions` found before anything is written.
"""

import shlex
from pathlib import Path

from pipeline import params as parameters
from pipeline.additions import Additions, grown
from pipeline.errors import AdditionRefusal, RaceLostError
from pipeline.files import file_digest, read_data
from pipeline.ingest import ingest, pin, refuse_sample
from pipeline.progress import Tell, silent


def proposed(
    source: Path, params_file: Path, target: Path, *, synthetic: bool = False, tell: Tell = silent
) -> Additions:
    """What the records of `source` would make of the pinned data, which is fetched if it is not at `target`.

    Raises:
        InputError: The pinned data cannot be had, or the file cannot be added; nothing was written but the former.
    """
    params, new = parameters.load(params_file), read_data(source)
    refuse_sample(new, str(source), params.sample.sha256)
    ingest(target, params.data.sha256, params.data.url, tell=tell)
    return grown(read_data(target), new, str(source), params.data, synthetic=synthetic)


def take(found: Additions, params_file: Path, target: Path, *, even_so: bool = False) -> None:
    """Put the grown data at `target` and pin it in `params_file`; both or neither.

    Raises:
        AdditionRefusal: The new labels contradict the records, and `even_so` was not said; nothing was written.
        DataError: The grown data cannot be cleaned; nothing was written.
        RaceLostError: The data is another one by now; nothing was written.
    """
    if found.contradicts and not even_so:
        raise AdditionRefusal(
            f"{found.name}: the BMI rule gives {found.rule.share:.1%} of the {found.rule.records} new labels, but "
            f"{found.rule_before.share:.1%} of those that are there: they may be shuffled, or of another column. Look "
            "at the file; if it is right, say --even-so, and the gate will judge what it makes. Nothing was written"
        )
    if {file_digest(target), parameters.load(params_file).data.sha256} != {found.base_sha256}:
        raise RaceLostError(
            f"{target} or its pin in {params_file} was changed meanwhile: nothing was written, try again"
        )
    pin(found.content, f"{target} with {found.name}", found.collected_rows, params_file, target)


def pull_request(found: Additions, dvc: str = "dvc") -> tuple[str, str, str]:
    """The three shell commands that put the grown data into a pull request; `dvc` is that command as found here."""
    records = f"{found.added} {found.origin} record{'s' if found.added > 1 else ''}".replace(" unknown", "")
    branch = f"add-{records.replace(' ', '-')}-{found.sha256[:8]}"
    files = "params.yaml dvc.lock .dvc/config reports docs/model-card.md"
    return (
        f"git switch -c {branch}",
        f"make run && {shlex.quote(dvc)} push",
        f"git add {files} && git commit -m {shlex.quote(f'Add {records}')} && git push -u origin {branch}",
    )


def remote_is_set() -> bool:
    """Whether DVC has a default remote here, to which the grown data can be pushed."""
    from dvc.config import Config, ConfigError  # noqa: PLC0415  takes a second

    try:
        return bool(Config.from_cwd()["core"].get("remote"))
    except ConfigError:
        return False
