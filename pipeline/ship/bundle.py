"""A packaged model + lambda_api + locked wheels -> the folder that Lambda unpacks, the same bytes from every build.

Called by `sam build` through lambda_api/Makefile. Wheels are fetched for Lambda's system whatever this machine is,
checked by hash, and trimmed of what the service never imports; a test of the built folder proves that. Bytecode is
compiled here and trusted there: /var/task is read-only and unpacking changes times, so Python would otherwise compile
hundreds of modules again at every cold start.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import ZIP_DEFLATED, ZipFile

from lambda_api.manifest import MANIFEST_FILE, MODEL_FILE
from pipeline.errors import InputError, ModelFileError, PipelineError
from pipeline.files import read_bytes
from pipeline.ship.emulate import runtime_python
from pipeline.ship.package import GOLDEN_FILE

Arch = Literal["x86_64", "arm64"]

PLATFORMS: dict[Arch, str] = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Amazon Linux 2023, which Lambda's Python 3.12 and newer run on, has glibc 2.34."""

RUNTIME = "3.13"
"""Lambda's Python, as in template.yaml; the interpreter in .tools/lambda has this version."""

SOURCE, HOOK = Path("lambda_api"), Path("golden_hook")
LARGEST_UNZIPPED, LARGEST_ZIPPED = 100_000_000, 35_000_000
"""Budgets in bytes; Lambda's own limit is 250 MB unzipped."""

_TASK_ROOT = "/var/task"
_EPOCH = 315532800  # 1980-01-01, the oldest time a zip file knows

# Never imported by the service. Licence texts and METADATA stay.
_TRIMMED = (
    "bin",
    "flatbuffers",
    "google",
    "onnxruntime/backend",
    "onnxruntime/capi/libonnxruntime.so*",  # the Python module has its own copy linked in
    "onnxruntime/capi/libonnxruntime_providers_[!s]*",
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "numpy/_core/_*_tests.*.so",
    "numpy/_core/_simd.*.so",  # a mirror of the processor's instructions, for numpy's own tests
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/_pyinstaller",
    "numpy/core",
    "numpy/f2py",
    "numpy/fft",
    "numpy/ma",
    "numpy/polynomial",
    "numpy/random",
    "numpy/testing",
    "packaging",
    "pydantic/v1",
    "fastapi_offline/static/redoc.standalone.js",
    "fastapi_offline/static/favicon.png",
    "**/tests",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.dist-info/RECORD",  # it would name what is gone
    "**/*.dist-info/INSTALLER",
    "**/*.dist-info/REQUESTED",
    "**/__pycache__",
    ".lock",
)


class BuildError(PipelineError):
    """The folder for Lambda cannot be built; the text says why."""


class OverBudgetError(InputError):
    """The built folder is larger than its budget; nothing was left behind."""


@dataclass(frozen=True)
class Bundle:
    """A built folder: its digest over every path, mode and content, and its size in bytes."""

    folder: Path
    arch: Arch
    sha256: str
    unzipped: int
    zipped: int


def build(folder: Path, model: Path, arch: Arch = "x86_64") -> Bundle:
    """Build the function into a folder.

    Args:
        folder: Emptied first.
        model: A folder as `pipeline package` writes it.
        arch: The processor to build for.

    Raises:
        ModelFileError: There is no packaged model, or the tools are not installed.
        BuildError: The wheels cannot be had.
        OverBudgetError: The result is too large.
    """
    if missing := [name for name in (MODEL_FILE, MANIFEST_FILE) if not (model / name).is_file()]:
        raise ModelFileError(f"{model} has no {' and no '.join(missing)}: package the champion with `pipeline package`")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder, arch)
    trim(folder)
    shutil.copytree(
        SOURCE, folder / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__", "Makefile", "*.in", "*.txt")
    )
    for name in (MODEL_FILE, MANIFEST_FILE):
        (folder / "model").mkdir(exist_ok=True)
        shutil.copyfile(model / name, folder / "model" / name)
    _compile(folder)
    _normalise(folder)
    bundle = Bundle(folder, arch, digest(folder), sum(path.stat().st_size for path in files(folder)), _zipped(folder))
    refuse_large(bundle)
    return bundle


def build_hook(folder: Path, model: Path) -> None:
    """Build the hook that judges a new version: its code, and what the packaged model must answer.

    Args:
        folder: Emptied first.
        model: A folder as `pipeline package` writes it.

    Raises:
        ModelFileError: There is no packaged model.
    """
    golden = read_bytes(model / GOLDEN_FILE, "pipeline package")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HOOK, folder / HOOK.name, ignore=shutil.ignore_patterns("__pycache__", "Makefile"))
    (folder / GOLDEN_FILE).write_bytes(golden)
    _normalise(folder)


def install(folder: Path, arch: Arch) -> None:
    """Unpack the locked wheels for Lambda's system into a folder.

    Raises:
        BuildError: uv fails; the text is what it said.
    """
    command = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--target",
        str(folder),
        "--python",
        str(runtime_python()),
        "--python-platform",
        PLATFORMS[arch],
        "--python-version",
        RUNTIME,
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--no-deps",
        "--link-mode",
        "copy",
        "-r",
        str(SOURCE / "requirements.txt"),
    ]
    beside = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, env=os.environ | beside, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"the wheels for {arch}, Python {RUNTIME} cannot be installed:\n{done.stderr.strip()}")


def trim(folder: Path) -> None:
    """Remove what the service never imports."""
    for pattern in _TRIMMED:
        for path in sorted(folder.glob(pattern), reverse=True):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def files(folder: Path) -> list[Path]:
    """Every file below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digest(folder: Path) -> str:
    """SHA-256 over every file's path, mode and content."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {path.stat().st_mode & 0o777:o} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in files(folder)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _compile(folder: Path) -> None:
    """Bytecode by Lambda's own Python, never checked against its source, and the same from every build."""
    how = ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", _TASK_ROOT, "-q", str(folder)]
    done = subprocess.run(
        [str(runtime_python()), "-m", "compileall", *how],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"the bytecode cannot be compiled:\n{done.stdout}{done.stderr}")


def _normalise(folder: Path) -> None:
    for path in files(folder):
        path.chmod(0o755 if path.suffix == ".so" or ".so." in path.name else 0o644)
        os.utime(path, (_EPOCH, _EPOCH))


def _zipped(folder: Path) -> int:
    """Size of the zip file that Lambda gets, near enough: sam makes its own."""
    target = folder.with_name(f".{folder.name}.size.zip")
    try:
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            for path in files(folder):
                archive.write(path, path.relative_to(folder))
        return target.stat().st_size
    finally:
        target.unlink(missing_ok=True)


def refuse_large(bundle: Bundle) -> None:
    """Remove a folder that is over its budget.

    Raises:
        OverBudgetError: It was; the text names its largest parts.
    """
    if bundle.unzipped <= LARGEST_UNZIPPED and bundle.zipped <= LARGEST_ZIPPED:
        return
    sizes = sorted(
        ((sum(path.stat().st_size for path in files(item)), item.name) for item in bundle.folder.iterdir()),
        reverse=True,
    )
    shutil.rmtree(bundle.folder)
    largest = ", ".join(f"{name} {size / 1e6:.1f} MB" for size, name in sizes[:6])
    raise OverBudgetError(
        f"the function is {bundle.unzipped / 1e6:.1f} MB ({bundle.zipped / 1e6:.1f} MB zipped), its budget is "
        f"{LARGEST_UNZIPPED / 1e6:.0f} MB ({LARGEST_ZIPPED / 1e6:.0f} MB zipped); the largest parts: {largest}"
    )
