"""Two OpenAPI documents in -> what a client of the old one could no longer rely on, one line each.

What a client sends may only become freer, what it receives may only become richer. Knows what this API uses: objects,
arrays, enums, ranges, references.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def breaking(old: Json, new: Json) -> list[str]:
    """Every breaking change from the old document to the new one, sorted."""
    return sorted(set(_paths(old, new)))


def major(document: Json) -> int:
    """The first number of the API's version."""
    return int(document["info"]["version"].partition(".")[0])


def _paths(old: Json, new: Json) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, before in methods.items():
            after = new["paths"].get(path, {}).get(method)
            where = f"{method.upper()} {path}"
            if after is None:
                yield f"{where}: is gone"
                continue
            for kind, media in before.get("requestBody", {}).get("content", {}).items():
                now = after.get("requestBody", {}).get("content", {}).get(kind)
                if now is None:
                    yield f"{where}: no longer takes {kind}"
                else:
                    yield from _Sent(old, new).differ(f"{where} body", media["schema"], now["schema"])
            for status, response in before["responses"].items():
                now = after["responses"].get(status)
                if now is None:
                    yield f"{where}: no longer documents {status}"
                    continue
                for kind, media in response.get("content", {}).items():
                    if kind not in now.get("content", {}):
                        yield f"{where} {status}: no longer answers {kind}"
                        continue
                    schema = now["content"][kind]["schema"]
                    yield from _Received(old, new).differ(f"{where} {status}", media["schema"], schema)


class _Compared:
    """Compares schemas, each resolved in its own document."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str]] = set()

    def differ(self, where: str, before: Json, after: Json) -> Iterator[str]:
        """What broke below one place."""
        references = (before.get("$ref", where), after.get("$ref", where))
        if references in self._seen:
            return
        self._seen.add(references)
        before, after = _resolved(self._old, before), _resolved(self._new, after)
        if before.get("type") != after.get("type") or _kinds(before) != _kinds(after):
            yield f"{where}: is another type"
            return
        yield from self.narrowed(where, before, after)
        for name in sorted(before.get("properties", {}).keys() & after.get("properties", {}).keys()):
            yield from self.differ(f"{where}.{name}", before["properties"][name], after["properties"][name])
        for inner in ("items", "additionalProperties"):
            if isinstance(before.get(inner), dict) and isinstance(after.get(inner), dict):
                yield from self.differ(f"{where}[]", before[inner], after[inner])

    def narrowed(self, where: str, before: Json, after: Json) -> Iterator[str]:
        """What broke at one place, not below it."""
        raise NotImplementedError


class _Sent(_Compared):
    def narrowed(self, where: str, before: Json, after: Json) -> Iterator[str]:
        for name in sorted(set(after.get("required", ())) - set(before.get("required", ()))):
            yield f"{where}.{name}: must now be sent"
        if after.get("additionalProperties") is False:
            for name in sorted(set(before.get("properties", ())) - set(after.get("properties", ()))):
                yield f"{where}.{name}: may no longer be sent"
        for gone in [value for value in before.get("enum", ()) if "enum" in after and value not in after["enum"]]:
            yield f"{where}: no longer takes {gone!r}"
        if "enum" in after and "enum" not in before:
            yield f"{where}: takes only some values now"
        for limit, sign in (("minimum", 1), ("minItems", 1), ("maximum", -1), ("maxItems", -1)):
            if limit in after and (limit not in before or sign * after[limit] > sign * before[limit]):
                yield f"{where}: {limit} is {after[limit]}, was {before.get(limit, 'free')}"


class _Received(_Compared):
    def narrowed(self, where: str, before: Json, after: Json) -> Iterator[str]:
        for name in sorted(set(before.get("properties", ())) - set(after.get("properties", ()))):
            yield f"{where}.{name}: is no longer answered"
        for name in sorted(set(before.get("required", ())) & set(after.get("properties", ()))):
            if name not in after.get("required", ()):
                yield f"{where}.{name}: is not always answered any more"
        for new in [value for value in after.get("enum", ()) if "enum" in before and value not in before["enum"]]:
            yield f"{where}: may now answer {new!r}"


def _resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kinds(schema: Json) -> list[str]:
    return sorted(str(option.get("type", option.get("$ref"))) for option in schema.get("anyOf", ()))
