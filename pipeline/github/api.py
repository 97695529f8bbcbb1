"""Calls in -> GitHub's answers, page by page, or one line that says what was asked and why it failed."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pipeline.errors import SourceError

AUTHOR = "github-actions[bot]"
"""Whom GitHub names as the author of what a workflow's own token writes."""

CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 30, 3
_PAGE = 100


class GitHub:
    """A session with GitHub.

    Args:
        api: Address of the interface, such as https://api.github.com.
        token: May do what is asked.
    """

    def __init__(self, api: str, token: str) -> None:
        from requests import Session
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self._api, self._session = api.rstrip("/"), Session()
        self._session.trust_env = False  # no .netrc may replace the token
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

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """The answer to one call; None where GitHub answers without content.

        Raises:
            SourceError: GitHub cannot be reached, or refuses.
        """
        import requests

        try:
            answer = self._session.request(
                method, f"{self._api}{path}", timeout=(CONNECT_SECONDS, READ_SECONDS), **content
            )
            answer.raise_for_status()
            return answer.json() if answer.content else None
        except requests.HTTPError as error:
            raise SourceError(f"GitHub refuses {method} {path}: {error.response.status_code}") from None
        except (requests.RequestException, ValueError) as error:
            raise SourceError(f"{method} {path}: GitHub cannot be reached ({type(error).__name__})") from None

    def each(self, path: str, **query: object) -> Iterator[Any]:
        """Every item of a list, page by page."""
        page = 1
        while items := self.ask("GET", path, params={**query, "per_page": _PAGE, "page": page}):
            yield from items
            if len(items) < _PAGE:
                return
            page += 1


def is_ours(item: Mapping[str, Any], marker: str) -> bool:
    """Whether a workflow wrote a comment or issue, for the purpose that the marker on top of it names."""
    return item["user"]["login"] == AUTHOR and str(item["body"]).startswith(marker)
