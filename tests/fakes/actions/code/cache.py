"""Stands for actions/cache: a key is saved once in each ref's scope and never changed; a job reads its own ref's
caches, then its pull request's base's, then the default branch's; main never reads what a pull request saved.

https://docs.github.com/en/actions/reference/dependency-caching-reference#restrictions-for-accessing-a-cache
"""

import json
import os
import shutil
import sys
from pathlib import Path

from standing import FACTS, HUB, JOB, fail, given, output

MISSED = JOB.with_name("missed.jsonl")


def _folder(scope: str, key: str) -> Path:
    return HUB / "caches" / scope.replace("/", "-") / key.replace("/", "-")


def _paths(text: str) -> list[Path]:
    return [Path(line.strip()).expanduser() for line in text.splitlines() if line.strip()]


def restore(key: str, prefixes: list[str], paths: str) -> str:
    """Bring back what was saved under a key, or the newest under a prefix of one; the key that was found."""
    for wanted, exact in [(key, True), *((prefix, False) for prefix in [key, *prefixes])]:
        for scope in FACTS["caches"]:
            parent = _folder(scope, "x").parent
            kept = sorted(parent.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
            name = wanted.replace("/", "-")
            for folder in kept:
                if folder.name == name or (not exact and folder.name.startswith(name)):
                    for number, path in enumerate(_paths(paths)):
                        _copy(folder / str(number), path)
                    return (folder / "key").read_text(encoding="utf-8")
    return ""


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def save(key: str, paths: str) -> None:
    """Keep what is there; a key that is there already is left as it is, and what is missing is no error."""
    folder = _folder(FACTS["caches"][0], key)
    found = [(number, path) for number, path in enumerate(_paths(paths)) if path.exists()]
    if folder.exists() or not found:
        print(f"::warning::Failed to save: {key}: reserved already, or its paths do not exist")
        return
    folder.mkdir(parents=True)
    for number, path in found:
        _copy(path, folder / str(number))
    (folder / "key").write_text(key, encoding="utf-8")
    print(f"Cache saved with key: {key}")


def save_what_was_missed() -> None:
    """What actions/cache does after a job that succeeded."""
    for line in MISSED.read_text(encoding="utf-8").splitlines() if MISSED.exists() else []:
        save(*json.loads(line))


def main() -> None:
    """Do what the stand-in's action.yml names: cache, restore or save."""
    key, paths, prefixes = given("key"), given("path"), given("restore_keys").splitlines()
    if not key or len(key) > 512 or "," in key:
        fail(f"Key Validation Error: {key} cannot be empty, larger than 512 characters or contain commas.")
    if sys.argv[1] == "save":
        save(key, paths)
        return
    found = restore(key, [prefix.strip() for prefix in prefixes if prefix.strip()], paths)
    print(f"Cache restored from key: {found}" if found else f"Cache not found for input keys: {key}")
    if not found and given("fail_on_cache_miss") == "true":
        fail(f"Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}")
    output("cache-hit", "" if not found else str(found == key).lower())
    output("cache-primary-key", key)
    output("cache-matched-key", found)
    if sys.argv[1] == "cache" and found != key:
        with MISSED.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, os.linesep.join(str(path.absolute()) for path in _paths(paths))]) + "\n")


if __name__ == "__main__":
    main()
