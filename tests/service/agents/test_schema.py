"""The schemas that agents are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pi_rag.service.agents.schema import outline, schema_of
from pi_rag.service.agents.tools import TOOLS, Tool


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_is_flat(tool: Tool) -> None:
    """No client has to follow a reference or choose between types."""
    for shape in (tool.arguments, tool.answer):
        schema = schema_of(shape)
        text = json.dumps(schema)

        assert schema["type"] == "object"
        assert not any(f'"{word}"' in text for word in ("$ref", "$defs", "anyOf", "oneOf", "null"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_is_not_known_is_said_to_be_refused(tool: Tool) -> None:
    """A client that checks by itself refuses the same as the service."""
    assert schema_of(tool.arguments)["additionalProperties"] is False


def test_an_argument_called_title_stays() -> None:
    """Only the titles that the library makes up are left out."""
    ingest = next(tool for tool in TOOLS if tool.name == "ingest")

    assert schema_of(ingest.arguments)["properties"]["title"]["type"] == "string"


def test_ten_tools_take_little_of_a_models_room() -> None:
    """All that a client may show a model of them is less than 32 KiB of JSON."""
    told = [schema_of(tool.arguments) for tool in TOOLS] + [outline(schema_of(tool.answer)) for tool in TOOLS]

    assert sum(len(json.dumps(each)) for each in told) < 32 * 1024


def test_an_outline_is_two_objects_deep() -> None:
    """A list is no level of its own; what lies deeper keeps its description."""
    deep = _holding("c", {"type": "string"}) | {"description": "told"}
    schema = _holding("a", {"type": "array", "items": _holding("b", deep)})

    told = {"type": "object", "description": "told"}
    assert outline(schema) == _holding("a", {"type": "array", "items": _holding("b", told)})


def _holding(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: inner}}
