"""The stages that a team names -> those that do not answer yet with a version, served by the service of this commit.

Asked before a deployment, by a job without any role: so it asks what everybody may ask, GitHub for the newest
deployment, and /health at its address. Whatever cannot be known counts as "does not answer yet".
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.github.api import GitHub
from pipeline.github.deployments import newest_deployment
from pipeline.repo import git_or_none

SERVICE = ("golden_hook", "lambda_api", "samconfig.toml", "template.yaml")
"""What a stage's users see besides the model; service.yml deploys when it changes."""

SECONDS = 10


@dataclass(frozen=True)
class Plan:
    """The stages to deploy to from this commit, and whether another has the service of a newer commit.

    That one is left alone here, because an older service must not follow a newer one; the newest commit deploys to it.
    """

    due: tuple[str, ...]
    older: bool


def plan(names: Iterable[str], version: str, github: GitHub, repository: str, say: Callable[[str], None]) -> Plan:
    """What is to be deployed.

    Args:
        names: The stages that are named.
        version: The version's number; an alias counts as a version that no stage answers with.
        github: A session that may read deployments.
        repository: OWNER/NAME.
        say: Called with the reason for each stage.
    """
    due, older = [], False
    for name in names:
        why, newer = _missing(name, version, github, repository)
        if newer:
            say(f"{name}: not from here; {why}")
            older = True
        elif why:
            say(f"{name}: to be deployed; {why}")
            due.append(name)
        else:
            say(f"{name}: answers with version {version} already")
    return Plan(tuple(due), older)


def _missing(name: str, version: str, github: GitHub, repository: str) -> tuple[str, bool]:
    """What a stage lacks, in words, empty for nothing; and whether its service is of a newer commit than this."""
    try:
        deployment = newest_deployment(github, repository, name)
    except SourceError as error:
        return f"what it answers with is not known: {error}", False
    if deployment is None or deployment.url is None:
        return "nothing was deployed there yet", False
    commit = deployment.commit
    served = _version(deployment.url)
    answers = f"it answers with version {served or 'unknown'}, not {version}" if served != version else ""
    if git_or_none("diff", "--quiet", commit, "HEAD", "--", *SERVICE) is not None:
        return answers, False
    if git_or_none("merge-base", "--is-ancestor", "HEAD", commit) is not None:
        return f"it has the service of {commit[:8]}, which is newer" if answers else "", bool(answers)
    return f"the service changed since {commit[:8]}", False


def _version(url: str) -> str | None:
    """The version that /health names at an address; None without an answer."""
    import requests

    try:
        response = requests.get(f"{url.rstrip('/')}/health", timeout=SECONDS, allow_redirects=False)
        response.raise_for_status()
        return str(response.json()["model_version"])
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
