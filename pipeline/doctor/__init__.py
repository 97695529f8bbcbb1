"""A repository on GitHub, its AWS account and its stages -> one finding for each thing that must be right.

Reads only, with the logins of the person at the keyboard: GitHub through `gh`, AWS through botocore. What this person
may not see is never called wrong.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from pipeline.doctor import cloud, environments, place, settings, variables
from pipeline.doctor.cloud import NamedRole
from pipeline.doctor.finding import Finding, Sign, cannot_tell
from pipeline.doctor.variables import Variables
from pipeline.gh import Repository, ask, repository_of
from pipeline.progress import Progress, no_progress

__all__ = ["Finding", "Sign", "examine"]

_THREADS = 8

Check = Callable[[], Any]


def examine(model: str, progress: Progress = no_progress) -> tuple[Finding, ...]:
    """Look at everything, in the order in which a set-up is made.

    Args:
        model: The model's registered name.
        progress: Called with progress.
    """
    found, value, repository = _find_repository(progress)
    if repository is None:
        return tuple(found)
    names, unseen = _read_variables(repository, value["owner"]["type"])
    stages, full_name = variables.stages_of(names), repository.full_name
    files = [path.name for path in place.WORKFLOWS.glob("*.yml")]
    checks: dict[str, Check] = {
        "actions": lambda: settings.check_actions(full_name),
        "workflows": lambda: settings.check_workflows(full_name, fork=value["fork"], files=files),
        "main": lambda: settings.check_main(full_name, deployed=bool(stages)),
        "tokens": lambda: settings.check_tokens(full_name, value["created_at"]),
    }
    checks |= {stage: partial(environments.check_environment, repository, stage) for stage in stages}
    seen = _together(checks, "settings on GitHub", progress)
    found += [seen["actions"], seen["workflows"], *seen["main"]]
    found.append(settings.check_issues(value, watched=bool(names.get("WATCH_LOG"))))
    found += unseen or variables.check_variables(names, full_name)
    roles = [NamedRole(name, names[name]) for name in variables.ROLES if names.get(name)]
    for stage in stages:
        about, arn = seen[stage]
        found += about
        roles += [NamedRole(environments.ROLE, arn, stage)] if arn else []
    with _in_region(names.get("AWS_REGION", "")):
        progress("the registry", 0, 1)
        registry, champion = cloud.check_registry(names, model)
        found.append(registry)
        if not variables.uses_aws(names):
            return (*found, _without_aws(known=not unseen))
        tokens, immutable = seen["tokens"]
        account = cloud.check_account(roles)
        found += [*tokens, account]
        if account.sign == "ok":
            for done, finding in enumerate(cloud.check_roles(roles, repository, immutable=immutable), 1):
                progress("roles on AWS", done, len(roles))
                found.append(finding)
            checks = {stage: partial(cloud.check_stage, stage, champion, full_name) for stage in stages}
            found += _together(checks, "stages", progress).values()
    return tuple(found)


def _without_aws(*, known: bool) -> Finding:
    if known:
        return Finding("aws", "note", "no AWS: nothing is deployed")
    return Finding("aws", "unknown", "cannot tell: the variables that name it cannot be read")


def _find_repository(progress: Progress) -> tuple[list[Finding], Any, Repository | None]:
    """The first findings, GitHub's description of the repository, and the repository; None if it ends there."""
    progress("this clone and gh", 0, 1)
    origin, full_name = place.find_origin()
    login = place.find_login()
    if not full_name or login.sign != "ok":
        return [origin, login], None, None
    answer = ask(f"repos/{full_name}")
    if not answer.ok:
        return [origin, login, cannot_tell("repository", answer)], None, None
    return [origin, login, place.check_repository(answer.value)], answer.value, repository_of(answer.value)


def _read_variables(repository: Repository, owner_type: str) -> tuple[Variables, list[Finding]]:
    """The variables that a workflow sees, an organisation's below the repository's own; and why they cannot be read."""
    path = f"repos/{repository.full_name}/actions"
    own = ask(f"{path}/variables", "variables")
    if not own.ok:
        return {}, [cannot_tell("variables", own)]
    theirs = ask(f"{path}/organization-variables", "variables") if owner_type == "Organization" else None
    listed = [*(theirs.value if theirs and theirs.ok else ()), *own.value]
    unseen = [cannot_tell("variables", theirs)] if theirs and not theirs.ok else []
    return {one["name"]: one["value"] for one in listed}, unseen


def _together(checks: Mapping[str, Check], step: str, progress: Progress) -> dict[str, Any]:
    """What the checks answer, asked at the same time."""
    answers = dict[str, Any]()
    with ThreadPoolExecutor(_THREADS) as pool:
        started = {name: pool.submit(check) for name, check in checks.items()}
        for done, (name, future) in enumerate(started.items(), 1):
            answers[name] = future.result()
            progress(step, done, len(checks))
    return answers


@contextmanager
def _in_region(region: str) -> Iterator[None]:
    """AWS is asked in the region that the workflows use, whatever this shell's is."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    if region:
        os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        if region:
            os.environ.pop("AWS_DEFAULT_REGION")
        if before is not None:
            os.environ["AWS_DEFAULT_REGION"] = before
