"""A log group in CloudWatch -> the lines of ours in it, in the order of time; the only door to that service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import SourceError
from pipeline.progress import Tell, silent

PREFIX = "cloudwatch:"

_FILTER = '"model_version"'
"""Every line of ours holds this word; Lambda's own lines, three for each request, stay there."""

_REFUSED = {
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
}


def lines(group: str, since: int | None, until: int, tell: Tell = silent) -> Iterator[str]:
    """The messages of a log group, a page at a time.

    Args:
        group: Its name, such as `/aws/lambda/obesity-levels-prod`.
        since: The time of the first ones, in milliseconds since 1970; None for all that is kept.
        until: The time to read up to.
        tell: Is told how far it has read.

    Raises:
        SourceError: There is no such group, or CloudWatch cannot be reached; the text says what to do.
    """
    from botocore.config import Config  # noqa: PLC0415  only where CloudWatch is read
    from botocore.session import get_session  # noqa: PLC0415

    # A page may take CloudWatch a while, and it throttles whoever asks too fast.
    config = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 8, "mode": "adaptive"})
    request: dict[str, Any] = {"logGroupName": group, "filterPattern": _FILTER, "endTime": until}
    with _told(group):
        client = get_session().create_client("logs", config=config)
        first = since
        for page in client.get_paginator("filter_log_events").paginate(
            **request, **({} if since is None else {"startTime": since})
        ):
            for event in page["events"]:
                first = event["timestamp"] if first is None else first
                yield event["message"]
            if page["events"] and first is not None:
                tell(f"reading {group}", page["events"][-1]["timestamp"] - first, max(until - first, 1))


@contextmanager
def _told(group: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        raise SourceError(f"{PREFIX}{group} cannot be read: {_advice(group, error)}") from None
    except BotoCoreError as error:
        name = type(error).__name__
        advice = "check the network, AWS_ENDPOINT_URL and the region (AWS_DEFAULT_REGION), then try again"
        if any(word in name for word in ("Credential", "Token", "Profile", "SSO")):
            advice = "log in to AWS, or name a profile in AWS_PROFILE (in GitHub Actions: configure-aws-credentials)"
        raise SourceError(f"{PREFIX}{group} cannot be read ({name}): {advice}") from None


def _advice(group: str, error: Any) -> str:  # noqa: ANN401  botocore has no types
    code = error.response.get("Error", {}).get("Code", "")
    if code == "ResourceNotFoundException":
        return f"there is no log group {group} in this region and account: `aws logs describe-log-groups` lists them"
    if code in _REFUSED:
        return f"AWS refuses these credentials ({code}): they need logs:FilterLogEvents on it, and may have expired"
    return f"CloudWatch answers {code}: try again, or look it up in the AWS documentation"
