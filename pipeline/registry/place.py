"""An address -> the place where a registry is kept between runs: a prefix in S3, or a ref in a git repository.

Both give the same promise, compare-and-set: what is there is replaced only if it is still what the caller read.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit

from pipeline.errors import RegistryError
from pipeline.registry.git_ref import GitRef
from pipeline.s3 import Bucket

ORIGIN = "git:origin"
"""Where a workflow keeps the registry if nobody named another place: in the repository itself."""


class Place(Protocol):
    """Named objects; every method raises RegistryError if the place refuses or cannot be reached."""

    @property
    def url(self) -> str:
        """The address, without a secret."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """An object's bytes and its ETag, which is another one after every change; None if there is no such object."""

    def put(self, key: str, body: bytes, replaces: str | None, needs: Collection[str] | None = None) -> str | None:
        """Write an object, only if the present one has the ETag `replaces`; with None, only if there is none.

        Args:
            key: Its name.
            body: Its bytes.
            replaces: The ETag that was read.
            needs: The other objects that it names. A git ref sends all of these with it, and no others; an object that
                is put without naming any waits for one that does.

        Returns:
            The new ETag; None if another writer was first, and nothing was written.
        """


@contextmanager
def open_place(url: str) -> Iterator[Place]:
    """The place at an address: `s3://bucket/prefix` or `git:REMOTE`.

    Raises:
        RegistryError: The address is neither; the text does not repeat it, as it may hold a secret.
    """
    scheme = url.partition(":")[0]
    if scheme == "git":
        with TemporaryDirectory(prefix="registry-") as folder:
            yield GitRef(url, Path(folder))
    elif scheme == "s3":
        yield Bucket(url)
    else:
        raise RegistryError(
            "the address of a registry is s3://bucket/prefix or git:REMOTE, such as git:origin, without keys or tokens"
        )


@dataclass(frozen=True)
class RegistryAddress:
    """Where the registry is kept between runs.

    Attributes:
        url: The address; None if an MLflow server keeps it, or if this machine alone has it.
        notice: What a reader of the run should know about that; empty if nothing.
    """

    url: str | None
    notice: str = ""


def where_kept(given: str | None, environment: Mapping[str, str] = os.environ) -> RegistryAddress:
    """Where the registry is kept: by a server, at the given address, on GitHub in the repository itself, else nowhere.

    Args:
        given: REGISTRY_URL, or what stands for it.
        environment: Where MLFLOW_TRACKING_URI names a server, and GITHUB_ACTIONS a runner.
    """
    server = environment.get("MLFLOW_TRACKING_URI", "")
    if urlsplit(server).scheme not in {"", "file", "sqlite"}:
        ignored = "MLFLOW_TRACKING_URI names a server, which keeps the registry itself: REGISTRY_URL is ignored"
        return RegistryAddress(None, ignored if given else "")
    on_github = environment.get("GITHUB_ACTIONS") == "true"
    return RegistryAddress(given or (ORIGIN if on_github else None))
