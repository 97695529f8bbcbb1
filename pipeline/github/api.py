"""A request to GitHub's API -> its answer, page by page for lists, or an error that names request and reason."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pipeline.errors import SourceError

if TYPE_CHECKING:
    from requests import Response

AUTHOR = "github-actions[bot]"
"""The author that GitHub shows for everything written with a workflow's own token."""

CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 30, 3
_PAGE = 100


class GitHubError(SourceError):
    """GitHub refused a request.

    Args:
        order: The request's method and path.
        status: Of the answer.
        reason: GitHub's own words.
    """

    def __init__(self, order: str, status: int, reason: str) -> None:
        super().__init__(f"GitHub refuses {order}: {status} {reason}".rstrip())
        self.status, self.reason = status, reason


class GitHub:
    """A session with GitHub.

    Args:
        api: Address of GitHub's API, such as https://api.github.com.
        token: A token with the rights that the requests need.
    """

    def __init__(self, api: str, token: str) -> None:
        from requests import Session
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self._api, self._session = api.rstrip("/"), Session()
        self._session.trust_env = False  # otherwise requests would replace the token by one from .netrc
        retry = Retry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=("GET",))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def request(self, method: str, path: str, **content: Any) -> Any:
        """The answer to one request; None if it has no content.

        Raises:
            GitHubError: GitHub refuses the request.
            SourceError: GitHub cannot be reached.
        """
        import requests

        try:
            response = self._session.request(
                method, f"{self._api}{path}", timeout=(CONNECT_SECONDS, READ_SECONDS), **content
            )
            response.raise_for_status()
            return response.json() if response.content else None
        except requests.HTTPError as error:
            raise GitHubError(f"{method} {path}", error.response.status_code, _reason(error.response)) from None
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{method} {path}: GitHub cannot be reached ({type(error).__name__})") from None

    def items(self, path: str, **query: object) -> Iterator[Any]:
        """Every item of a list, page by page."""
        page = 1
        while items := self.request("GET", path, params={**query, "per_page": _PAGE, "page": page}):
            yield from items
            if len(items) < _PAGE:
                return
            page += 1


def _reason(response: "Response") -> str:
    """The words of a refusal: its message, and of a failed validation each reason."""
    try:
        content = response.json()
        errors = [str(error["message"]) for error in content.get("errors", ()) if error.get("message")]
        return ": ".join([str(content["message"]), *errors])
    except (ValueError, LookupError, TypeError, AttributeError):
        return response.reason


def is_from_workflow(item: Mapping[str, Any], marker: str) -> bool:
    """Whether a workflow wrote this comment or issue, and its text begins with the marker."""
    return item["user"]["login"] == AUTHOR and str(item["body"]).startswith(marker)
