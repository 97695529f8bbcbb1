"""A service of AWS in -> botocore's client for it, whose errors are told in one line: what failed, why, what to do.

Never a key in a message: AWS's own words are left out, but for the name of what it refused.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import CloudError, PipelineError

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 10, 60, 3

LOG_IN = "log in to AWS, or name a profile in AWS_PROFILE (in GitHub Actions: configure-aws-credentials)"

_UNKNOWN = {
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
_BUSY = {
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


def client(service: str, attempts: int = ATTEMPTS) -> Any:
    """The client of a service, as the environment names account, region and endpoint; call it inside `told`."""
    from botocore.config import Config
    from botocore.session import get_session

    retries = {"total_max_attempts": attempts, "mode": "standard"}
    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
    return get_session().create_client(service, config=config)


def code(error: Any) -> str:
    """What AWS calls an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def aws_errors(
    what: str, advice: Mapping[str, str] | None = None, needs: str = "", raised: type[PipelineError] = CloudError
) -> Iterator[None]:
    """A block that calls AWS; what goes wrong in it is raised as one of our errors.

    Args:
        what: What cannot be done if it fails, as "s3://bucket cannot be read".
        advice: What to do, by AWS's own names of errors that mean something special here.
        needs: Which rights the credentials need.
        raised: The error to raise.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        found = code(error)
        words = (advice or {}).get(found) or _advice(found, str(error), needs)
        raise raised(f"{what}: {words}") from None
    except BotoCoreError as error:
        raise raised(f"{what} ({type(error).__name__}): {_unreached(type(error).__name__)}") from None


def _advice(found: str, words: str, needs: str) -> str:
    if found in _UNKNOWN:
        return f"AWS does not take these credentials ({found}), they may have expired: {LOG_IN}"
    if found in _DENIED:
        action = _ACTION.search(words)
        wanted = needs or (action[1] if action else "")
        return f"AWS refuses these credentials ({found})" + (f": they need {wanted} for it" if wanted else "")
    if found in _BUSY:
        return f"AWS asks to slow down ({found}): wait a minute, then run again"
    return f"AWS answers {found}: try again, or look it up in the AWS documentation"


def _unreached(name: str) -> str:
    if any(part in name for part in ("Credential", "Token", "Profile", "SSO")):
        return LOG_IN
    if name == "NoRegionError":
        return "name the region in AWS_DEFAULT_REGION"
    return "check the network, AWS_ENDPOINT_URL and the region, then try again"


def region() -> str:
    """The region that the environment names.

    Raises:
        CloudError: It names none.
    """
    from botocore.session import get_session

    found = get_session().get_config_variable("region")
    if not found:
        raise CloudError(f"no region: {_unreached('NoRegionError')}")
    return str(found)


def signed(service: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request and, with them, its signature by this environment's credentials.

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
