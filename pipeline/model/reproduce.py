"""The same CSV twice, in fresh processes under other conditions -> every file and metric compared.

The runs differ in hash seed, cores and processor instructions. What depends on the order of a set, on a clock or on
any of these shows here as a difference; the exit code says so, and the table says where. Where the stages have just
run, their files are one of the two.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import Layout, file_digest, flat, read_json
from pipeline.progress import Progress, no_progress


@dataclass(frozen=True)
class Setting:
    """What differs between two runs that must not differ."""

    hash_seed: str
    jobs: int
    plain_processor: bool

    def environment(self) -> dict[str, str]:
        """Variables for a process that runs so; on a plain processor numpy uses none of the newer instructions."""
        import numpy as np

        extensions = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
        plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(extensions)} if self.plain_processor else {}
        return {"PYTHONHASHSEED": self.hash_seed} | plain


SETTINGS = (Setting("0", 1, plain_processor=False), Setting("4242", 2, plain_processor=True))


@dataclass(frozen=True)
class FileComparison:
    """One file of the flow with its digest in each run; None where a run did not write it."""

    name: str
    digests: tuple[str | None, ...]

    @property
    def equal(self) -> bool:
        """Whether every run wrote the same bytes."""
        return None not in self.digests and len(set(self.digests)) == 1


@dataclass(frozen=True)
class Reproduction:
    """What two runs agree and disagree on."""

    files: tuple[FileComparison, ...]
    metrics: dict[str, tuple[float, ...]]

    @property
    def difference(self) -> float:
        """The largest difference of any metric between the runs; infinite if a run lacks one."""
        return max((max(values) - min(values) for values in self.metrics.values()), default=float("inf"))

    @property
    def equal(self) -> bool:
        """Whether all files and all metrics are the same."""
        return bool(self.files) and all(file.equal for file in self.files) and self.difference == 0


def compare(folders: list[Path], names: Iterable[str] | None = None) -> Reproduction:
    """The files and metrics below each folder, side by side; `names` None compares every file of any of them."""
    names = sorted(names or {name for folder in folders for name in _files(folder)})
    files = tuple(
        FileComparison(
            name, tuple(file_digest(folder / name) if (folder / name).is_file() else None for folder in folders)
        )
        for name in names
    )
    tables = [flat(read_json(Layout(folder).metrics, "pipeline evaluate")) for folder in folders]
    keys = sorted(set().union(*tables))
    return Reproduction(files, {key: tuple(table.get(key, float("inf")) for table in tables) for key in keys})


def _files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def reproduce(
    raw: Path, params_file: Path, progress: Progress = no_progress, results: Path | None = None
) -> Reproduction:
    """Run the pure flow on `raw` in temporary folders, once for each of `SETTINGS`, and compare the results.

    Args:
        raw: The data.
        params_file: The parameters.
        progress: Called with progress.
        results: Where the results of a run lie that was made under the first setting or another; it is then not run
            again, and only what the flow writes is compared.

    Raises:
        PipelineError: A run failed; the text is that run's own error.
    """
    settings = SETTINGS if results is None else SETTINGS[1:]
    with tempfile.TemporaryDirectory(prefix="reproduce-") as root:
        folders = [] if results is None else [results]
        for number, setting in enumerate(settings):
            progress(f"run with hash seed {setting.hash_seed} on {setting.jobs} core(s)", number, len(settings))
            folders.append(Path(root) / str(number))
            _run(raw, folders[-1], params_file, setting)
        progress("compare", len(settings), len(settings))
        return compare(folders, None if results is None else _files(folders[-1]))


def _run(raw: Path, out: Path, params_file: Path, setting: Setting) -> None:
    command = [sys.executable, "-m", "pipeline", "run", "--raw", str(raw), "--out", str(out)]
    command += ["--params", str(params_file), "--jobs", str(setting.jobs)]
    environment = os.environ | setting.environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        error = PipelineError(f"a run failed with exit code {done.returncode}:\n{done.stderr.strip()}")
        error.exit_code = done.returncode
        raise error
