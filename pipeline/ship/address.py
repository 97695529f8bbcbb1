"""A stage's address and golden.json -> how the answers there differ, asked over HTTPS as a client asks.

This is the last check of a deployment: it covers gateway, authorization, function and model together.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from golden_hook.golden import CallService, NoAnswerError, differences
from pipeline import aws
from pipeline.errors import CloudError, InputError

AuthMode = Literal["iam", "jwt", "none"]
TOKEN = "OBESITY_TOKEN"  # noqa: S105  the variable's name
"""The environment variable that holds the token for an API in jwt mode."""

CONNECT_SECONDS, READ_SECONDS = 5, 35
HTTP_OK = 200
_SERVICE = "execute-api"


@dataclass(frozen=True)
class Address:
    """A stage's URL, and how its API authorizes requests."""

    url: str
    auth: AuthMode

    def differences(self, golden: bytes) -> tuple[str, ...]:
        """The differences between the answers and golden.json, in words; empty if there are none.

        Raises:
            CloudError: There are no credentials to sign with.
            InputError: The API needs a token, and `OBESITY_TOKEN` is empty.
        """
        return differences(golden, self._caller())

    def health(self) -> Mapping[str, Any] | None:
        """What /health says, which anybody may ask; None if it does not answer, or is not this service's."""
        try:
            status, answer = replace(self, auth="none")._caller()("GET", "/health", None)  # noqa: SLF001  of its own class
        except NoAnswerError:
            return None
        return answer if status == HTTP_OK and isinstance(answer, dict) and answer.get("status") == "ok" else None

    def _caller(self) -> CallService:
        """A function that sends requests to this address."""
        from requests import RequestException, Session

        session = Session()
        session.trust_env = False  # no .netrc may replace the signature

        def call(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
            headers = self._headers(method, path, body)
            try:
                response = session.request(
                    method,
                    f"{self.url}{path}",
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                )
                return response.status_code, response.json()
            except RequestException as error:
                raise NoAnswerError(f"{method} {path}: no answer ({type(error).__name__})") from None

        return call

    def _headers(self, method: str, path: str, body: bytes | None) -> dict[str, str]:
        content_type = {"Content-Type": "application/json"}
        if self.auth == "none":
            return content_type
        if self.auth == "iam":
            return aws.signed_headers(_SERVICE, method, f"{self.url}{path}", body, content_type)
        token = os.environ.get(TOKEN)
        if not token:
            raise InputError(f"the API at {self.url} needs a token: set the environment variable {TOKEN}")
        return content_type | {"Authorization": f"Bearer {token}"}

    def curl_command(self, body: str) -> str:
        """The shell command that asks for one prediction; secrets stay in environment variables."""
        headers = ["content-type: application/json"]
        signature = ""
        if self.auth == "iam":
            signature = (
                f'--aws-sigv4 "aws:amz:{aws.region()}:{_SERVICE}" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
            )
            headers.append("x-amz-security-token: $AWS_SESSION_TOKEN")
        if self.auth == "jwt":
            headers.append(f"authorization: Bearer ${TOKEN}")
        options = " ".join(f'-H "{header}"' for header in headers)
        return f"curl {self.url}/predict {signature}{options} -d '{body}'"


def parse_auth_mode(text: str) -> AuthMode:
    """The mode that a stack's output names.

    Raises:
        CloudError: The text is none of the modes.
    """
    if text in {"iam", "jwt", "none"}:
        return text  # type: ignore[return-value]
    raise CloudError(f"the stack has AuthMode {text!r}, expected iam, jwt or none: deploy it again")
