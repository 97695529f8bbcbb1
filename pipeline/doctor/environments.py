"""A stage's environment on GitHub -> whether only main deploys, prod asks somebody first, and its role is set."""

from collections.abc import Iterator

from pipeline.doctor.finding import Finding, cannot_tell
from pipeline.doctor.variables import role_name
from pipeline.gh import Repository, ask
from pipeline.ship.environments import (
    BRANCH,
    NO_ENVIRONMENTS,
    NO_REVIEWERS,
    NOT_FOUND,
    REVIEWED,
    Environment,
    branch_command,
    first_reviewers,
    protect_command,
    read_environment,
)
from pipeline.ship.stages import Stage

ROLE = "AWS_ROLE_DEPLOY"


def check_environment(repository: Repository, stage: Stage) -> tuple[list[Finding], str]:
    """The findings about a stage's environment, and the ARN of its role; empty if there is none to be seen."""
    check, name = f"environment {stage}", repository.full_name
    answer, present = read_environment(name, stage)
    protect = protect_command(name, stage, present, first_reviewers(repository, stage))
    if answer.status == NOT_FOUND:
        why = f"; {NO_ENVIRONMENTS}" if repository.visibility == "private" else ""
        return [Finding(check, "wrong", f"there is none{why}", f"{protect} && {branch_command(name, stage)}")], ""
    if not answer.ok:
        return [cannot_tell(check, answer)], ""
    variables = ask(f"repos/{name}/environments/{stage}/variables", "variables")
    arn = next((one["value"] for one in variables.value or () if one["name"] == ROLE), "")
    found = [
        *_branches(check, name, stage, present, protect),
        *_reviewers(check, repository, stage, present, protect),
        *([cannot_tell(check, variables)] if not variables.ok else _role(check, arn)),
    ]
    return found or [Finding(check, "ok", f"only {BRANCH} deploys{_asked(present)}")], arn


def _branches(check: str, name: str, stage: Stage, present: Environment, protect: str) -> Iterator[Finding]:
    both = f"{protect} && {branch_command(name, stage)}"
    if present.policy != "selected":
        # "If no branch protection rules are defined for any branch, then all branches can deploy", says GitHub.
        which = "any branch may deploy" if not present.policy else "any protected branch may deploy, not only main"
        yield Finding(check, "wrong", which, both)
        return
    allowed = {(kind, pattern) for kind, pattern, _ in present.branches}
    others = [branch for branch in present.branches if branch[:2] != ("branch", BRANCH)]
    if ("branch", BRANCH) not in allowed:
        yield Finding(check, "wrong", f"{BRANCH} may not deploy", branch_command(name, stage))
    if others:
        seen = ", ".join(f"{kind} {pattern}" for kind, pattern, _ in others)
        path = f"repos/{name}/environments/{stage}/deployment-branch-policies"
        removal = " && ".join(f"gh api --method DELETE {path}/{number}" for _, _, number in others)
        yield Finding(check, "wrong", f"not only {BRANCH} may deploy: {seen}", removal)


def _reviewers(
    check: str, repository: Repository, stage: Stage, present: Environment, protect: str
) -> Iterator[Finding]:
    if stage != REVIEWED or present.reviewers:
        return
    if repository.visibility == "private":
        yield Finding(check, "note", f"nobody is asked before a deployment: {NO_REVIEWERS}")
    else:
        yield Finding(check, "wrong", "nobody is asked before a deployment", protect)


def _role(check: str, arn: str) -> Iterator[Finding]:
    if not arn:
        yield Finding(check, "wrong", f"its variable {ROLE} is not set", "make bootstrap")
    elif role_name(arn) is None:
        yield Finding(check, "wrong", f"{ROLE} is {arn!r}, expected the ARN of a role", "make bootstrap")


def _asked(present: Environment) -> str:
    number = len(present.reviewers)
    return f", after one of {number} approved it" if number else ""
