"""JSON schemas as agents' programs can read them: no references, no unions with null, no titles. Pure.

Some clients do not follow `$ref`, and some refuse what they do not know; a model pays for every word.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_PLAIN = {"array": 2, "string": 1}


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """The schema of what is given, or of an answer without its nulls.

    Of what may be given in several ways the plainest is told; the others are taken too.
    """
    given = shape.model_json_schema(mode="validation")
    flat: dict[str, Any] = _flat(given, given.get("$defs", {}))
    flat.pop("description", None)
    return flat


def outline(schema: dict[str, Any], levels: int = 2) -> dict[str, Any]:
    """The same, so many objects deep; what lies deeper is an object that is told of no further.

    Some clients show a model the schema of an answer, word by word. What it holds it sees when it has one.
    """
    if schema.get("type") == "array" and "items" in schema:
        return schema | {"items": outline(schema["items"], levels)}
    if "properties" not in schema:
        return schema
    if levels == 0:
        return {name: value for name, value in schema.items() if name in {"type", "description"}}
    inner = {name: outline(each, levels - 1) for name, each in schema["properties"].items()}
    return schema | {"properties": inner}


def _flat(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_flat(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: value for name, value in node.items() if name != "$defs"}
    if "anyOf" in node:
        node = _plainest(node)
    if "$ref" in node:
        meant = definitions[node.pop("$ref").rpartition("/")[2]]
        node = {name: value for name, value in meant.items() if name != "description"} | node
    if isinstance(node.get("title"), str):
        del node["title"]
    return {name: _inner(name, value, definitions) for name, value in node.items()}


def _inner(name: str, value: Any, definitions: dict[str, Any]) -> Any:
    """Below `properties` stand names, and one of them may well be `title`."""
    if name == "properties":
        return {each: _flat(schema, definitions) for each, schema in value.items()}
    return value if name in {"default", "enum", "const"} else _flat(value, definitions)


def _plainest(node: dict[str, Any]) -> dict[str, Any]:
    """Several rather than one, words rather than numbers, and no null: what is not there is left out."""
    choices = [each for each in node["anyOf"] if each != {"type": "null"}]
    rest = {name: value for name, value in node.items() if name != "anyOf"}
    if rest.get("default", 0) is None:
        del rest["default"]
    words = [word for each in choices for word in _words(each)]
    if words:
        return {"type": "string", "enum": words, **rest}
    chosen: dict[str, Any] = max(choices, key=lambda each: _PLAIN.get(each.get("type", ""), 0))
    return chosen | rest


def _words(choice: dict[str, Any]) -> list[Any]:
    """Those that a choice is made of, where it is made of words."""
    return [choice["const"]] if "const" in choice else list(choice.get("enum", ()))
