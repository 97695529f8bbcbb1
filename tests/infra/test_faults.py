"""Every command that asks AWS says in one line what AWS refused, and starts nothing."""

import pytest

from tests.fakes.account import KEYS
from tests.fixtures.aws import Refusal, RefusingAws

COMMANDS = (
    ("deploy", "--stage", "prod"),
    ("status", "--stage", "prod"),
    ("bootstrap", "--repository", "us/obesity-levels"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (
            "ExpiredToken",
            403,
            "AWS does not accept these credentials (ExpiredToken); they may have expired: log in to AWS",
        ),
        ("AccessDenied", 403, "AWS refuses these credentials (AccessDenied)"),
        ("Throttling", 400, "AWS limits the rate of requests (Throttling): wait a minute, then run again"),
    ],
)
def test_what_aws_refuses_is_one_line_with_a_remedy(
    aws_refusal: Refusal, refusing_aws: RefusingAws, command: tuple[str, ...], code: str, status: int, words: str
) -> None:
    with refusing_aws(code, status) as address:
        line = aws_refusal(command, **KEYS, AWS_ENDPOINT_URL=address)
    assert line.startswith("CloudError: the stack obesity-levels-")
    assert words in line
    assert "testing" not in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_credentials_or_a_network_the_line_says_so(aws_refusal: Refusal, command: tuple[str, ...]) -> None:
    assert "(NoCredentialsError): log in to AWS" in aws_refusal(command, AWS_DEFAULT_REGION="eu-central-1")
    nowhere = "http://127.0.0.1:9"
    assert "(EndpointConnectionError): check the network" in aws_refusal(command, **KEYS, AWS_ENDPOINT_URL=nowhere)


def test_an_unknown_stage_is_refused(aws_refusal: Refusal) -> None:
    assert aws_refusal(("status", "--stage", "production")) == (
        "InputError: --stage: got 'production', expected one of dev, staging, prod"
    )
