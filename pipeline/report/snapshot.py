"""A revision, or the working tree, in -> its results as values out, read from files only.

What was committed is read through git, never checked out; DVC's cache gives the answers behind the figures where it
has them. A file that is not there is None, so that a comparison can say which part is new. Nothing is trained, and
nothing of a revision's code is run.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ModelFileError, SourceError
from pipeline.files import Layout, Report, file_digest
from pipeline.repo import commit_of, committed, dvc_md5, dvc_read
from pipeline.report.answers import Answers, answers_of, rows_of

LOCK, PIPELINE, PARAMS = "dvc.lock", "dvc.yaml", "params.yaml"
PACKAGE = "build/package.json"
"""What the function weighs and costs, where it was built; never in git."""

Read = Callable[[str], bytes | None]


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

    @property
    def model_sha256(self) -> object:
        """SHA-256 of the graph that the reports describe; None where none does."""
        return _model(self.parity)


def of_revision(root: Path, rev: str, name: str | None = None) -> Snapshot:
    """What was committed in a revision.

    Args:
        root: The project's root.
        rev: The revision.
        name: What to call a commit that is only named by its digits, which stand behind.

    Raises:
        InputError: There is no such revision.
        GitError: git refuses to read this repository.
        ModelFileError: A file in it is damaged.
    """
    commit = commit_of(root, rev)
    known_as = name if commit.startswith(rev) else rev
    name = f"{known_as} ({commit[:8]})" if known_as else commit[:8]

    def read(path: str) -> bytes | None:
        return committed(root, commit, path)

    def md5(path: str) -> str | None:
        content = read(path)
        return None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()

    stages, params = _stages(read, name), _params(read, name)
    metrics = _json(read, "reports/metrics.json", name)
    content = _from_dvc(root, commit) if metrics is not None and "evaluate" in stages else None
    return Snapshot(
        name=name,
        params=params,
        stages=stages,
        metrics=metrics,
        data=_json(read, "reports/data.json", name),
        parity=_json(read, "reports/parity.json", name),
        confusion=_confusion(read("reports/plots/confusion.csv")),
        answers=answers_of(content, metrics),
        stale=_stale(_wanted(read, name), stages, params, md5),
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

    def md5(path: str) -> str | None:
        return dvc_md5(root / path) if (root / path).exists() else None

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
        answers=answers_of(read("reports/answers.csv"), metrics),
        verdict=_json(read, "reports/verdict.json", "here"),
        package=package if _model(package) == _model(parity) else None,
        model_file_sha256=file_digest(layout.model) if layout.model.is_file() else None,
        stale=_stale(_wanted(read, "here"), stages, params, md5) if folder == Path() else (),
    )


def of_export(folder: Path, name: str) -> Snapshot | None:
    """What was exported of a registered version, laid out as `Layout`; None where nothing was.

    Raises:
        ModelFileError: A file is damaged.
    """

    def read(path: str) -> bytes | None:
        return (folder / path).read_bytes() if (folder / path).is_file() else None

    metrics, parity = _json(read, "reports/metrics.json", name), _json(read, "reports/parity.json", name)
    if metrics is None or parity is None:
        return None
    return Snapshot(name, {}, {}, metrics=metrics, data=_json(read, "reports/data.json", name), parity=parity)


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


def _confusion(content: bytes | None) -> Mapping[tuple[str, str], int] | None:
    rows = rows_of(content, {"actual", "predicted"})
    return None if rows is None else Counter((row["actual"], row["predicted"]) for row in rows)


def _from_dvc(root: Path, commit: str) -> bytes | None:
    """The answers of a commit from DVC's cache, else from its remote; None where neither has them."""
    try:
        return dvc_read(Path("reports/answers.csv"), root=root, rev=commit)
    except SourceError:  # without answers, the figures' intervals decide
        return None


def _wanted(read: Read, where: str) -> Iterable[str]:
    """The names of the stages that there should be."""
    stages = _yaml(read, PIPELINE, where).get("stages")
    return stages if isinstance(stages, Mapping) else ()


def _stale(
    wanted: Iterable[str],
    stages: Mapping[str, Any],
    params: Mapping[str, Any],
    md5: Callable[[str], str | None],
) -> tuple[str, ...]:
    """What dvc.lock says otherwise than the files do: the results are not of this code, these params or this data.

    Args:
        wanted: The names of the stages that there should be.
        stages: The stages of dvc.lock.
        params: The leaves of params.yaml.
        md5: What DVC locks a path as; None where it is absent or that cannot be told.
    """
    differences = [f"stage {name} is in {PIPELINE} but not in {LOCK}" for name in wanted if name not in stages]
    for name, stage in stages.items():
        differences += [
            f"{name}: {file['path']} is not what was locked"
            for file in [*stage.get("deps", []), *stage.get("outs", [])]
            if md5(file["path"]) not in {None, file.get("md5")}
        ]
        differences += [
            f"{name}: {key} in {PARAMS} is not what was locked"
            for key, value in stage.get("params", {}).get(PARAMS, {}).items()
            if dotted(value, key) != {leaf: now for leaf, now in params.items() if f"{leaf}.".startswith(f"{key}.")}
        ]
    return tuple(dict.fromkeys(differences))
