"""The stages that a team names -> those that do not answer yet with a version, served by the service of this commit.

Asked before a deployment, by a job without any role: so it asks what everybody may ask, GitHub for the newest
deployment, and /health at its address. Whatever cannot be known counts as "does not answer yet".
"""

from collections.abc import Callable, Iterable

from pipeline.errors import SourceError
from pipeline.github.api import GitHub
from pipeline.github.deployments import newest_deployment
from pipeline.repo import git_or_none

SERVICE = ("golden_hook", "lambda_api", "samconfig.toml", "template.yaml")
"""What a stage's users see besides the model; service.yml deploys when it changes."""

SECONDS = 10


def pending(
    names: Iterable[str], version: str, github: GitHub, repository: str, say: Callable[[str], None]
) -> tuple[str, ...]:
    """The stages that are to be deployed.

    Args:
        names: The stages that are named.
        version: The version's number; an alias counts as a version that no stage answers with.
        github: A session that may read deployments.
        repository: OWNER/NAME.
        say: Called with the reason for each stage.
    """
    return tuple(name for name in names if not _answers(name, version, github, repository, say))


def _answers(name: str, version: str, github: GitHub, repository: str, say: Callable[[str], None]) -> bool:
    try:
        deployment = newest_deployment(github, repository, name)
    except SourceError as error:
        say(f"{name}: to be deployed; what it answers with is not known: {error}")
        return False
    if deployment is None or deployment.url is None:
        say(f"{name}: to be deployed; nothing was deployed there yet")
        return False
    if git_or_none("diff", "--quiet", deployment.commit, "HEAD", "--", *SERVICE) is None:
        say(f"{name}: to be deployed; the service changed since {deployment.commit[:8]}")
        return False
    if (answered := _version(deployment.url)) != version:
        say(f"{name}: to be deployed; it answers with version {answered or 'unknown'}, not {version}")
        return False
    say(f"{name}: answers with version {version} already")
    return True


def _version(url: str) -> str | None:
    """The version that /health names at an address; None without an answer."""
    import requests

    try:
        response = requests.get(f"{url.rstrip('/')}/health", timeout=SECONDS, allow_redirects=False)
        response.raise_for_status()
        return str(response.json()["model_version"])
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
