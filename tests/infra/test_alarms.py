"""What rings and what is drawn looks at metrics that exist: AWS's own, the log filter's, and those of the lines."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from lambda_api.contract import LEVELS, Record, example
from lambda_api.service import Service
from lambda_api.telemetry import Telemetry
from tests.fakes.cloudformation import Stack

MakeStack = Callable[..., Stack]
Metric = tuple[str, str, frozenset[str]]

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
API = ({"4xx", "5xx", "Count", "DataProcessed", "IntegrationLatency", "Latency"}, ({"ApiId"}, {"ApiId", "Stage"}))
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
FUNCTION = (
    {"ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"},
    ({"FunctionName"}, {"FunctionName", "Resource"}, {"FunctionName", "Resource", "ExecutedVersion"}),
)
NAMESPACE = "ObesityLevels/obesity-levels-dev"


def metrics_of(lines: list[dict[str, Any]]) -> set[Metric]:
    """The metrics that CloudWatch makes of the service's lines."""
    return {
        (block["Namespace"], metric["Name"], frozenset(dimensions))
        for line in lines
        for block in line["_aws"]["CloudWatchMetrics"]
        for metric in block["Metrics"]
        for dimensions in block["Dimensions"]
    }


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Stack:
    return make_stack(AlarmEmail="ada@example.org")


@pytest.fixture
def lines(service: Service, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """One line of each kind that the service writes."""
    record = Record.model_validate(example())
    telemetry = Telemetry("3", namespace=NAMESPACE)
    telemetry.predicted("id", service.answer([record]), 0.0)
    telemetry.predicted_batch("id", service.answer([record, record]), 0.0)
    telemetry.refused("id", 422, {})
    telemetry.failed("id", ZeroDivisionError())
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def existing(stack: Stack, lines: list[dict[str, Any]]) -> set[Metric]:
    """Every metric that exists once the stack is deployed and asked."""
    aws = {
        (namespace, name, frozenset(dimensions))
        for namespace, (names, sets) in {"AWS/ApiGateway": API, "AWS/Lambda": FUNCTION}.items()
        for name in names
        for dimensions in sets
    }
    filtered = {
        (made["MetricNamespace"], made["MetricName"], frozenset[str]())
        for metric_filter in stack.of("AWS::Logs::MetricFilter").values()
        for made in metric_filter["MetricTransformations"]
    }
    return aws | filtered | metrics_of(lines)


def test_every_alarm_looks_at_a_metric_that_exists_and_at_this_stack_alone(stack: Stack, existing: set[Metric]) -> None:
    values = {"ApiId": "Api", "Stage": "$default", "FunctionName": "obesity-levels-dev"}
    values |= {"Resource": "obesity-levels-dev:live"}
    alarms = stack.of("AWS::CloudWatch::Alarm")

    assert len(alarms) == 5
    for name, alarm in alarms.items():
        dimensions = {item["Name"]: item["Value"] for item in alarm.get("Dimensions", [])}
        assert (alarm["Namespace"], alarm["MetricName"], frozenset(dimensions)) in existing, name
        assert dimensions.items() <= values.items(), name


def test_every_alarm_is_seen_within_a_canary_is_quiet_without_traffic_and_tells_somebody(stack: Stack) -> None:
    for alarm in stack.of("AWS::CloudWatch::Alarm").values():
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 3 * 60  # the shortest canary takes five minutes
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["AlarmTopic"]
        assert alarm["AlarmName"].startswith("obesity-levels-dev-")


def test_without_an_address_alarms_still_stop_a_canary(make_stack: MakeStack) -> None:
    alarms = make_stack().of("AWS::CloudWatch::Alarm")

    assert len(alarms) == 5
    assert not any("AlarmActions" in alarm for alarm in alarms.values())


def test_the_alarms_together_see_what_can_go_wrong(stack: Stack) -> None:
    seen = {
        alarm["MetricName"]: (alarm.get("Statistic", alarm.get("ExtendedStatistic")), str(alarm["Threshold"]))
        for alarm in stack.of("AWS::CloudWatch::Alarm").values()
    }
    assert seen == {
        "5xx": ("Sum", "1"),
        "UnhandledErrors": ("Sum", "1"),
        "Errors": ("Sum", "1"),
        "Latency": ("p99", "3000"),
        "Throttles": ("Sum", "1"),
    }


def test_the_filter_counts_the_lines_of_bugs_and_no_others(stack: Stack, lines: list[dict[str, Any]]) -> None:
    ((_, metric_filter),) = stack.of("AWS::Logs::MetricFilter").items()
    field, value = re.fullmatch(r'\{ \$\.(\w+) = "(\w+)" \}', metric_filter["FilterPattern"]).groups()  # type: ignore[union-attr]

    assert [line[field] == value for line in lines] == [False, False, False, True]
    assert metric_filter["LogGroupName"] == stack.resources["ApiFunction"]["Properties"]["LoggingConfig"]["LogGroup"]


def test_only_this_stacks_alarms_may_write_to_the_topic(stack: Stack) -> None:
    ((_, policy),) = stack.of("AWS::SNS::TopicPolicy").items()

    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": "AlarmTopic",
            "Condition": {
                "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:obesity-levels-dev-*"}
            },
        }
    ]


def widgets(stack: Stack, kind: str) -> dict[str, dict[str, Any]]:
    ((_, dashboard),) = stack.of("AWS::CloudWatch::Dashboard").items()
    return {
        widget["properties"]["title"]: widget["properties"]
        for widget in json.loads(dashboard["DashboardBody"])["widgets"]
        if widget["type"] == kind
    }


def test_every_metric_on_the_dashboard_exists(stack: Stack, existing: set[Metric]) -> None:
    drawn = [metric for widget in widgets(stack, "metric").values() for metric in widget["metrics"]]

    assert len(drawn) >= 10
    for namespace, name, *dimensions in [metric for metric in drawn if isinstance(metric[0], str)]:
        names = frozenset(item for item in dimensions[::2] if isinstance(item, str))
        assert (namespace, name, names) in existing
    for (search,) in [metric for metric in drawn if isinstance(metric[0], dict)]:
        match = re.match(r"SEARCH\('\{\"(.+)\",(\w+)\} MetricName=\"(\w+)\"'", search["expression"])
        assert match is not None
        assert (match[1], match[3], frozenset({match[2]})) in existing


def fields(line: dict[str, Any], prefix: str = "") -> set[str]:
    """The names by which a query reaches a line's values."""
    names = set()
    for name, value in line.items():
        names |= {prefix + name} | (fields(value, f"{prefix}{name}.") if isinstance(value, dict) else set())
    return names


WORDS = set(re.findall(r"\w+", "filter in and parse as stats sum avg by bin coalesce strcontains concat least h d 1h"))


def test_every_query_of_the_dashboard_asks_for_fields_that_the_lines_have(
    stack: Stack, lines: list[dict[str, Any]]
) -> None:
    have = set().union(*map(fields, lines)) | {f"levels.{level}" for level in LEVELS}
    queries = {title: widget["query"] for title, widget in widgets(stack, "log").items()}

    assert len(queries) == 4
    for title, query in queries.items():
        source, _, rest = query.partition(" | ")
        assert source == "SOURCE '/aws/lambda/obesity-levels-dev'", title
        unquoted = re.sub(r"""'[^']*'|"[^"]*\"""", "", rest)
        names = set(re.findall(r"as (\w+)", unquoted))
        asked = set(re.findall(r"@?[A-Za-z_][\w.]*", unquoted)) - WORDS - names - {"@message"}
        assert asked <= have, (title, asked - have)


def test_the_mix_of_levels_names_every_level_once(stack: Stack) -> None:
    query = widgets(stack, "log")["Levels, as answered"]["query"]

    assert re.findall(r"as (\w+)", query) == list(LEVELS)
    for level in LEVELS:
        assert f'coalesce(levels.{level}, strcontains(concat(prediction, "|"), "{level}|"))' in query


def test_the_dashboard_shows_every_alarm(stack: Stack) -> None:
    shown = widgets(stack, "alarm")["Alarms"]["alarms"]

    assert {arn.removesuffix(".Arn") for arn in shown} == set(stack.of("AWS::CloudWatch::Alarm"))
