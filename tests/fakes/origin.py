"""The repository as GitHub keeps it: a bare one, with the refs that GitHub adds to those that people push."""

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HOOK = """#!/bin/sh
# What GitHub refuses to the token of a job, by whatever way it comes; people push past this.
[ -n "$REMOTE_USER" ] || exit 0
none=0000000000000000000000000000000000000000
while read -r old new ref; do
  for name in $PROTECTED; do
    [ "$ref" = "refs/heads/$name" ] && { echo "GH006: Protected branch update failed for $ref." >&2; exit 1; }
  done
  [ "$new" = $none ] && continue
  if [ "$old" = $none ]; then old=$(git merge-base "$new" refs/heads/main 2>/dev/null || git hash-object -t tree /dev/null); fi
  for file in $(git diff --name-only "$old" "$new" -- .github/workflows); do
    echo "refusing to allow a GitHub App to create or update workflow \\`$file\\` without \\`workflows\\` permission" >&2
    exit 1
  done
done
"""
"""GH006 and workflow files: https://github.com/orgs/community/discussions/35410, github/docs 'about protected branches'."""


@dataclass(frozen=True)
class Origin:
    """A bare repository."""

    folder: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        """What git answers."""
        identity = ["-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"]
        order = ["git", *identity, "--git-dir", str(self.folder), *arguments]
        done = subprocess.run(order, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{order}: {done.stderr}"
        return done.stdout.strip() if done.returncode == 0 else ""

    def make(self, source: Path | None = None) -> None:
        """Make it, empty or with another's refs."""
        order = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.folder)]
        subprocess.run(order, check=True)
        if source:
            self.git("fetch", "--quiet", str(source), "+refs/*:refs/*")
        # GitHub gives any commit that it has: actions/checkout fetches by SHA.
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        (self.folder / "hooks/pre-receive").write_text(HOOK, encoding="utf-8")
        (self.folder / "hooks/pre-receive").chmod(0o755)

    def head(self, branch: str) -> str:
        """The commit of a branch, or nothing."""
        return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)

    def merge(self, number: int, base: str) -> str:
        """Make refs/pull/N/merge anew from a branch as it is today; nothing if they conflict.

        GitHub starts no `pull_request` run then: https://docs.github.com/en/actions/reference/events-that-trigger-workflows#pull_request
        """
        parents = self.head(base), self.git("rev-parse", f"refs/pull/{number}/head")
        tree = self.git("merge-tree", "--write-tree", *parents, check=False)
        if not tree:
            return ""
        message = f"Merge {parents[1]} into {parents[0]}"
        commit = self.git("commit-tree", tree, "-p", parents[0], "-p", parents[1], "-m", message)
        self.git("update-ref", f"refs/pull/{number}/merge", commit)
        return commit

    def changed(self, before: str, after: str, *, since_they_parted: bool = False) -> list[str]:
        """The files that differ: between two commits, or of the second since it left the first, as for pull requests."""
        dots = "..." if since_they_parted else ".."
        return self.git("diff", "--name-only", f"{before}{dots}{after}").splitlines()

    def files(self, commit: str) -> dict[str, str]:
        """The text of each workflow file and action of a commit, by its path."""
        paths = self.git("ls-tree", "-r", "--name-only", commit, ".github/").splitlines()
        wanted = [path for path in paths if path.endswith((".yml", ".yaml"))]
        return {path: self.git("show", f"{commit}:{path}") for path in wanted}

    @cached_property
    def exists(self) -> bool:
        """Whether it was made."""
        return self.folder.is_dir()
