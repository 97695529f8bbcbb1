"""Stands for venv, pip and uv in a job: an environment starts empty, and a lock brings exactly what it names.

Nothing is fetched: what a lock names is linked from this machine's own environments, which were installed from the same
locks; a lock that none of them satisfies fails. Only a command that fills a folder (`--target`) is the real uv's.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

CODE = Path(__file__).resolve().parent
PYTHON, OWN, TOOLS = (os.environ[f"HUB_{name}"] for name in ("PYTHON", "ENVIRONMENT", "TOOLS"))
PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[[\w,]+\])?==(?P<version>[^\s;\\]+)\s*(?:;(?P<marker>[^\\]*))?", re.MULTILINE)
PIP = f"""import os, sys
os.environ["HUB_PREFIX"] = sys.prefix
os.execv({PYTHON!r}, [{PYTHON!r}, "-SE", {str(CODE / "environment.py")!r}, "pip", *sys.argv[1:]])
"""
SHOWN = 4
"""Parts of a path within which two distributions that share a folder part."""

SCRIPT = "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"


def fail(message: str) -> NoReturn:
    """End as a command ends."""
    sys.exit(f"error: {message}")


def site(prefix: Path) -> Path:
    """Where an environment keeps its packages."""
    return next(iter(sorted(prefix.glob("lib/python3*/site-packages"))), prefix / "lib")


def venv(folder: Path) -> None:
    """An environment with Python, and pip, which is all that `python -m venv` brings."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (packages / "pip").mkdir(parents=True)
    (packages / "pip/__init__.py").touch()
    (packages / "pip/__main__.py").write_text(PIP, encoding="utf-8")
    (folder / "bin").mkdir()
    for name in ("python", "python3"):
        (folder / "bin" / name).symlink_to(PYTHON)
    own = f"home = {Path(PYTHON).parent}\ninclude-system-site-packages = false\n"
    (folder / "pyvenv.cfg").write_text(own, encoding="utf-8")


def pins(lock: Path) -> dict[str, str]:
    """The versions that a lock names for this machine."""
    sys.path.append(str(site(Path(OWN))))
    from packaging.markers import Marker

    text = lock.read_text(encoding="utf-8")
    if text.count("--hash=sha256:") < len(PIN.findall(text)):
        fail(f"{lock}: --require-hashes, and not every package has one")
    return {
        normal(match["name"]): match["version"]
        for match in PIN.finditer(text)
        if not match["marker"] or Marker(match["marker"].strip()).evaluate()
    }


def normal(name: str) -> str:
    """A distribution's name as all spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def listing(prefix: Path) -> dict[str, list[str]]:
    """The files that each distribution brings into an environment, from its folder of packages.

    Kept beside other temporary files: reading all RECORDs anew takes half a second.
    """
    infos = sorted(site(prefix).glob("*.dist-info"))
    digest = hashlib.sha256("\n".join(f"{path} {path.stat().st_mtime_ns}" for path in infos).encode()).hexdigest()
    kept = Path(tempfile.gettempdir()) / f"hub-environment-{os.getuid()}-{digest[:16]}.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    found = {}
    for info in infos:
        lines = (info / "RECORD").read_text(encoding="utf-8").splitlines()
        name, version = info.name.removesuffix(".dist-info").rsplit("-", 1)
        paths = {line.rsplit(",", 2)[0].strip('"') for line in lines}
        shown = {path if path.startswith("..") else "/".join(path.split("/")[:SHOWN]) for path in paths}
        found[f"{normal(name)}=={version}"] = sorted(shown)
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.rename(kept)
    return found


def install(prefix: Path, lock: Path) -> None:
    """Link what a lock names into an environment."""
    wanted = {f"{name}=={version}" for name, version in pins(lock).items()}
    missing: list[str] = []
    for source in (Path(OWN), *(path.parent for path in sorted(Path(TOOLS).glob("*/pyvenv.cfg")))):
        found = listing(source)
        if missing := sorted(wanted - found.keys()):
            continue
        if source == Path(OWN):
            _link(prefix, source, wanted, found)
        else:  # installed from this very lock
            shutil.rmtree(prefix)
            prefix.symlink_to(source)
        return
    fail(f"no environment of this machine has all that {lock} names, such as {missing[0]}")


def _link(prefix: Path, source: Path, wanted: set[str], found: dict[str, list[str]]) -> None:
    """As few links as possible: a folder that only what is wanted has is one, else each of its parts is."""
    others = {path for pin, paths in found.items() if pin not in wanted for path in paths}
    held = {"/".join(path.split("/")[:depth]) for path in others for depth in range(1, SHOWN + 1)}
    packages, here = site(source), site(prefix)
    links = {"__pycache__"}
    for path in (path for pin in wanted for path in found[pin]):
        parts = path.split("/")
        depths = range(len(parts), len(parts) + 1) if parts[0] == ".." else range(1, len(parts) + 1)
        links.add(next((start for depth in depths if (start := "/".join(parts[:depth])) not in held), path))
    for path in sorted(links):
        target, original = Path(os.path.normpath(here / path)), Path(os.path.normpath(packages / path))
        if os.path.lexists(target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent == prefix / "bin":
            script(prefix, target.name, original)
        else:
            target.symlink_to(original)


def script(prefix: Path, name: str, original: Path) -> None:
    """A command of this environment: run by its own Python, not by the one that it is linked from."""
    target = prefix / "bin" / name
    content = original.read_bytes()
    if name in {"uv", "uvx"}:
        text = f'#!/bin/sh\nexec "{PYTHON}" -SE "{CODE}/environment.py" uv "{original}" "$@"\n'
    elif content.startswith(b"#!") and b"python" in content.split(b"\n", 2)[0]:
        text = SCRIPT.format(python=prefix / "bin/python") + content.decode().split("\n", 1)[1]
    elif content.startswith(b"#!/bin/sh\n'''exec'"):
        text = SCRIPT.format(python=prefix / "bin/python") + content.decode().split("\n", 3)[3]
    else:
        target.symlink_to(original)
        return
    target.write_text(text, encoding="utf-8")
    target.chmod(0o755)


def editable(prefix: Path, project: Path) -> None:
    """This project itself, from where it lies."""
    import tomllib

    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site(prefix) / f"{normal(about['name']).replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    (site(prefix) / "__editable__.pth").write_text(f"{project}\n", encoding="utf-8")
    for name, entry in about.get("scripts", {}).items():
        module, function = entry.split(":")
        target = prefix / "bin" / name
        code = f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        target.write_text(SCRIPT.format(python=prefix / "bin/python") + code, encoding="utf-8")
        target.chmod(0o755)


def pip_install(prefix: Path, arguments: list[str]) -> None:
    """`pip install`, as the Makefile calls it."""
    flags = [word for word in arguments if word.startswith("-") and word not in {"-r", "--python", "--editable", "-e"}]
    known = {"--quiet", "--require-hashes", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"}
    if unknown := set(flags) - known:
        fail(f"{sorted(unknown)}: the stand-in for pip and uv knows only what the Makefile says")
    for flag, value in pairwise(arguments):
        if flag == "-r":
            if "--require-hashes" not in flags:
                fail("nothing is installed without --require-hashes")
            install(prefix, Path(value))
        elif flag in {"--editable", "-e"}:
            editable(prefix, Path(value).resolve())


def main(command: str, *arguments: str) -> None:
    """venv FOLDER, pip install ... in the environment on PATH, or uv ..."""
    words = list(arguments)
    if command == "venv":
        venv(Path(words[-1]).absolute())
    elif command == "pip" and words[0] == "install":
        pip_install(Path(os.environ["HUB_PREFIX"]), words[1:])
    elif command == "uv":
        uv(*words)
    else:
        fail(f"{command} {words[0]}: not expected")


def uv(original: str, *words: str) -> None:
    """What the Makefile and `pipeline bundle` ask of uv; the second is left to the real one."""
    if "--target" in words or words[:2] == ("pip", "compile") or words == ("--version",):
        os.execv(original, [original, *words])  # noqa: S606  this very process becomes the real uv
    if words[0] == "venv":
        venv(Path(words[-1]).absolute())
    elif words[:2] == ("pip", "install"):
        python = Path(words[words.index("--python") + 1])
        pip_install(python.absolute().parent.parent, list(words[2:]))
    else:
        fail(f"uv {' '.join(words[:2])}: not expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
