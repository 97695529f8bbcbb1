"""A log group in CloudWatch -> the service's lines in it, in the order of time."""

from collections.abc import Iterator

from pipeline import aws
from pipeline.errors import SourceError
from pipeline.progress import Progress, no_progress

PREFIX = "cloudwatch:"

_FILTER = '"model_version"'
"""Every line of the service holds this word. Lambda's own lines, three per request, do not and are not downloaded."""


def read_lines(group: str, since: int | None, until: int, progress: Progress = no_progress) -> Iterator[str]:
    """The messages of a log group, read page by page.

    Args:
        group: The group's name, such as `/aws/lambda/obesity-levels-prod`.
        since: Time of the first message to read, in milliseconds since 1970; None for all that CloudWatch keeps.
        until: Time to read up to, in milliseconds since 1970.
        progress: Called with progress.

    Raises:
        SourceError: The group does not exist, or CloudWatch cannot be reached; the text says what to do.
    """
    request = {"logGroupName": group, "filterPattern": _FILTER, "endTime": until}
    if since is not None:
        request["startTime"] = since
    missing = f"there is no log group {group} in this region and account: `aws logs describe-log-groups` lists them"
    advice = {"ResourceNotFoundException": missing}
    with aws.aws_errors(f"{PREFIX}{group} cannot be read", advice, "logs:FilterLogEvents", SourceError):
        first = since
        for page in aws.client("logs").get_paginator("filter_log_events").paginate(**request):
            for event in page["events"]:
                first = event["timestamp"] if first is None else first
                yield event["message"]
            if page["events"] and first is not None:
                progress(f"reading {group}", page["events"][-1]["timestamp"] - first, max(until - first, 1))
