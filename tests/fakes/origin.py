"""The repository as GitHub keeps it: a bare one, with the refs that GitHub adds to those that people push."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.git_host import prepare


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

    def make(self, source: "Origin | None" = None) -> None:
        """Make it, empty or with another's refs."""
        prepare(self.folder)
        if source:
            self.git("fetch", "--quiet", str(source.folder), "+refs/*:refs/*")

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
        """The files that differ: of two commits, or of the second since it left the first, as for pull requests."""
        dots = "..." if since_they_parted else ".."
        return self.git("diff", "--name-only", f"{before}{dots}{after}").splitlines()

    def files(self, commit: str) -> dict[str, str]:
        """The text of each workflow file and action of a commit, by its path."""
        paths = self.git("ls-tree", "-r", "--name-only", commit, ".github/").splitlines()
        wanted = [path for path in paths if path.endswith((".yml", ".yaml"))]
        return {path: self.git("show", f"{commit}:{path}") for path in wanted}
