"""A value that fits a JSON schema, always the same one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 16
_STRINGS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}


def sample(schema: Any) -> Any:
    """Make a value for `schema`, the subset that structured outputs and tools use ($ref, enum, anyOf, allOf, …)."""
    return _value(schema, schema if isinstance(schema, Mapping) else {}, 0)


def _value(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    if "$ref" in schema:
        return _value(_resolve(str(schema["$ref"]), root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _value(schema[key][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        return {name: _value(part, root, depth + 1) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [_value(schema.get("items", {}), root, depth + 1) for _ in range(max(1, int(schema.get("minItems", 1))))]
    return _scalar(str(kind), schema)


def _scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    if kind == "string":
        text = _STRINGS.get(str(schema.get("format")), "simulated ✓")
        return text.ljust(int(schema.get("minLength", 0)), ".")[: int(schema.get("maxLength", len(text) + 999))]
    if kind in {"integer", "number"}:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 6) + 1)
        return int(least) if kind == "integer" else float(least)
    return True if kind == "boolean" else None


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        place = place.get(step) if isinstance(place, Mapping) else None
    return place
