"""Branches and commits of a repository, through GitHub's API: a commit without a checkout, and without git's token.

A commit has no author here, so GitHub names the workflow's own bot and signs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pipeline.errors import SourceError
from pipeline.github.api import AUTHOR, GitHub, GitHubError

SUBJECT, TRAILER = "Commit what the run made", "Result-of"
NOT_FOUND = 404
MOST_COMPARED = 300
"""GitHub compares no more files, and does not say that there are more."""


@dataclass(frozen=True)
class Commit:
    """A commit with its files: git's hash of each by its path.

    Attributes:
        sha: The commit.
        tree: Its tree.
        is_of_a_run: Whether a run made it, and it is still on top of the commit that the run made it for: it no longer
            is, once a person moved it elsewhere.
        blobs: Its files.
    """

    sha: str
    tree: str
    is_of_a_run: bool
    blobs: Mapping[str, str]


class Branches:
    """The branches of one repository.

    Args:
        github: A session; to commit it must be allowed to write contents.
        path: The repository's path in GitHub's API.
    """

    def __init__(self, github: GitHub, path: str) -> None:
        self._github, self._path = github, path

    def head(self, branch: str) -> str | None:
        """The branch's newest commit; None if there is no such branch."""
        try:
            return str(self._ask("GET", f"git/ref/heads/{quote(branch)}")["object"]["sha"])
        except GitHubError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def read(self, sha: str) -> Commit:
        """A commit.

        Raises:
            SourceError: It has so many files that GitHub does not list them all.
        """
        commit = self._ask("GET", f"git/commits/{sha}")
        tree = commit["tree"]["sha"]
        listing = self._ask("GET", f"git/trees/{tree}", params={"recursive": "1"})
        if listing["truncated"]:
            raise SourceError(f"GitHub does not list all files of {sha[:7]}: there are too many")
        trailers = [f"{TRAILER}: {before['sha']}" for before in commit["parents"]]
        by_run = commit["author"]["name"] == AUTHOR and trailers == commit["message"].splitlines()[-1:]
        blobs = {entry["path"]: entry["sha"] for entry in listing["tree"] if entry["type"] == "blob"}
        return Commit(sha, tree, by_run, blobs)

    def commit(self, parent: Commit, files: Mapping[str, bytes | None], trained: str, run_url: str) -> str:
        """Make a commit on top of another; no branch has it yet.

        Args:
            parent: The commit before it.
            files: UTF-8 text by path; None deletes the file.
            trained: The commit that the run trained.
            run_url: The run's page.
        """
        entries = [_entry(path, content) for path, content in files.items()]
        tree = self._ask("POST", "git/trees", json={"base_tree": parent.tree, "tree": entries})["sha"]
        message = f"{SUBJECT}\n\n{run_url} trained {trained}.\n\n{TRAILER}: {parent.sha}"
        content = {"message": message, "tree": tree, "parents": [parent.sha]}
        return str(self._ask("POST", "git/commits", json=content)["sha"])

    def create(self, branch: str, sha: str) -> None:
        """Make a branch."""
        self._ask("POST", "git/refs", json={"ref": f"refs/heads/{branch}", "sha": sha})

    def move(self, branch: str, sha: str) -> None:
        """Move a branch forward to a commit; one that has commits of its own stays where it is.

        Raises:
            GitHubError: It has, or it is protected, or the session may not.
        """
        self._ask("PATCH", f"git/refs/heads/{quote(branch)}", json={"sha": sha, "force": False})

    def changed(self, base: str, head: str) -> set[str] | None:
        """The files that differ between a commit and a later one; None if there are too many, or it is not later."""
        comparison = self._ask("GET", f"compare/{base}...{head}")
        files = comparison.get("files")
        if comparison["status"] not in {"ahead", "identical"} or files is None or len(files) >= MOST_COMPARED:
            return None
        names = {file["filename"] for file in files} | {file.get("previous_filename") for file in files}
        return {name for name in names if name}

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        return self._github.request(method, f"{self._path}/{path}", **content)


def _entry(path: str, content: bytes | None) -> dict[str, object]:
    what = {"sha": None} if content is None else {"content": content.decode()}
    return {"path": path, "mode": "100644", "type": "blob", **what}
