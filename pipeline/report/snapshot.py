"""A revision, or the working tree, in -> its results as values out, read from files only.

What was committed is read through git, never checked out; DVC's cache gives the answers behind the figures where it
has them. A file that is not there is None, so that a comparison can say which part is new. Nothing is trained, and
nothing of a revision's code is run.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ModelFileError, SourceError
from pipeline.files import Layout, Report, file_digest, number
from pipeline.repo import commit_of, committed, dvc_md5, dvc_read

AUTO = "auto"
"""Instead of a revision: `default_base` chooses."""

LOCK, PIPELINE, PARAMS = "dvc.lock", "dvc.yaml", "params.yaml"
PACKAGE = "build/package.json"
"""What the function weighs and costs, where it was built; never in git."""

Read = Callable[[str], bytes | None]


@dataclass(frozen=True)
class RecordAnswer:
    """What a graph that never saw a record says about it."""

    fold: str
    predicted: str


Answers = Mapping[tuple[str, str], RecordAnswer]
"""By record key and true level; both, because a corrected level keeps the key."""


@dataclass(frozen=True)
class Snapshot:
    """Results as they lie in files; None where there is no such file.

    `answers` are there only if they are the very ones that `metrics` was made from, `package` only if it holds the
    model of `parity`.
    """

    name: str
    params: Mapping[str, Any]
    stages: Mapping[str, Any]
    metrics: Report | None = None
    data: Report | None = None
    parity: Report | None = None
    confusion: Mapping[tuple[str, str], int] | None = None
    answers: Answers | None = None
    verdict: Report | None = None
    package: Report | None = None
    model_file_sha256: str | None = None
    stale: tuple[str, ...] = ()


def of_revision(root: Path, rev: str) -> Snapshot:
    """What was committed in a revision.

    Raises:
        InputError: There is no such revision.
        GitError: git refuses to read this repository.
        ModelFileError: A file in it is damaged.
    """
    commit = commit_of(root, rev)
    name = commit[:8] if commit.startswith(rev) else f"{rev} ({commit[:8]})"

    def read(path: str) -> bytes | None:
        return committed(root, commit, path)

    stages = _stages(read, name)
    metrics = _json(read, "reports/metrics.json", name)
    content = _from_dvc(root, commit) if metrics is not None and "evaluate" in stages else None
    return Snapshot(
        name=name,
        params=_params(read, name),
        stages=stages,
        metrics=metrics,
        data=_json(read, "reports/data.json", name),
        parity=_json(read, "reports/parity.json", name),
        confusion=_confusion(read("reports/plots/confusion.csv")),
        answers=_answers(content, metrics),
    )


def of_tree(root: Path, folder: Path = Path()) -> Snapshot:
    """What lies in the working tree now.

    Args:
        root: The project's root, with params.yaml and dvc.lock.
        folder: Where the layout with the reports lies, from `root`.

    Raises:
        ModelFileError: A file is damaged.
    """
    layout = Layout(root / folder)

    def read(path: str) -> bytes | None:
        place = root / path if path in {LOCK, PIPELINE, PARAMS, PACKAGE} else root / folder / path
        return place.read_bytes() if place.is_file() else None

    stages, metrics = _stages(read, "here"), _json(read, "reports/metrics.json", "here")
    params = _params(read, "here")
    parity, package = _json(read, "reports/parity.json", "here"), _json(read, PACKAGE, "here")
    return Snapshot(
        name="this",
        params=params,
        stages=stages,
        metrics=metrics,
        data=_json(read, "reports/data.json", "here"),
        parity=parity,
        confusion=_confusion(read("reports/plots/confusion.csv")),
        answers=_answers(read("reports/answers.csv"), metrics),
        verdict=_json(read, "reports/verdict.json", "here"),
        package=package if _model(package) == _model(parity) else None,
        model_file_sha256=file_digest(layout.model) if layout.model.is_file() else None,
        stale=_stale(root, stages, params) if folder == Path() else (),
    )


def dotted(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings under dotted names.

    >>> dotted({"forest": {"max_depth": None}, "seed": 7})
    {'forest.max_depth': None, 'seed': 7}
    """
    if not isinstance(value, Mapping):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, item in value.items():
        leaves |= dotted(item, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _model(report: Report | None) -> object:
    return (report or {}).get("model_sha256")


def _json(read: Read, path: str, where: str) -> Report | None:
    content = read(path)
    if content is None:
        return None
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ModelFileError(f"{path} ({where}) is not JSON ({error}): make it again with `dvc repro`") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} ({where}) is not a report of this project: make it again with `dvc repro`")
    return value


def _yaml(read: Read, path: str, where: str) -> Mapping[str, Any]:
    try:
        value = YAML(typ="safe").load(read(path) or b"")
    except (YAMLError, ValueError) as error:
        raise ModelFileError(f"{path} ({where}) is not YAML: {error}") from None
    return value if isinstance(value, Mapping) else {}


def _stages(read: Read, where: str) -> Mapping[str, Any]:
    stages = _yaml(read, LOCK, where).get("stages")
    return stages if isinstance(stages, Mapping) else {}


def _params(read: Read, where: str) -> Mapping[str, Any]:
    return dotted(_yaml(read, PARAMS, where)) if read(PARAMS) else {}


def _rows(content: bytes | None, columns: set[str]) -> list[dict[str, str]] | None:
    """The rows of a CSV that has these columns; None for anything else."""
    if content is None:
        return None
    reader = csv.DictReader(io.StringIO(content.decode("utf-8", "replace"), newline=""))
    try:
        rows = list(reader)
    except csv.Error:
        return None
    return rows if columns <= set(reader.fieldnames or ()) else None


def _confusion(content: bytes | None) -> Mapping[tuple[str, str], int] | None:
    rows = _rows(content, {"actual", "predicted"})
    return None if rows is None else Counter((row["actual"], row["predicted"]) for row in rows)


def _answers(content: bytes | None, metrics: Report | None) -> Answers | None:
    rows = _rows(content, {"record", "fold", "actual", "predicted"})
    if not rows or metrics is None:
        return None
    accuracy = number(dotted(metrics).get("out_of_fold.accuracy"))
    right = sum(row["actual"] == row["predicted"] for row in rows) / len(rows)
    if accuracy is None or not math.isclose(right, accuracy, abs_tol=1e-6):
        return None
    return {(row["record"], row["actual"]): RecordAnswer(row["fold"], row["predicted"]) for row in rows}


def _from_dvc(root: Path, commit: str) -> bytes | None:
    """The answers of a commit from DVC's cache, else from its remote; None where neither has them."""
    try:
        return dvc_read(Path("reports/answers.csv"), root=root, rev=commit)
    except SourceError:  # without answers, the figures' intervals decide
        return None


def _stale(root: Path, stages: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[str, ...]:
    """What dvc.lock says otherwise than the files here: the results are not of this code, these params or this data."""
    known = _yaml(lambda path: (root / path).read_bytes() if (root / path).is_file() else None, PIPELINE, "here")
    wanted = known.get("stages") or {}
    differences = [f"stage {name} is in {PIPELINE} but not in {LOCK}" for name in wanted if name not in stages]
    for name, stage in stages.items():
        differences += [
            f"{name}: {file['path']} is not what was locked"
            for file in [*stage.get("deps", []), *stage.get("outs", [])]
            if (root / file["path"]).exists() and dvc_md5(root / file["path"]) != file.get("md5")
        ]
        differences += [
            f"{name}: {key} in {PARAMS} is not what was locked"
            for key, value in stage.get("params", {}).get(PARAMS, {}).items()
            if dotted(value, key) != {leaf: now for leaf, now in params.items() if f"{leaf}.".startswith(f"{key}.")}
        ]
    return tuple(dict.fromkeys(differences))
