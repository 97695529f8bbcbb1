"""A small GitHub, as strict as the real one: what it refuses, and why, stands beside each answer with its source."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.github import actions, conversations, git_data
from tests.fakes.github.actions import Run, finished, mergeable
from tests.fakes.github.answers import BOT, PERMISSIONS, READ_ONLY, REPOSITORY, TOKEN, Token
from tests.fakes.github.deployments import deployed
from tests.fakes.github.events import RUN_URL, SHA, event, pull
from tests.fakes.github.server import serving

__all__ = [
    "BOT",
    "READ_ONLY",
    "REPOSITORY",
    "RUN_URL",
    "SHA",
    "TOKEN",
    "FakeGitHub",
    "Run",
    "Token",
    "deployed",
    "event",
    "finished",
    "mergeable",
    "pull",
    "serving",
]


@dataclass
class FakeGitHub:
    """What it holds; `asked` are the requests that changed something, and those that were refused.

    Attributes:
        root: A git repository that its commits go to; without one there are no branches and commits.
        tokens: What each token may do. A run of a fork, or of Dependabot, has one that reads.
        private: Only a token with the permission may read.
        has_issues: Whether Issues are on; they are off in a fork.
        lists_are_gone: Whether the list of issues is refused too, where they are off.
        may_create_pulls: "Allow GitHub Actions to create and approve pull requests".
        protected: Why GitHub refuses to move a branch, by its name.
        protected_status: The status that says so.
        disabled: The workflow files that are switched off.
        ended: Runs that were really made, by number.
    """

    pulls: list[dict[str, Any]] = field(default_factory=list)
    root: Path | None = None
    tokens: dict[str, Token] = field(
        default_factory=lambda: {TOKEN: Token(), READ_ONLY: Token(permissions=dict.fromkeys(PERMISSIONS, "read"))}
    )
    private: bool = False
    has_issues: bool = True
    lists_are_gone: bool = False
    may_create_pulls: bool = False
    protected: dict[str, str] = field(default_factory=dict)
    protected_status: int = 422
    disabled: set[str] = field(default_factory=set)
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def token(self, **permissions: str) -> str:
        """A token with these permissions and no others, such as `contents="write"`."""
        secret = f"a token of {permissions}"
        self.tokens[secret] = Token(permissions={name.replace("_", "-"): level for name, level in permissions.items()})
        return secret

    def sha_of(self, branch: str) -> str | None:
        """A branch's newest commit."""
        return git_data.asked_git(self, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")

    def is_ahead(self, sha: str, base: str) -> bool:
        """Whether a commit has something that the other does not have."""
        return git_data.asked_git(self, "merge-base", "--is-ancestor", sha, base) is None

    def push(self, branch: str, sha: str, login: str = "somebody") -> None:
        """Move a branch, and start the runs that this starts."""
        git_data.asked_git(self, "update-ref", f"refs/heads/{branch}", sha)
        self.start_runs("push", branch, sha, login)
        for item in self.pulls:
            if item["state"] == "open" and item["head"]["label"] == f"{conversations.OWNER}:{branch}":
                item["head"]["sha"] = sha
                self.start_runs("pull_request", branch, sha, login)

    def start_runs(self, name: str, branch: str, sha: str, login: str) -> None:
        """Start what an event starts."""
        actions.start_runs(self, name, branch, sha, login)

    def open(self, body: str, login: str, *, label: str = "drift", **more: object) -> dict[str, Any]:
        """An open issue."""
        number = 20 + len(self.issues)
        issue = {"number": number, "state": "open", "label": label, "body": body, "user": {"login": login}, **more}
        self.issues.append(issue)
        return issue

    def add(self, number: int, body: str, login: str) -> dict[str, Any]:
        """A comment."""
        comment = {"id": 100 + len(self.comments), "number": number, "body": body, "user": {"login": login}}
        self.comments.append(comment)
        return comment
