"""What a GGUF file says about itself, read from its header alone.

The header is foreign input: every length in it is held against the file's size before it is believed, so a
damaged or hostile file costs a typed error, never the process. The `gguf` package's own reader trusts those
lengths and can run forever on a few wrong bytes, which is why the header is read here.

It does not look at the weights; llama.cpp does, in a process of its own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, LlamaFileType

from pi_rag.errors import ModelCorrupt, ModelUnsupported, PathNotFound

QUERY_PREFIX_KEY = "pi_rag.query_prefix"
TOKENS_MAX_KEY = "pi_rag.tokens_max"
"""GGUF has no words for these two; our own keys let a file that is carried elsewhere keep them."""

STRING_BYTES_MAX = 1024 * 1024
ENTRIES_MAX = 65_536
DIMENSIONS_MAX = 65_536
"""Far above any embedder; they bound the work that a wrong number in a header can cause."""

_FORMATS = {
    GGUFValueType.UINT8: "<B",
    GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H",
    GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<?",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT64: "<d",
}
_POOLINGS: dict[int, Literal["cls", "mean"]] = {1: "mean", 2: "cls"}


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """What is needed to use a BERT embedder and to name it."""

    dimensions: int
    pooling: Literal["cls", "mean"]
    tokens_max: int
    query_prefix: str | None
    """None when the file does not say: it was not converted by us."""
    quantisation: str
    licence: str


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of the tensor list. `shape` has the row length first, as GGUF writes it."""

    shape: tuple[int, ...]
    kind: GGMLQuantizationType


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata and tensor list. Of an array only its length is kept."""

    values: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def read_facts(path: Path) -> GgufFacts:
    """The facts of a BERT embedder.

    Raises PathNotFound, ModelCorrupt for what is not a whole GGUF, ModelUnsupported for any other model.
    """
    header = read_header(path)
    values = header.values
    _check_is_bert(path, values)
    dimensions = _number(path, values, "bert.embedding_length", DIMENSIONS_MAX)
    ours = TOKENS_MAX_KEY in values
    window = _number(path, values, "bert.context_length", DIMENSIONS_MAX)
    pooling = values.get("bert.pooling_type")
    if pooling not in _POOLINGS:
        raise ModelUnsupported(f"{path} asks for pooling type {pooling!r}, not for cls or mean.")
    _check_embeddings(path, header, dimensions)
    return GgufFacts(
        dimensions=dimensions,
        pooling=_POOLINGS[pooling],
        tokens_max=min(window, _number(path, values, TOKENS_MAX_KEY, DIMENSIONS_MAX) if ours else window),
        # An empty prefix is not written, so its absence means something only in a file of ours.
        query_prefix=str(values.get(QUERY_PREFIX_KEY, "")) if ours else None,
        quantisation=_quantisation(header),
        licence=str(values.get("general.license") or "not stated"),
    )


def read_header(path: Path) -> Header:
    """The whole header. Raises PathNotFound, and ModelCorrupt for what is not a whole GGUF."""
    try:
        if not path.exists():
            raise PathNotFound(f"{path} does not exist.")
        if not path.is_file():  # Opening a pipe would wait for ever.
            raise ModelCorrupt(f"{path} is not a regular file.")
        with path.open("rb") as file:
            return _parsed(_Cursor(path, file, path.stat().st_size))
    except OSError as error:
        raise ModelCorrupt(f"{path} cannot be read: {error}.") from error


class _Cursor:
    """Reads forward through a file and never past its end."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path = path
        self.size = size
        self.place = 0
        self._file = file

    def corrupt(self, why: str) -> ModelCorrupt:
        return ModelCorrupt(f"{self.path} is not a whole GGUF file: {why}.")

    def take(self, count: int) -> bytes:
        data = self._file.read(count) if count <= self.size - self.place else b""
        if len(data) != count:
            raise self.corrupt("it ends in the middle of its header")
        self.place += count
        return data

    def skip(self, count: int) -> None:
        if count > self.size - self.place:
            raise self.corrupt("it ends in the middle of its header")
        self.place = self._file.seek(self.place + count)

    def scalar(self, kind: GGUFValueType) -> Any:
        layout = _FORMATS[kind]
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def count(self, maximum: int, of: str) -> int:
        found = int(self.scalar(GGUFValueType.UINT64))
        if found > maximum:
            raise self.corrupt(f"it claims {found} {of}")
        return found

    def string(self) -> str:
        data = self.take(self.count(STRING_BYTES_MAX, "bytes in one string"))
        return data.decode("utf-8", errors="replace")

    def kind(self) -> GGUFValueType:
        number = self.scalar(GGUFValueType.UINT32)
        try:
            return GGUFValueType(number)
        except ValueError:
            raise self.corrupt(f"it holds a value of unknown type {number}") from None


def _parsed(cursor: _Cursor) -> Header:
    if cursor.take(4) != b"GGUF":
        raise cursor.corrupt("it does not begin with the letters GGUF")
    version = cursor.scalar(GGUFValueType.UINT32)
    if version not in (2, 3):
        raise ModelUnsupported(f"{cursor.path} is GGUF version {version}; only 2 and 3 are known.")
    tensors_total = cursor.count(ENTRIES_MAX, "tensors")
    values: dict[str, Any] = {}
    for _ in range(cursor.count(ENTRIES_MAX, "values")):
        key = cursor.string()
        values[key] = _value(cursor, cursor.kind())
    tensors, data_bytes = _tensors(cursor, tensors_total)
    _check_data_is_there(cursor, values, data_bytes)
    return Header(values, tensors)


def _value(cursor: _Cursor, kind: GGUFValueType) -> Any:
    if kind is GGUFValueType.STRING:
        return cursor.string()
    if kind is not GGUFValueType.ARRAY:
        return cursor.scalar(kind)
    items = cursor.kind()
    length = cursor.count(cursor.size, "items in an array")
    if items is GGUFValueType.STRING:
        for _ in range(length):
            cursor.skip(cursor.count(STRING_BYTES_MAX, "bytes in one string"))
    elif items in _FORMATS:
        cursor.skip(length * struct.calcsize(_FORMATS[items]))
    else:
        raise cursor.corrupt("it holds arrays within arrays")
    return length


def _tensors(cursor: _Cursor, total: int) -> tuple[dict[str, Tensor], int]:
    """The tensors by name, and how far behind the header the last of them ends, in bytes."""
    tensors: dict[str, Tensor] = {}
    end = 0
    for _ in range(total):
        name = cursor.string()
        dimensions = cursor.scalar(GGUFValueType.UINT32)
        if dimensions > 4:
            raise cursor.corrupt(f"the tensor {name!r} has {dimensions} dimensions")
        shape = tuple(cursor.scalar(GGUFValueType.UINT64) for _ in range(dimensions))
        tensor = Tensor(shape, _tensor_kind(cursor, name))
        end = max(end, cursor.scalar(GGUFValueType.UINT64) + _bytes_of(cursor, name, tensor))
        tensors[name] = tensor
    return tensors, end


def _tensor_kind(cursor: _Cursor, name: str) -> GGMLQuantizationType:
    number = cursor.scalar(GGUFValueType.UINT32)
    try:
        return GGMLQuantizationType(number)
    except ValueError:
        raise ModelUnsupported(f"{cursor.path}: the tensor {name!r} is of unknown type {number}.") from None


def _bytes_of(cursor: _Cursor, name: str, tensor: Tensor) -> int:
    block, block_bytes = GGML_QUANT_SIZES[tensor.kind]
    if not tensor.shape or tensor.shape[0] % block:
        raise cursor.corrupt(f"the rows of the tensor {name!r} do not divide into its blocks")
    return math.prod(tensor.shape) // block * block_bytes


def _check_data_is_there(cursor: _Cursor, values: Mapping[str, Any], data_bytes: int) -> None:
    alignment = values.get("general.alignment", 32)
    if type(alignment) is not int or alignment < 1:
        raise cursor.corrupt(f"its alignment is {alignment!r}")
    start = -(-cursor.place // alignment) * alignment
    if start + data_bytes > cursor.size:
        raise cursor.corrupt(f"{start + data_bytes - cursor.size} bytes of its weights are missing")


def _check_is_bert(path: Path, values: Mapping[str, Any]) -> None:
    architecture, tokenizer = values.get("general.architecture"), values.get("tokenizer.ggml.model")
    if architecture != "bert":
        raise ModelUnsupported(f"{path} holds a model of architecture {architecture!r}, not bert.")
    if tokenizer != "bert":
        raise ModelUnsupported(f"{path} has a tokenizer of type {tokenizer!r}, not the WordPiece of BERT.")


def _check_embeddings(path: Path, header: Header, dimensions: int) -> None:
    """llama.cpp would refuse such a file too, but later, and in a worker's log."""
    tokens = header.values.get("tokenizer.ggml.tokens")
    embeddings = header.tensors.get("token_embd.weight")
    if embeddings is None or embeddings.shape != (dimensions, tokens):
        raise ModelCorrupt(f"The embeddings of {path} are not {tokens} rows of {dimensions} numbers.")


def _number(path: Path, values: Mapping[str, Any], key: str, high: int) -> int:
    value = values.get(key)
    if type(value) is not int or not 1 <= value <= high:
        raise ModelCorrupt(f"{path} has {value!r} as {key}; it must be from 1 to {high}.")
    return value


def _quantisation(header: Header) -> str:
    try:
        kind = LlamaFileType(header.values.get("general.file_type", LlamaFileType.GUESSED))
        if kind is not LlamaFileType.GUESSED:
            return kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        pass  # A newer llama.cpp wrote it; the tensors still tell.
    return header.tensors["token_embd.weight"].kind.name
