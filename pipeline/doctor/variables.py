"""The repository's variables on GitHub -> whether each has a value that can be meant, and all that it needs beside it.

Which variable is for what: docs/github.md.
"""

import difflib
import re
from collections.abc import Iterator, Mapping

from pipeline.doctor.finding import Finding
from pipeline.errors import InputError
from pipeline.ship.bootstrap import DEPLOYED, variable_command
from pipeline.ship.stages import Stage, parse_stages

Variables = Mapping[str, str]

ROLES = ("AWS_ROLE_READ", "AWS_ROLE_PUBLISH", "AWS_ROLE_WATCH")
AWS_NAMES = ("AWS_REGION", *ROLES, "DEPLOY_STAGES")
"""If none of these is set and nothing else names AWS, nothing is deployed and nothing is asked of AWS."""

_CHECK = "variables"
_ARN = re.compile(r"arn:[\w-]+:iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[\w+=,.@-]+)")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?|git:[\w./-]+")
_SERVER = re.compile(r"https?://\S+")
_CLOUDWATCH = "cloudwatch:"
_BOOTSTRAP = "make bootstrap"
"""It prints the command that sets each of them."""


def role_name(arn: str) -> tuple[str, str] | None:
    """Account and name of a role's ARN; None if the text is none."""
    found = _ARN.fullmatch(arn)
    return (found["account"], found["name"]) if found else None


def uses_aws(variables: Variables) -> bool:
    """Whether anything that is set needs an AWS account."""
    places = (variables.get("REGISTRY_URL", ""), variables.get("WATCH_LOG", ""))
    return any(variables.get(name) for name in AWS_NAMES) or any(
        place.startswith(("s3:", _CLOUDWATCH)) for place in places
    )


def stages_of(variables: Variables) -> tuple[Stage, ...]:
    """The stages that DEPLOY_STAGES names; none if it cannot be read, which `check_variables` says."""
    try:
        return parse_stages(variables.get("DEPLOY_STAGES", ""))
    except InputError:
        return ()


def check_variables(variables: Variables, full_name: str) -> list[Finding]:
    """What is wrong with the variables, each by itself; one line that says so if nothing is."""
    found = [*_values(variables, full_name), *_missing(variables), *_needless(variables)]
    if found:
        return found
    if not variables:
        return [Finding(_CHECK, "ok", "none is set: the registry is kept in this repository")]
    return [Finding(_CHECK, "ok", f"{len(variables)} set, and each has what it needs")]


def _values(variables: Variables, full_name: str) -> Iterator[Finding]:
    """Values that cannot be meant."""
    forms = {
        "AWS_REGION": (_REGION, "a region such as eu-central-1"),
        "REGISTRY_URL": (_STORE, "s3://bucket/prefix or git:origin"),
        "MLFLOW_TRACKING_URI": (_SERVER, "the address of a server, http(s)://..."),
        **dict.fromkeys(ROLES, (_ARN, "the ARN of a role, arn:aws:iam::123456789012:role/NAME")),
    }
    for name, (form, expected) in forms.items():
        if (value := variables.get(name)) and not form.fullmatch(value):
            yield Finding(_CHECK, "wrong", f"{name} is {value!r}, expected {expected}", _BOOTSTRAP)
    try:
        parse_stages(variables.get("DEPLOY_STAGES", ""))
    except InputError as error:
        yield Finding(_CHECK, "wrong", str(error), variable_command(full_name, "DEPLOY_STAGES", DEPLOYED))


def _missing(variables: Variables) -> Iterator[Finding]:
    """Variables without which others do nothing, or break."""
    registry_on_s3 = variables.get("REGISTRY_URL", "").startswith("s3:")
    reasons = {
        "AWS_REGION": [*ROLES, "DEPLOY_STAGES", *(["REGISTRY_URL"] if registry_on_s3 else [])],
        "AWS_ROLE_READ": ["AWS_ROLE_PUBLISH", *(["REGISTRY_URL"] if registry_on_s3 else [])],
        "AWS_ROLE_PUBLISH": ["AWS_ROLE_READ", *(["REGISTRY_URL"] if registry_on_s3 else [])],
        "AWS_ROLE_WATCH": ["WATCH_LOG"] if variables.get("WATCH_LOG", "").startswith(_CLOUDWATCH) else [],
        "WATCH_LOG": ["AWS_ROLE_WATCH"],
    }
    for name, users in reasons.items():
        reason = next((user for user in users if variables.get(user)), None)
        if reason and not variables.get(name):
            near = difflib.get_close_matches(name, variables.keys() - reasons.keys(), 1, 0.85)
            hint = f" (is {near[0]} meant?)" if near else ""
            yield Finding(_CHECK, "wrong", f"{name} is not set, and {reason} needs it{hint}", _BOOTSTRAP)


def _needless(variables: Variables) -> Iterator[Finding]:
    if variables.get("MLFLOW_TRACKING_URI") and variables.get("REGISTRY_URL"):
        yield Finding(_CHECK, "note", "MLFLOW_TRACKING_URI names a server, so REGISTRY_URL is not used")
    if variables.get("AWS_ROLE_DEPLOY"):
        seen = "AWS_ROLE_DEPLOY is set for the whole repository: each stage has a role of its own, in its environment"
        yield Finding(_CHECK, "note", seen)
