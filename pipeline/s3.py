"""An S3 address -> a bucket whose objects are replaced only if nobody else replaced them first."""

import re
from contextlib import AbstractContextManager
from typing import Any

from pipeline import aws
from pipeline.errors import RegistryError

_TRIES = 4

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*?))?/?")

_TAKEN, _BUSY, _GONE = "PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"


class Bucket:
    """A prefix in S3, its errors told as ours and without a secret.

    Raises:
        RegistryError: The address is none of S3's.
    """

    def __init__(self, url: str) -> None:
        found = _ADDRESS.fullmatch(url)
        if not found:
            raise RegistryError("the place of a registry in S3 is written s3://bucket/prefix, without keys or a host")
        self.name, prefix = found[1], found[2] or ""
        self.prefix = f"{prefix}/" if prefix else ""
        self.url = f"s3://{self.name}/{prefix}".rstrip("/")
        with self._told("opened"):
            self._client: Any = aws.client("s3")

    def get(self, key: str) -> tuple[bytes, str] | None:
        """An object's bytes and ETag; None if there is none."""
        with self._told("read"):
            try:
                found = self._client.get_object(Bucket=self.name, Key=self.prefix + key)
                return found["Body"].read(), found["ETag"]
            except self._client.exceptions.ClientError as error:
                if aws.code(error) == _GONE:
                    return None
                raise

    def put(self, key: str, body: bytes, replaces: str | None) -> str | None:
        """Write an object if it is still the one with the ETag `replaces`, None for: if there is none.

        Returns:
            The new ETag; None if it is another one by now, and nothing was written.
        """
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        with self._told("written"):
            for attempt in range(_TRIES):
                try:
                    done = self._client.put_object(Bucket=self.name, Key=self.prefix + key, Body=body, **condition)
                    return str(done["ETag"])
                except self._client.exceptions.ClientError as error:
                    if aws.code(error) in {_TAKEN, _GONE}:
                        return None
                    if aws.code(error) != _BUSY or attempt == _TRIES - 1:
                        raise
        return None

    def _told(self, what: str) -> AbstractContextManager[None]:
        advice = {
            "NoSuchBucket": f"there is no bucket {self.name}: create it, or correct the address",
            _BUSY: "somebody else is writing the same object: try again",
        }
        needs = "s3:GetObject, s3:PutObject and s3:ListBucket"
        return aws.aws_errors(f"{self.url} cannot be {what}", advice, needs, RegistryError)
