"""The published JSON Schema of `segments.yaml`."""

from typing import Any

from segments.definitions.model import Definitions


def definitions_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that editors and CI can check a definitions file with.

    >>> definitions_schema()["title"]
    'flink-segments definitions'
    """
    schema = Definitions.model_json_schema(by_alias=True)
    condition = schema["$defs"]["Condition"]
    condition["minProperties"] = condition["maxProperties"] = 1
    for bound in ("gt", "gte", "lt", "lte", "eq"):  # a session's duration compares with durations
        schema["$defs"]["Session"]["properties"][bound]["anyOf"].append({"type": "string"})
    schema["$defs"]["Step"]["oneOf"] = [{"required": ["event"]}, {"required": ["not"]}]
    for name in ("Selector", "Predicate"):
        schema["$defs"][name].pop("title", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_shorthands(schema),
        "title": "flink-segments definitions",
    }


def _shorthands(value: Any) -> Any:
    """Allow what the loader allows: a name for a selector, one text for a list of names, a value for a predicate."""
    if isinstance(value, list):
        return [_shorthands(item) for item in value]
    if not isinstance(value, dict):
        return value
    names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    if value.get("$ref") == "#/$defs/Selector":
        return {"anyOf": [{"$ref": "#/$defs/Selector"}, *names["anyOf"]]}
    if value.get("$ref") == "#/$defs/Step":
        return {"anyOf": [{"$ref": "#/$defs/Step"}, *names["anyOf"]]}
    if value.get("$ref") == "#/$defs/Predicate":
        return {"anyOf": [{"$ref": "#/$defs/Predicate"}, {"type": ["string", "number", "boolean"]}]}
    if value.get("title") == "Event":
        return names
    return {key: _shorthands(item) for key, item in value.items() if not (key == "default" and item is None)}
