"""Read a small JSON file of a model, with typed errors. It does not know what the values mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pi_rag.errors import ModelCorrupt, ModelUnsupported

JSON_BYTES_MAX = 64 * 1024 * 1024
"""The tokenizer of a large vocabulary has some MiB; more is not a tokenizer."""


def read_json(path: Path) -> Any:
    """What the file holds. Raises ModelUnsupported when there is none, ModelCorrupt when it is no JSON."""
    if not path.is_file():
        raise ModelUnsupported(f"The model's folder has no file {path.name}: {path}.")
    try:
        if path.stat().st_size > JSON_BYTES_MAX:
            raise ModelCorrupt(f"{path} is larger than any file of its kind.")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelCorrupt(f"{path} cannot be read: {error}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises as `read_json`, and ModelCorrupt when it holds anything else."""
    tree = read_json(path)
    if not isinstance(tree, dict):
        raise ModelCorrupt(f"{path} does not hold a JSON object.")
    return tree


def object_at(path: Path, tree: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The object found by following `keys` down from `tree`. Raises ModelCorrupt when there is none."""
    found: Any = tree
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise ModelCorrupt(f"{path} has no object at {'.'.join(keys)}.")
    return found


def whole_number(path: Path, tree: Mapping[str, Any], key: str, high: int) -> int:
    """The number under `key`, from 1 to `high`. Raises ModelCorrupt when it is anything else."""
    value = tree.get(key)
    if type(value) is not int or not 1 <= value <= high:
        raise ModelCorrupt(f"{path} has {value!r} as {key}; it must be from 1 to {high}.")
    return value
