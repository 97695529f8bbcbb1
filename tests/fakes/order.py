"""What starts a run, and the `github` context that it has from the first to the last job."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.expressions import LATER
from tests.fakes.github import REPOSITORY

OWNER = REPOSITORY.split("/", maxsplit=1)[0]
OWNER_ID, REPOSITORY_ID = "11", "22"
IN_THE_RUNNER = (
    *("action", "action_path", "action_ref", "action_repository", "action_status", "env", "event_path", "job"),
    *("output", "path", "state", "step_summary", "token", "workspace"),
)
"""What only the machine that runs a job knows of `github`."""


@dataclass(frozen=True)
class Order:
    """What starts a run: the event, whose commit, and who did it."""

    workflow: str
    event_name: str
    event: Mapping[str, Any]
    ref: str
    sha: str
    actor: str = "somebody"
    fork: bool = False
    """The commits come from a fork: no variables, no secrets, no identity, and a token that reads.

    https://github.com/cilium/cilium/issues/23169 (variables)
    """
    base_ref: str = ""
    head_ref: str = ""

    @property
    def path(self) -> str:
        """The workflow's file."""
        return f".github/workflows/{self.workflow}.yml"

    @property
    def name(self) -> str:
        """The ref's name without its kind."""
        return self.ref.split("/", 2)[-1]

    @property
    def untrusted(self) -> bool:
        """From a fork or by Dependabot, whose runs GitHub treats as a fork's; but variables are there.

        https://github.com/dependabot/dependabot-core/issues/3253 and #16291
        """
        events = {"push", "pull_request", "pull_request_review", "pull_request_review_comment"}
        return self.fork or (self.actor == "dependabot[bot]" and self.event_name in events)


def github_context(order: Order, numbers: Mapping[str, str], addresses: Mapping[str, str]) -> dict[str, Any]:
    """The `github` context of a run.

    Args:
        order: What starts it.
        numbers: run_id, run_attempt and the workflow's name as `workflow`.
        addresses: server_url and api_url.
    """
    return {
        **dict.fromkeys(IN_THE_RUNNER, LATER),
        "event": dict(order.event),
        "event_name": order.event_name,
        "ref": order.ref,
        "ref_name": order.name,
        "ref_type": "branch",
        "sha": order.sha,
        "base_ref": order.base_ref,
        "head_ref": order.head_ref,
        "actor": order.actor,
        "triggering_actor": order.actor,
        "repository": REPOSITORY,
        "repository_id": REPOSITORY_ID,
        "repository_owner": OWNER,
        "repository_owner_id": OWNER_ID,
        "run_number": numbers["run_id"],
        "workflow_ref": f"{REPOSITORY}/{order.path}@{order.ref}",
        "workflow_sha": order.sha,
        "graphql_url": f"{addresses['api_url']}/graphql",
        **numbers,
        **addresses,
    }
