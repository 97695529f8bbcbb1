"""A file of data -> the pinned data, validated and recorded in params.yaml: whole (`accept`), or grown by new records.

New records are added in two steps, so that a person sees how `pipeline.data.additions` judges them before anything
is written.
"""

import io
import shlex
from pathlib import Path

from pipeline import params as parameters
from pipeline.data.additions import Additions, grown
from pipeline.data.ingest import RawFile, ingest
from pipeline.errors import AdditionRefusal, DataError, RaceLostError
from pipeline.files import RESULT_FILES, digest, file_digest, read_data, replacing
from pipeline.progress import Progress, no_progress


def proposed(
    source: Path, params_file: Path, target: Path, *, synthetic: bool = False, progress: Progress = no_progress
) -> Additions:
    """What the records of `source` would make of the pinned data, which is fetched if it is not at `target`.

    Raises:
        InputError: The pinned data cannot be had, or the file cannot be added; nothing was written but the former.
    """
    params, new = parameters.load(params_file), read_data(source)
    refuse_sample(new, str(source), params.sample.sha256)
    ingest(target, params.data.sha256, params.data.url, progress=progress)
    return grown(read_data(target), new, str(source), params.data, synthetic=synthetic)


def take(additions: Additions, params_file: Path, target: Path, *, force: bool = False) -> None:
    """Put the grown data at `target` and pin it in `params_file`; both or neither.

    Raises:
        AdditionRefusal: The new labels contradict the records, and `force` was not given; nothing was written.
        DataError: The grown data cannot be cleaned; nothing was written.
        RaceLostError: The data is another one by now; nothing was written.
    """
    rule, before = additions.rule, additions.rule_before
    if additions.contradicts and not force:
        raise AdditionRefusal(
            f"{additions.name}: the BMI rule agrees with {rule.share:.1%} of the {rule.records} new labels, but with "
            f"{before.share:.1%} of the existing ones: the new labels may be shuffled, or of another column. Look at "
            "the file; if it is right, use --force: the gate still decides. Nothing was written"
        )
    if {file_digest(target), parameters.load(params_file).data.sha256} != {additions.base_sha256}:
        raise RaceLostError(
            f"{target} or its pin in {params_file} was changed meanwhile: nothing was written, try again"
        )
    pin(additions.content, f"{target} with {additions.name}", additions.collected_rows, params_file, target)


def pull_request(additions: Additions, dvc: str = "dvc") -> tuple[str, str, str]:
    """The three shell commands that put the grown data into a pull request; `dvc` is how DVC is called here."""
    records = f"{additions.added} {additions.origin} record{'s' if additions.added > 1 else ''}".replace(" unknown", "")
    branch = f"add-{records.replace(' ', '-')}-{additions.sha256[:8]}"
    files = " ".join((*RESULT_FILES, ".dvc/config"))
    return (
        f"git switch -c {branch}",
        f"make run && {shlex.quote(dvc)} push",
        f"git add {files} && git commit -m {shlex.quote(f'Add {records}')} && git push -u origin {branch}",
    )


def accept(source: Path, collected_rows: int | None, params_file: Path, target: Path) -> RawFile:
    """Make `source` the pinned data: validate it, put it at `target`, and record its digest in `params_file`.

    Raises:
        DataError: The file breaks the contract; nothing was written.
        ParamsError: `collected_rows` is more than the file has, or the parameters are not valid.
    """
    from pipeline import params as parameters

    raw, params = read_data(source), parameters.load(params_file)
    refuse_sample(raw, str(source), params.sample.sha256)
    sha256 = pin(raw, str(source), collected_rows, params_file, target)
    return RawFile(target, str(source), sha256)


def refuse_sample(raw: bytes, name: str, sample_sha256: str) -> None:
    """Check that `raw` is not the embedded sample.

    Raises:
        DataError: It is; synthetic people never become data.
    """
    if digest(raw) == sample_sha256:
        raise DataError(
            f"{name} is the embedded sample: it is never accepted as real data; `make run DATA=sample` runs on it"
        )


def pin(raw: bytes, name: str, collected_rows: int | None, params_file: Path, target: Path) -> str:
    """The digest of `raw`, once it is validated, at `target`, and recorded in `params_file`; both are written or none.

    Both are written in full before either takes its place, the parameters last: a command that is killed before
    that leaves the old pin, and can be run again.

    Raises:
        DataError: The data breaks the contract; nothing was written.
        ParamsError: `collected_rows` is more than the data has, or the parameters are not valid.
    """
    from pipeline import params as parameters
    from pipeline.data.clean import clean

    pinned: dict[str, str | int | None] = {"sha256": digest(raw), "collected_rows": collected_rows}
    old = parameters.load(params_file)
    clean(raw, name, old.model_copy(update={"data": old.data.model_copy(update=pinned)}))
    text = _repinned(params_file.read_text(encoding="utf-8"), pinned)
    with replacing(params_file) as new_params, replacing(target) as new_target:
        new_params.write_text(text, encoding="utf-8")
        new_target.write_bytes(raw)
    return digest(raw)


def _repinned(text: str, pinned: "dict[str, str | int | None]") -> str:
    """The text of params.yaml with other values in `data`, its comments kept."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096  # never fold a line
    yaml.preserve_quotes = True
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load(text)
    content["data"].update(pinned)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
