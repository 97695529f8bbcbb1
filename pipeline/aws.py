"""The name of an AWS service -> botocore's client, with each error as one line: what failed, why, what to do.

An error's text never holds a key: of AWS's own message only the error code and the refused action are repeated.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import CloudError, PipelineError

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 10, 60, 3

LOG_IN = "log in to AWS, or name a profile in AWS_PROFILE (in GitHub Actions: configure-aws-credentials)"

_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_THROTTLED = {
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


def client(service: str, attempts: int = ATTEMPTS) -> Any:
    """The client of a service, for the account, region and endpoint in the environment; call it inside `aws_errors`."""
    from botocore.config import Config
    from botocore.session import get_session

    retries = {"total_max_attempts": attempts, "mode": "standard"}
    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
    return get_session().create_client(service, config=config)


def error_code(error: Any) -> str:
    """AWS's name of a `ClientError`, such as "NoSuchKey"."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def aws_errors(
    what: str, advice: Mapping[str, str] | None = None, needs: str = "", raised: type[PipelineError] = CloudError
) -> Iterator[None]:
    """A context for calls of AWS: raises `raised`, with a remedy and without a secret, for each error of botocore.

    Args:
        what: The start of the error's text, such as "s3://bucket cannot be read".
        advice: What to do, by error code, where a code means something special to the caller.
        needs: The permissions that the calls need, for the error's text.
        raised: The class of the error.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        remedy = (advice or {}).get(code) or _remedy(code, str(error), needs)
        raise raised(f"{what}: {remedy}") from None
    except BotoCoreError as error:
        raise raised(f"{what} ({type(error).__name__}): {_connection_remedy(type(error).__name__)}") from None


def _remedy(code: str, message: str, needs: str) -> str:
    if code in _CREDENTIALS:
        return f"AWS does not accept these credentials ({code}); they may have expired: {LOG_IN}"
    if code in _DENIED:
        action = _ACTION.search(message)
        missing = needs or (action[1] if action else "")
        return f"AWS refuses these credentials ({code})" + (f": they need {missing}" if missing else "")
    if code in _THROTTLED:
        return f"AWS limits the rate of requests ({code}): wait a minute, then run again"
    return f"AWS answers {code}: try again, or look it up in the AWS documentation"


def _connection_remedy(error_name: str) -> str:
    if any(part in error_name for part in ("Credential", "Token", "Profile", "SSO")):
        return LOG_IN
    if error_name == "NoRegionError":
        return "name the region in AWS_DEFAULT_REGION"
    return "check the network, AWS_ENDPOINT_URL and the region, then try again"


def region() -> str:
    """The region that the environment names, such as "eu-central-1".

    Raises:
        CloudError: The environment names no region.
    """
    from botocore.session import get_session

    name = get_session().get_config_variable("region")
    if not name:
        raise CloudError(f"no region: {_connection_remedy('NoRegionError')}")
    return str(name)


def signed_headers(
    service: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
) -> dict[str, str]:
    """A request's headers with its signature (Signature Version 4), made with the environment's credentials.

    Raises:
        CloudError: There are no credentials, or no region.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import NoCredentialsError
    from botocore.session import get_session

    with aws_errors("the request cannot be signed"):
        credentials = get_session().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        request = AWSRequest(method, url, dict(headers), body)
        SigV4Auth(credentials, service, region()).add_auth(request)
        return dict(request.headers.items())
