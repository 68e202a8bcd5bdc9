"""Promises of models/safetensors.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.safetensors import SafeTensors
from tests.models import seeded

if TYPE_CHECKING:
    import numpy.typing as npt

NUMBERS = np.array([[1.0, -2.5, 0.0], [1024.0, -0.125, 3.0]], np.float32)


def raw(path: Path, header: Any, data: bytes = b"") -> Path:
    """A file with any header at all."""
    packed = json.dumps(header).encode()
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + data)
    return path


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_every_float_is_read_as_float32(tmp_path: Path, dtype: str) -> None:
    """Numbers that all three kinds can hold come back exactly, in their shape."""
    packed: npt.NDArray[Any] = NUMBERS.astype(np.float16 if dtype == "F16" else np.float32)
    if dtype == "BF16":
        packed = (NUMBERS.view(np.uint32) >> 16).astype(np.uint16)
    path = tmp_path / "model.safetensors"
    seeded.write_safetensors(path, {"odd": packed[:1, :1], "numbers": packed}, dtype)
    found = SafeTensors(path).tensor("numbers")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, NUMBERS)


def test_names_are_listed_without_the_metadata(tmp_path: Path) -> None:
    """What the file says about itself is no tensor."""
    seeded.write_safetensors(tmp_path / "file", {"a": NUMBERS, "b": NUMBERS})
    tensors = SafeTensors(tmp_path / "file")
    assert list(tensors) == ["a", "b"]
    assert "a" in tensors
    assert "__metadata__" not in tensors


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        [],
    ],
)
def test_a_tensor_outside_its_file_is_refused(tmp_path: Path, entry: Any) -> None:
    """Offsets and shapes are held against the file, not believed."""
    path = raw(tmp_path / "file", {"a": entry}, bytes(8))
    with pytest.raises(ModelCorrupt):
        SafeTensors(path).tensor("a")


def test_integers_are_refused(tmp_path: Path) -> None:
    """A quantised original cannot be converted without loss, so it is not."""
    path = raw(tmp_path / "file", {"a": {"dtype": "I8", "shape": [8], "data_offsets": [0, 8]}}, bytes(8))
    with pytest.raises(ModelUnsupported, match="I8"):
        SafeTensors(path).tensor("a")


def test_an_absent_file_is_said_as_such(tmp_path: Path) -> None:
    """A folder without weights is no model."""
    with pytest.raises(ModelUnsupported, match=r"nothing\.safetensors"):
        SafeTensors(tmp_path / "nothing.safetensors")


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_give_typed_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """No content of a file escapes as anything but ModelCorrupt or ModelUnsupported."""
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(data)
    try:
        tensors = SafeTensors(path)
        for name in tensors:
            tensors.tensor(name)
    except (ModelCorrupt, ModelUnsupported):
        pass
