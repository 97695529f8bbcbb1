"""A log group in CloudWatch -> the lines of ours in it, in the order of time."""

from collections.abc import Iterator

from pipeline import aws
from pipeline.errors import SourceError
from pipeline.progress import Progress, no_progress

PREFIX = "cloudwatch:"

_FILTER = '"model_version"'
"""Every line of ours holds this word; Lambda's own, three for each request, stay where they are."""


def lines(group: str, since: int | None, until: int, progress: Progress = no_progress) -> Iterator[str]:
    """The messages of a log group, a page at a time.

    Args:
        group: Its name, such as `/aws/lambda/obesity-levels-prod`.
        since: The time of the first ones, in milliseconds since 1970; None for all that is kept.
        until: The time to read up to.
        progress: Called with progress.

    Raises:
        SourceError: There is no such group, or CloudWatch cannot be reached; the text says what to do.
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
