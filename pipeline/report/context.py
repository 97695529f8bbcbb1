"""The environment of a run in -> where its report is read: on a laptop, in a pull request, in a fork's, on main."""

from collections.abc import Mapping
from dataclasses import dataclass

MAIN = "main"
"""The branch that is trained, published and compared with, unless a pull request is for another one."""


@dataclass(frozen=True)
class RunContext:
    """What GitHub says about a run; on a laptop nothing is known.

    Source of the variables: docs.github.com, "Variables reference", and for GITHUB_SHA "Events that trigger workflows".

    Attributes:
        page: The repository's address.
        repository: The repository that the run belongs to, as OWNER/NAME; a fork's pull request runs in its target.
        run_id: The run's number.
        event: What started the run, in GitHub's word.
        ref: The branch or tag that the run is for, such as refs/heads/main.
        base: The branch that a pull request is for.
        head_repository: The repository that a pull request comes from, as OWNER/NAME.
        sha: The commit that was pushed; of a pull request its own newest one, never the merge commit of the moment.
        update: Whether main moved in what makes the model since the branch left it.
        reproduced: Whether a second run made the same bytes; None where there was none.
    """

    page: str | None = None
    repository: str | None = None
    run_id: str | None = None
    event: str | None = None
    ref: str | None = None
    base: str = MAIN
    head_repository: str | None = None
    sha: str | None = None
    update: bool = False
    reproduced: bool | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "RunContext":
        """What the variables say; the last four are set by the workflow itself."""
        server, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
        if not (server and repository):
            return cls()
        event = environment.get("GITHUB_EVENT_NAME")
        pushed = None if event == "pull_request" else environment.get("GITHUB_SHA")  # there it is the merge commit
        return cls(
            page=f"{server}/{repository}",
            repository=repository,
            run_id=environment.get("GITHUB_RUN_ID"),
            event=event,
            ref=environment.get("GITHUB_REF"),
            base=environment.get("GITHUB_BASE_REF") or MAIN,
            head_repository=environment.get("HEAD_REPOSITORY") or None,
            sha=environment.get("HEAD_SHA") or pushed,
            update=environment.get("UPDATE") == "yes",
            reproduced={"success": True, "failure": False}.get(environment.get("REPRODUCED", "")),
        )

    @property
    def on_github(self) -> bool:
        """Whether this is a run on GitHub."""
        return self.page is not None

    @property
    def on_main(self) -> bool:
        """Whether the run is for main, or for what a merge queue is about to make main."""
        return self.ref == f"refs/heads/{MAIN}" or self.event == "merge_group"

    @property
    def run(self) -> str | None:
        """The run's page."""
        return f"{self.page}/actions/runs/{self.run_id}" if self.page and self.run_id else None

    @property
    def commit(self) -> str | None:
        """The pushed commit's page."""
        return f"{self.page}/commit/{self.sha}" if self.page and self.sha else None
