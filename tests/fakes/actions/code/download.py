"""Stands for actions/download-artifact 8: a name must be there, a pattern need not; another run's needs a token."""

import fnmatch
import os
import shutil
from pathlib import Path

from standing import FACTS, HUB, fail, given, may

run = given("run_id") or FACTS["run"]
if run != FACTS["run"]:
    # Without a token the action looks in its own run, whatever run-id says.
    if not given("token"):
        run = FACTS["run"]
    elif given("token") != os.environ["HUB_TOKEN"]:
        fail("Unable to download artifact(s): Bad credentials")
    elif not may("actions", "read"):
        fail("Unable to download artifact(s): Resource not accessible by integration")
artifacts = HUB / "runs" / run / "artifacts"
known = sorted(path.name for path in artifacts.iterdir()) if artifacts.is_dir() else []
target = Path(given("path") or ".")
if name := given("name"):
    if name not in known:
        fail(f"Unable to download artifact(s): Artifact not found for name: {name}")
    shutil.copytree(artifacts / name, target, dirs_exist_ok=True)
else:
    for name in known:
        if fnmatch.fnmatchcase(name, given("pattern") or "*"):
            # Each in a folder of its name, unless they are merged.
            folder = target if given("merge") == "true" else target / name
            shutil.copytree(artifacts / name, folder, dirs_exist_ok=True)
