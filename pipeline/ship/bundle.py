"""A packaged model, lambda_api and locked wheels -> the folder that Lambda unpacks; every build gives the same bytes.

`sam build` calls this through lambda_api/Makefile. Wheels are downloaded for Lambda's system, whatever this machine is,
checked by hash, and trimmed of what the service never imports; a test of the built folder proves that it still starts.
The folder holds bytecode that Python does not check against the sources: /var/task is read-only and unpacking changes
file times, so Python would otherwise compile hundreds of modules at every cold start.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from lambda_api.manifest import MANIFEST_FILE, MODEL_FILE
from pipeline.errors import InputError, ModelFileError, PipelineError
from pipeline.files import read_bytes
from pipeline.ship.cost import Arch
from pipeline.ship.emulate import runtime_python
from pipeline.ship.package import GOLDEN_FILE

PLATFORMS: dict[Arch, str] = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Amazon Linux 2023, which Lambda's Python 3.12 and newer run on, has glibc 2.34."""

RUNTIME = "3.13"
"""Lambda's Python, as in template.yaml; the interpreter in .tools/lambda has this version."""

SOURCE, HOOK = Path("lambda_api"), Path("golden_hook")
LARGEST_UNZIPPED, LARGEST_ZIPPED = 100_000_000, 35_000_000
"""Budgets in bytes; Lambda's own limit is 250 MB unzipped."""

_TASK_ROOT = "/var/task"
_EPOCH = 315532800  # 1980-01-01, the oldest time a zip file knows

# The service never imports these. Licence texts and METADATA stay.
_UNUSED = (
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
    "**/*.dist-info/RECORD",  # lists files that are removed here
    "**/*.dist-info/INSTALLER",
    "**/*.dist-info/REQUESTED",
    "**/__pycache__",
    ".lock",
)


class BuildError(PipelineError):
    """The folder for Lambda cannot be built; the text is what the failed tool printed."""


class OverBudgetError(InputError):
    """The built folder is larger than its budget; the folder was removed."""


@dataclass(frozen=True)
class Bundle:
    """A built folder.

    Attributes:
        folder: Where it is.
        arch: The processor that it was built for.
        sha256: `folder_digest` of it.
        unzipped: Its size in bytes.
        zipped: Its size in bytes as a zip file.
    """

    folder: Path
    arch: Arch
    sha256: str
    unzipped: int
    zipped: int


def build_function(folder: Path, model: Path, arch: Arch = "x86_64") -> Bundle:
    """Build the function into a folder.

    Args:
        folder: Where to; its content is removed first.
        model: A folder that `pipeline package` wrote.
        arch: The processor to build for.

    Raises:
        ModelFileError: There is no packaged model, or the tools are not installed.
        BuildError: The wheels cannot be installed.
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
    unzipped = sum(path.stat().st_size for path in list_files(folder))
    bundle = Bundle(folder, arch, folder_digest(folder), unzipped, _zipped_size(folder))
    refuse_large(bundle)
    return bundle


def build_hook(folder: Path, model: Path) -> None:
    """Build the hook that judges a new version: its code and the golden answers of the packaged model.

    Args:
        folder: Where to; its content is removed first.
        model: A folder that `pipeline package` wrote.

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
        BuildError: uv failed; the text is what it printed.
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
    own_tools_first = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    process = subprocess.run(command, env=os.environ | own_tools_first, capture_output=True, text=True, check=False)
    if process.returncode:
        raise BuildError(f"the wheels for {arch}, Python {RUNTIME} cannot be installed:\n{process.stderr.strip()}")


def trim(folder: Path) -> None:
    """Remove what the service never imports."""
    for pattern in _UNUSED:
        for path in sorted(folder.glob(pattern), reverse=True):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def list_files(folder: Path) -> list[Path]:
    """Every file below a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def folder_digest(folder: Path) -> str:
    """SHA-256 in hex of every file's path, mode and content."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {path.stat().st_mode & 0o777:o} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in list_files(folder)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _compile(folder: Path) -> None:
    """Compile the folder with Lambda's own Python, so that bytecode is not checked against sources and always equal."""
    options = ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", _TASK_ROOT, "-q", str(folder)]
    process = subprocess.run(
        [str(runtime_python()), "-m", "compileall", *options],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise BuildError(f"the bytecode cannot be compiled:\n{process.stdout}{process.stderr}")


def _normalise(folder: Path) -> None:
    """Give every file the same mode and time whatever machine built it."""
    for path in list_files(folder):
        path.chmod(0o755 if path.suffix == ".so" or ".so." in path.name else 0o644)
        os.utime(path, (_EPOCH, _EPOCH))


def _zipped_size(folder: Path) -> int:
    """Bytes of the folder as a zip file; sam makes its own for Lambda, whose size differs a little."""
    target = folder.with_name(f".{folder.name}.size.zip")
    try:
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            for path in list_files(folder):
                archive.write(path, path.relative_to(folder))
        return target.stat().st_size
    finally:
        target.unlink(missing_ok=True)


def refuse_large(bundle: Bundle) -> None:
    """Remove a folder that is larger than its budget.

    Raises:
        OverBudgetError: The folder was too large; the text names its largest parts.
    """
    if bundle.unzipped <= LARGEST_UNZIPPED and bundle.zipped <= LARGEST_ZIPPED:
        return
    sizes = sorted(
        ((sum(path.stat().st_size for path in list_files(item)), item.name) for item in bundle.folder.iterdir()),
        reverse=True,
    )
    shutil.rmtree(bundle.folder)
    largest = ", ".join(f"{name} {size / 1e6:.1f} MB" for size, name in sizes[:6])
    raise OverBudgetError(
        f"the function is {bundle.unzipped / 1e6:.1f} MB ({bundle.zipped / 1e6:.1f} MB zipped), its budget is "
        f"{LARGEST_UNZIPPED / 1e6:.0f} MB ({LARGEST_ZIPPED / 1e6:.0f} MB zipped); the largest parts: {largest}"
    )
