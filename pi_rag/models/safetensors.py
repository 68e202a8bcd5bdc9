"""Read a safetensors file: a JSON header, then the tensors' bytes.

The format is eight bytes of header length, the header, the data. Reading it takes less code than a dependency
would take of care. It knows no model: names and shapes are the caller's business.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pi_rag.errors import ModelCorrupt, ModelUnsupported

if TYPE_CHECKING:
    import numpy.typing as npt

HEADER_BYTES_MAX = 100_000_000
"""The bound of the format's own reader. A larger header is an attack or damage."""

_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


class SafeTensors:
    """A safetensors file, mapped and not read: a tensor costs RAM only while it is in use."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises ModelUnsupported when there is no file, ModelCorrupt for a damaged one."""
        self.path = path
        self._data, header = _opened(path)
        self._entries = {name: entry for name, entry in header.items() if name != "__metadata__"}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """One tensor as float32 in its own shape.

        Raises ModelCorrupt when it is absent or its place is not in the file, ModelUnsupported when it is not
        of F32, F16 or BF16.
        """
        entry = self._entries.get(name)
        if not isinstance(entry, dict):
            raise ModelCorrupt(f"{self.path} has no tensor {name!r}.")
        dtype, shape, start, end = self._place(name, entry)
        return _as_float32(self._data[start:end], dtype).reshape(shape)

    def _place(self, name: str, entry: dict[str, Any]) -> tuple[str, tuple[int, ...], int, int]:
        dtype = entry.get("dtype")
        if not isinstance(dtype, str) or dtype not in _WIDTHS:
            raise ModelUnsupported(f"The tensor {name!r} of {self.path} is of type {dtype!r}, not a float.")
        shape, offsets = _whole_numbers(entry.get("shape")), _whole_numbers(entry.get("data_offsets"))
        if shape is None or offsets is None or len(offsets) != 2:
            raise ModelCorrupt(f"The tensor {name!r} of {self.path} is not described as it should be.")
        start, end = offsets
        if end - start != math.prod(shape) * _WIDTHS[dtype] or end > len(self._data):
            raise ModelCorrupt(f"The tensor {name!r} of {self.path} does not lie within the file.")
        return dtype, shape, start, end


def _opened(path: Path) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    if not path.is_file():
        raise ModelUnsupported(f"The model's folder has no file {path.name}: {path}.")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(HEADER_BYTES_MAX, path.stat().st_size - 8):
                raise ModelCorrupt(f"{path} is not a whole safetensors file.")
            header = json.loads(file.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no object")
        return np.memmap(path, dtype=np.uint8, mode="r")[8 + length :], header
    except (OSError, ValueError, RecursionError) as error:
        raise ModelCorrupt(f"{path} cannot be read as safetensors: {error}.") from error


def _whole_numbers(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(item) is int and item >= 0 for item in value):
        return tuple(value)
    return None


def _as_float32(raw: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[np.float32]:
    # A copy lies at an even address, which the file does not promise and `view` needs.
    aligned = np.frombuffer(raw.tobytes(), dtype=np.uint8)
    if dtype == "BF16":
        # BF16 is the upper half of a float32.
        return (aligned.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return aligned.view("<f4" if dtype == "F32" else "<f2").astype(np.float32, copy=False)
