"""Makes an example out of a JSON schema: its own examples first, then the plainest value that fits."""

from collections.abc import Mapping
from typing import Any

_PLAIN: dict[str, Any] = {
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "string": "…",
    "null": None,
}


def sample(schema: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a value that fits `schema`; `known` holds what `#/components/schemas/NAME` points at."""
    if "$ref" in schema:
        return sample(known[schema["$ref"].rpartition("/")[2]], known)
    for key in ("examples", "enum"):
        if key in schema:
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], known)
    if schema.get("type") == "array":
        return [sample(schema["items"], known)]
    if schema.get("type") == "object":
        return _object(schema, known)
    return _PLAIN.get(schema.get("type", "null"))


def _object(schema: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    required = schema.get("required", [])
    parts = schema.get("properties", {})
    return {name: sample(part, known) for name, part in parts.items() if name in required}
