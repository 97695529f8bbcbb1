"""Each error of AWS becomes one line that says what to do and quotes no secret."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from pipeline import aws
from pipeline.errors import CloudError, RegistryError

SECRET = "wJalrXUtnFEMI"


def answer(code: str, message: str = f"key {SECRET}") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DoIt")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            answer("ExpiredToken"),
            f"it failed: AWS does not accept these credentials (ExpiredToken); they may have expired: {aws.LOG_IN}",
        ),
        (answer("AccessDenied"), "it failed: AWS refuses these credentials (AccessDenied)"),
        (
            answer("AccessDenied", f"User: {SECRET} is not authorized to perform: lambda:UpdateAlias on resource: x"),
            "it failed: AWS refuses these credentials (AccessDenied): they need lambda:UpdateAlias",
        ),
        (
            answer("ThrottlingException"),
            "it failed: AWS limits the rate of requests (ThrottlingException): wait a minute, then run again",
        ),
        (answer("Odd"), "it failed: AWS answers Odd: try again, or look it up in the AWS documentation"),
        (answer("Known"), "it failed: do this"),
        (
            NoCredentialsError(),
            f"it failed (NoCredentialsError): {aws.LOG_IN}",
        ),
        (NoRegionError(), "it failed (NoRegionError): name the region in AWS_DEFAULT_REGION"),
        (
            EndpointConnectionError(endpoint_url="http://nowhere"),
            "it failed (EndpointConnectionError): check the network, AWS_ENDPOINT_URL and the region, then try again",
        ),
    ],
)
def test_each_answer_of_aws_is_one_line_with_a_remedy(error: Exception, words: str) -> None:
    with pytest.raises(CloudError) as raised, aws.aws_errors("it failed", {"Known": "do this"}):
        raise error
    assert str(raised.value) == words


def test_who_calls_names_the_rights_and_the_kind_of_error() -> None:
    with (
        pytest.raises(RegistryError, match=r"refuses these credentials \(403\): they need s3:GetObject$"),
        aws.aws_errors("it failed", needs="s3:GetObject", raised=RegistryError),
    ):
        raise answer("403")
