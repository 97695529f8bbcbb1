"""A stage's environment on GitHub, as it is -> the commands that let only main deploy to it, and ask somebody for prod.

Which rules a plan has (docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments): public
repositories have all; private ones have no environments on Free, no reviewers before Enterprise. A rule that the plan
lacks makes GitHub refuse the whole request (422, alchemy-run/alchemy#1373), so that nothing would be protected.
"""

import shlex
from dataclasses import dataclass, field
from typing import Any

from pipeline.gh import GhAnswer, Repository, ask
from pipeline.ship.stages import STAGES, Stage

NOT_FOUND = 404
"""Of HTTP; whoever may read a repository may read its environments."""
BRANCH = "main"
REVIEWED: Stage = "prod"
"""The stage that asks somebody first."""

NO_REVIEWERS = "reviewers in a private repository need GitHub Enterprise (Free, Pro and Team have them in public ones)"
NO_ENVIRONMENTS = "environments in a private repository need GitHub Pro, Team or Enterprise"


@dataclass(frozen=True)
class Environment:
    """What GitHub keeps about an environment.

    Attributes:
        policy: None if any branch may deploy; else "protected" or "selected" branches.
        branches: The patterns of the selected branches and tags, as (kind, pattern, id).
        reviewers: Who is asked, as (type, id).
        wait_minutes: How long a deployment waits.
        no_self_review: Whether the person who started a deployment may not approve it.
    """

    policy: str | None = None
    branches: tuple[tuple[str, str, int], ...] = ()
    reviewers: tuple[tuple[str, int], ...] = ()
    wait_minutes: int = 0
    no_self_review: bool = False


def read_environment(full_name: str, stage: Stage) -> tuple[GhAnswer, Environment]:
    """GitHub's answer about a stage's environment, and what it says; the settings of a new one if it says nothing."""
    path = _path(full_name, stage)
    answer = ask(path)
    if not answer.ok:
        return answer, Environment()
    policy = answer.value.get("deployment_branch_policy")
    rules = {rule["type"]: rule for rule in answer.value.get("protection_rules", ())}
    people = rules.get("required_reviewers", {})
    listed: list[Any] = []
    if policy and policy["custom_branch_policies"]:
        branches = ask(f"{path}/deployment-branch-policies", "branch_policies")
        if not branches.ok:
            return branches, Environment()
        listed = branches.value
    return answer, Environment(
        policy=None if not policy else "selected" if policy["custom_branch_policies"] else "protected",
        branches=tuple((one.get("type", "branch"), one["name"], one["id"]) for one in listed),
        reviewers=tuple((one["type"], one["reviewer"]["id"]) for one in people.get("reviewers", ())),
        wait_minutes=rules.get("wait_timer", {}).get("wait_timer", 0),
        no_self_review=people.get("prevent_self_review", False),
    )


def protect_command(full_name: str, stage: Stage, present: Environment, reviewers: tuple[tuple[str, int], ...]) -> str:
    """The command that makes an environment, or changes it, so that branches must be selected to deploy to it.

    GitHub does not promise to keep what such a request leaves out, so all that there is now is named again.
    """
    fields = [
        "deployment_branch_policy[protected_branches]=false",
        "deployment_branch_policy[custom_branch_policies]=true",
    ]
    for kind, number in present.reviewers or reviewers:
        fields += [f"reviewers[][type]={kind}", f"reviewers[][id]={number}"]
    if present.no_self_review:
        fields.append("prevent_self_review=true")
    if present.wait_minutes:
        fields.append(f"wait_timer={present.wait_minutes}")
    # All with -F: `gh api` takes the strings of -f first, and would put them into another reviewer.
    options = " ".join(f"-F {shlex.quote(text)}" for text in fields)
    return f"gh api --silent --method PUT {_path(full_name, stage)} {options}"


def branch_command(full_name: str, stage: Stage) -> str:
    """The command that lets `main` deploy to a stage; GitHub answers 303, an error to gh, to a second one."""
    path = f"{_path(full_name, stage)}/deployment-branch-policies"
    return (
        f"gh api {path} --jq '.branch_policies[].name' | grep -qx {BRANCH} || "
        f"gh api --silent --method POST {path} -f name={BRANCH} -f type=branch"
    )


def first_reviewers(repository: Repository, stage: Stage) -> tuple[tuple[str, int], ...]:
    """Who is asked at first: for prod the person who is logged in, where the plan surely has reviewers."""
    if stage != REVIEWED or repository.visibility not in {"public", "internal"}:
        return ()
    me = ask("user")
    return (("User", me.value["id"]),) if me.ok else ()


@dataclass
class Protection:
    """The commands that protect every stage's environment, and what they leave undone, in sentences."""

    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def protection(repository: Repository) -> Protection:
    """The commands for all stages, from what GitHub keeps now; none if that cannot be read, so that nothing is lost."""
    made = Protection()
    for stage in STAGES:
        answer, present = read_environment(repository.full_name, stage)
        if not answer.ok and answer.status != NOT_FOUND:
            why = f"the lines that protect the environments are missing ({answer.reason})"
            return Protection(notes=[f"{why}: log in with `gh auth login`, then run this again"])
        people = first_reviewers(repository, stage)
        made.commands.append(protect_command(repository.full_name, stage, present, people))
        made.commands.append(branch_command(repository.full_name, stage))
        if stage == REVIEWED and not (present.reviewers or people):
            free = "on Free the lines about environments end with 404, and nothing is deployed from there"
            made.notes.append(f"{NO_ENVIRONMENTS}: {free}")
            made.notes.append(f"nobody is asked before prod: {NO_REVIEWERS}")
    return made


def _path(full_name: str, stage: Stage) -> str:
    return f"repos/{full_name}/environments/{stage}"
