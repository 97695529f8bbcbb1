"""An S3 address -> a bucket whose objects are replaced only if they are still what the caller read.

This compare-and-set (`If-Match`, `If-None-Match`) is what keeps two runs from overwriting each other's work.
"""

import re
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any

from pipeline import aws
from pipeline.errors import RegistryError

_TRIES = 4

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*?))?/?")

_TAKEN, _BUSY, _GONE = "PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"


class Bucket:
    """A prefix in an S3 bucket.

    Every method raises RegistryError if S3 refuses or cannot be reached; its text never quotes a secret.

    Raises:
        RegistryError: The address is not `s3://bucket/prefix`.
    """

    def __init__(self, url: str) -> None:
        address = _ADDRESS.fullmatch(url)
        if not address:
            raise RegistryError("the address of a registry in S3 is s3://bucket/prefix, without keys or a host")
        self.name, prefix = address[1], address[2] or ""
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{self.name}/{prefix}".rstrip("/")
        with self._errors("opened"):
            self._client: Any = aws.client("s3")

    def get(self, key: str) -> tuple[bytes, str] | None:
        """An object's bytes and its ETag; None if there is no object with this key."""
        with self._errors("read"):
            try:
                response = self._client.get_object(Bucket=self.name, Key=self.prefix + key)
                return response["Body"].read(), response["ETag"]
            except self._client.exceptions.ClientError as error:
                if aws.error_code(error) == _GONE:
                    return None
                raise

    def put(self, key: str, body: bytes, replaces: str | None, needs: Collection[str] | None = None) -> str | None:
        """Write an object, only if the present one has the ETag `replaces`; with None, only if there is none.

        Args:
            key: Its name.
            body: Its bytes.
            replaces: The ETag that was read.
            needs: The other objects that it names, which are here already: each one is written on its own.

        Returns:
            The new ETag; None if another writer was first, and nothing was written.
        """
        del needs
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        with self._errors("written"):
            for attempt in range(_TRIES):
                try:
                    response = self._client.put_object(Bucket=self.name, Key=self.prefix + key, Body=body, **condition)
                    return str(response["ETag"])
                except self._client.exceptions.ClientError as error:
                    if aws.error_code(error) in {_TAKEN, _GONE}:
                        return None
                    if aws.error_code(error) != _BUSY or attempt == _TRIES - 1:
                        raise
        return None

    def _errors(self, action: str) -> AbstractContextManager[None]:
        advice = {
            "NoSuchBucket": f"there is no bucket {self.name}: create it, or correct the address",
            _BUSY: "somebody else is writing the same object: try again",
        }
        needs = "s3:GetObject, s3:PutObject and s3:ListBucket"
        return aws.aws_errors(f"{self.url} cannot be {action}", advice, needs, RegistryError)
