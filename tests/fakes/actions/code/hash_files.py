"""Stands for GitHub's hashFiles(): the SHA-256 of all the files' SHA-256, nothing where no file matches."""

import hashlib
import os
import sys
from pathlib import Path

patterns = os.environ["patterns"].splitlines()  # noqa: SIM112  act's name for it
chosen: list[Path] = []
for pattern in patterns:
    found = [path for path in sorted(Path().glob(pattern.lstrip("!"))) if path.is_file()]
    chosen = [path for path in chosen if path not in found] if pattern.startswith("!") else [*chosen, *found]
every = hashlib.sha256()
for path in dict.fromkeys(chosen):
    every.update(hashlib.sha256(path.read_bytes()).digest())
print(f"__OUTPUT__{every.hexdigest() if chosen else ''}__OUTPUT__", file=sys.stderr)
