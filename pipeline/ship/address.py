"""An address and golden.json -> how what answers there differs, asked as a client would ask it: over HTTPS.

The last proof of a deployment: gateway, authorization, function and model together.
"""

import os
from dataclasses import dataclass
from typing import Any, Literal

from golden_hook.golden import CallService, NoAnswerError, differences
from pipeline import aws
from pipeline.errors import CloudError, InputError

AuthMode = Literal["iam", "jwt", "none"]
TOKEN = "OBESITY_TOKEN"  # noqa: S105  the variable's name
"""The variable that holds a token for an API that wants one."""

CONNECT_SECONDS, READ_SECONDS = 5, 35
_SERVICE = "execute-api"


@dataclass(frozen=True)
class Address:
    """Where a stage answers, and who may ask."""

    url: str
    auth: AuthMode

    def differences(self, golden: bytes) -> tuple[str, ...]:
        """How what answers differs from golden.json; empty if it does not.

        Raises:
            CloudError: There are no credentials to sign with.
            InputError: The API wants a token, and `OBESITY_TOKEN` is empty.
        """
        return differences(golden, self._asking())

    def _asking(self) -> CallService:
        from requests import RequestException, Session

        session = Session()
        session.trust_env = False  # no .netrc may replace the signature

        def ask(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
            headers = self._headers(method, path, body)
            try:
                answer = session.request(
                    method,
                    f"{self.url}{path}",
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                )
                return answer.status_code, answer.json()
            except RequestException as error:
                raise NoAnswerError(f"{method} {path}: no answer ({type(error).__name__})") from None

        return ask

    def _headers(self, method: str, path: str, body: bytes | None) -> dict[str, str]:
        plain = {"Content-Type": "application/json"}
        if self.auth == "none":
            return plain
        if self.auth == "iam":
            return aws.signed(_SERVICE, method, f"{self.url}{path}", body, plain)
        token = os.environ.get(TOKEN)
        if not token:
            raise InputError(f"the API at {self.url} wants a token: give one in {TOKEN}")
        return plain | {"Authorization": f"Bearer {token}"}

    def curl(self, body: str) -> str:
        """A command that asks for one prediction, ready for a shell; secrets stay in variables."""
        headers = ["content-type: application/json"]
        sign = ""
        if self.auth == "iam":
            sign = (
                f'--aws-sigv4 "aws:amz:{aws.region()}:{_SERVICE}" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
            )
            headers.append("x-amz-security-token: $AWS_SESSION_TOKEN")
        if self.auth == "jwt":
            headers.append(f"authorization: Bearer ${TOKEN}")
        given = " ".join(f'-H "{header}"' for header in headers)
        return f"curl {self.url}/predict {sign}{given} -d '{body}'"


def auth_mode(text: str) -> AuthMode:
    """The mode that a stack's output names.

    Raises:
        CloudError: It names none of them.
    """
    if text in {"iam", "jwt", "none"}:
        return text  # type: ignore[return-value]
    raise CloudError(f"the stack says AuthMode {text!r}, expected iam, jwt or none: deploy it again")
