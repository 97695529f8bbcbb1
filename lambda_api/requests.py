"""A request's body in -> validated records out, or a `RequestError` that says what and where, and never the value.

JSON goes straight from bytes to records, without a Python object in between: that is the quickest way, and NaN,
Infinity, 1e400, bytes that are no text and JSON a hundred thousand levels deep get the answer of any other bad input.
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from lambda_api.contract import Record, columns, is_blank_row, parse_number

SHOWN_PROBLEMS = 20
SHOWN_CHARACTERS = 64
"""Of an unknown column's name."""

JSON, CSV = "application/json", "text/csv"

_RECORDS = TypeAdapter(list[Record])
_NUMBERS = frozenset(column.name for column in columns() if column.is_number)


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(defer_build=True)

    type: str = Field(description="Kind of problem, for programs", examples=["less_than_equal"])
    loc: list[str | int] = Field(description="Where, from the outside in", examples=[["body", "Height"]])
    msg: str = Field(description="What is expected, for people", examples=["Input should be less than or equal to 2.5"])


class ErrorBody(BaseModel):
    """Why a request was not answered."""

    model_config = ConfigDict(defer_build=True)

    detail: list[Problem] = Field(description=f"The first {SHOWN_PROBLEMS} problems")
    total: int = Field(description="All problems", examples=[1])
    request_id: str = Field(description="Name it when you report a fault", examples=["f1c4a0de93b84d25"])


class Batch(BaseModel):
    """Records to be answered together."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    records: Annotated[list[Record], Field(min_length=1)]


class RequestError(Exception):
    """A request that is answered with a 4xx.

    Args:
        status: The HTTP status.
        problems: What is wrong; at least one.
    """

    def __init__(self, status: int, problems: Sequence[Problem]) -> None:
        super().__init__(f"{status}, {len(problems)} problems")
        self.status = status
        self.problems = problems

    def kinds(self) -> dict[str, int]:
        """How often each contract column had each kind of problem; names that a client made up are not among them."""
        counts: dict[str, int] = {}
        for problem in self.problems:
            name = next((part for part in problem.loc if part in Record.model_fields), "request")
            counts[f"{name}:{problem.type}"] = counts.get(f"{name}:{problem.type}", 0) + 1
        return counts


def request_error(status: int, kind: str, loc: Sequence[str | int], msg: str) -> RequestError:
    """The error of a request with one problem."""
    return RequestError(status, [Problem(type=kind, loc=list(loc), msg=msg)])


def _invalid(error: ValidationError, *before: str | int) -> RequestError:
    problems = [
        Problem(
            type=item["type"],
            loc=[*before, *(part[:SHOWN_CHARACTERS] if isinstance(part, str) else part for part in item["loc"])],
            msg=item["msg"],
        )
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return RequestError(422, problems)


class Reader:
    """Reads bodies within limits.

    Args:
        max_bytes: Bytes that a body may have.
        max_records: Records that a batch may have.
    """

    def __init__(self, max_bytes: int, max_records: int) -> None:
        self._max_bytes = max_bytes
        self._max_records = max_records
        self.batch_type: type[Batch] = create_model(
            "Batch",
            __base__=Batch,
            __doc__=Batch.__doc__,
            records=(Annotated[list[Record], Field(min_length=1, max_length=max_records)], ...),
        )

    async def body(self, stream: AsyncIterator[bytes]) -> bytes:
        """The whole body; more than the limit is not even kept.

        Raises:
            RequestError: 413, it is too large.
        """
        parts, size = [], 0
        async for part in stream:
            size += len(part)
            if size > self._max_bytes:
                raise request_error(413, "too_large", ["body"], f"Body should have at most {self._max_bytes} bytes")
            parts.append(part)
        return b"".join(parts)

    def one(self, content_type: str, body: bytes) -> Record:
        """The one record in a JSON body.

        Raises:
            RequestError: 415, it is not declared as JSON; 422, it is not a record.
        """
        _expect(content_type, JSON)
        try:
            return Record.model_validate_json(body)
        except ValidationError as error:
            raise _invalid(error, "body") from None

    def batch(self, content_type: str, body: bytes) -> list[Record]:
        """The records in a JSON or CSV body, in its order.

        Raises:
            RequestError: 415, it is declared as neither; 422, one of them is not a record, or there are none or too
                many.
        """
        if _expect(content_type, JSON, CSV) == JSON:
            try:
                return self.batch_type.model_validate_json(body).records
            except ValidationError as error:
                raise _invalid(error, "body") from None
        try:
            return _RECORDS.validate_python(_csv_rows(body, self._max_records))
        except ValidationError as error:
            raise _invalid(error, "body", "records") from None


def _expect(content_type: str, *allowed: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in allowed:
        return kind
    wanted = " or ".join(allowed)
    raise request_error(415, "content_type", ["header", "content-type"], f"Content-Type should be {wanted}")


def _csv_rows(body: bytes, limit: int) -> list[dict[str, Any]]:
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        rows = (row for row in reader if not is_blank_row(row))
        header = next(rows, [])
        if len(header) != len(set(header)):
            raise request_error(422, "csv_header", ["body"], "CSV header should name each column once")
        records: list[dict[str, Any]] = []
        for place, row in enumerate(rows):
            if place == limit:
                raise request_error(422, "too_long", ["body", "records"], f"CSV should have at most {limit} records")
            if len(row) != len(header):
                msg = f"Row should have the header's {len(header)} cells"
                raise request_error(422, "csv_cells", ["body", "records", place], msg)
            records.append(dict(zip(header, map(_cell, header, row), strict=True)))
    except UnicodeDecodeError:
        raise request_error(422, "csv_text", ["body"], "CSV should be UTF-8 text") from None
    except csv.Error:
        msg = "Body should be CSV: a header and rows of as many cells"
        raise request_error(422, "csv_syntax", ["body"], msg) from None
    if not records:
        raise request_error(422, "too_short", ["body", "records"], "CSV should have a header and at least 1 record")
    return records


def _cell(name: str, text: str) -> str | float:
    return parse_number(text) if name in _NUMBERS else text
