"""Environment variables in -> typed settings out, read once; whatever is wrong with them fails at start.

Every variable begins with `OBESITY_`, so that a misspelt one can be told from another program's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

PREFIX = "OBESITY_"

Detail = Literal["full", "metrics", "off"]
"""How much telemetry tells."""


class SettingsError(ValueError):
    """An environment variable has an impossible value or no meaning; the text names it and what it may be."""


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"expected a whole number from {low} to {high}")

    return parse


def _namespace(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._/#:-]{1,255}", text) or text.startswith(("AWS/", ":")):
        raise ValueError("expected letters, digits and . _ / # : -, and not AWS's own AWS/")
    return text


def _switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("expected true or false")
    return text == "true"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return parse


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        scheme, separator, host = origin.partition("://")
        if origin != "*" and not (separator and scheme in {"http", "https"} and host and "/" not in host):
            raise ValueError("expected origins like https://example.org, separated by commas")
    return origins


def _setting(default: Any, parse: Callable[[str], Any]) -> Any:
    return field(default=default, metadata={"parse": parse})


_BESIDE_THE_CODE = Path(__file__).parents[1] / "model"


@dataclass(frozen=True)
class Settings:
    """How the service runs; the variable of each field is its name in capitals after `OBESITY_`.

    Attributes:
        model_dir: Folder of model.onnx and manifest.json.
        max_records: Records that one batch may have. Lambda answers at most 6 MB, about 13,000 answers.
        max_body_bytes: Bytes that one request's body may have.
        cors_origins: Origins whose pages may call the API; none by default, `*` for all.
        cors_credentials: Whether those pages may send cookies; never together with `*`.
        namespace: Where the metrics of the log lines are counted; stacks of one account must not share it.
        telemetry: What is logged of a request. `full`: bins, level, counters and latency; `metrics`: counters and
            latency, so that nothing follows from a person's answers and drift cannot be watched; `off`: nothing but
            bugs.
    """

    model_dir: Path = _setting(_BESIDE_THE_CODE, Path)  # noqa: RUF009  `_setting` returns a dataclass field
    max_records: int = _setting(5_000, _whole_number(1, 10_000))
    max_body_bytes: int = _setting(6_000_000, _whole_number(1_000, 6_000_000))
    cors_origins: tuple[str, ...] = _setting((), _origins)
    cors_credentials: bool = _setting(False, _switch)  # noqa: FBT003  a default, not an argument
    namespace: str = _setting("ObesityLevels", _namespace)
    telemetry: Detail = _setting("full", _one_of(*get_args(Detail)))  # noqa: RUF009  as above


def read(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment names; what it does not name keeps its default.

    Raises:
        SettingsError: A variable that begins with the prefix is unknown, or a value is impossible.
    """
    known = {PREFIX + item.name.upper(): item for item in fields(Settings)}
    if unknown := sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        raise SettingsError(f"{', '.join(unknown)}: unknown setting; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for name, item in known.items():
        if name in environ:
            try:
                values[item.name] = item.metadata["parse"](environ[name])
            except ValueError as error:
                raise SettingsError(f"{name}: got {environ[name]!r}, {error}") from None
    settings = Settings(**values)
    if settings.cors_credentials and "*" in settings.cors_origins:
        raise SettingsError(
            f"{PREFIX}CORS_CREDENTIALS: cannot be true while every origin is allowed: name the origins instead of *"
        )
    return settings
