"""Write a BERT folder as a GGUF file that llama.cpp computes like the original.

Matrices are stored as asked (models/quantisation.py). Norms, biases, position and type embeddings stay F32:
they are small, and precision lost there shows. The pooler and training heads are left out, since an embedding
never passes them. The same folder always gives the same bytes, so that the file's checksum names the model.

It knows neither where the folder came from nor where the file will be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, PoolingType

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.folder import BertShape, ModelFolder
from pi_rag.models.gguf_file import QUERY_PREFIX_KEY, TOKENS_MAX_KEY
from pi_rag.models.safetensors import SafeTensors
from pi_rag.models.vocabulary import Vocabulary, read_vocabulary
from pi_rag.types import Quantisation

if TYPE_CHECKING:
    import numpy.typing as npt

_FILE_TYPES = {
    "F32": LlamaFileType.ALL_F32,
    "F16": LlamaFileType.MOSTLY_F16,
    "BF16": LlamaFileType.MOSTLY_BF16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
}
_POOLING_TYPES = {"cls": PoolingType.CLS, "mean": PoolingType.MEAN}
_LEFT_OUT = ("pooler.", "cls.", "embeddings.position_ids")


def convert(
    folder: ModelFolder,
    target: Path,
    *,
    quantisation: Quantisation = "Q8_0",
    query_prefix: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `folder` as a GGUF to `target`, which is overwritten. `progress` gets (tensors done, of all).

    `query_prefix` None takes the folder's own. Raises ModelUnsupported and ModelCorrupt; what is then at
    `target` is of no use. Raises OSError when it cannot be written.
    """
    weights = SafeTensors(folder.weights_path)
    vocabulary = read_vocabulary(folder.tokenizer_path, folder.shape.vocabulary)
    names = _names_in_file(folder, weights)
    writer = GGUFWriter(target, "bert")
    try:
        _describe(writer, folder, quantisation)
        writer.add_string(QUERY_PREFIX_KEY, folder.query_prefix if query_prefix is None else query_prefix)
        _describe_vocabulary(writer, vocabulary)
        tensors = list(_tensors(folder.shape))
        for done, (source, name, shape) in enumerate(tensors, start=1):
            _add_tensor(writer, name, _checked(weights, names[source], shape), quantisation)
            progress(done, len(tensors))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: GGUFWriter, folder: ModelFolder, quantisation: Quantisation) -> None:
    shape = folder.shape
    writer.add_type("model")
    writer.add_file_type(_FILE_TYPES[quantisation])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.positions)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_eps(shape.norm_epsilon)
    writer.add_causal_attention(False)
    writer.add_pooling_type(_POOLING_TYPES[folder.pooling])
    writer.add_token_type_count(shape.token_types)
    writer.add_uint32(TOKENS_MAX_KEY, folder.tokens_max)


def _describe_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(vocabulary.cls_id)
    writer.add_sep_token_id(vocabulary.sep_id)
    writer.add_unk_token_id(vocabulary.unk_id)
    if vocabulary.pad_id is not None:
        writer.add_pad_token_id(vocabulary.pad_id)
    if vocabulary.mask_id is not None:
        writer.add_mask_token_id(vocabulary.mask_id)


def _tensors(shape: BertShape) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(name in safetensors, name in GGUF, shape) of every tensor of the encoder."""
    width, inner = shape.width, shape.feed_forward
    yield "embeddings.word_embeddings.weight", "token_embd.weight", (shape.vocabulary, width)
    yield "embeddings.position_embeddings.weight", "position_embd.weight", (shape.positions, width)
    yield "embeddings.token_type_embeddings.weight", "token_types.weight", (shape.token_types, width)
    yield from _pair("embeddings.LayerNorm", "token_embd_norm", (width,), width)
    for layer in range(shape.layers):
        theirs, ours = f"encoder.layer.{layer}", f"blk.{layer}"
        yield from _pair(f"{theirs}.attention.self.query", f"{ours}.attn_q", (width, width), width)
        yield from _pair(f"{theirs}.attention.self.key", f"{ours}.attn_k", (width, width), width)
        yield from _pair(f"{theirs}.attention.self.value", f"{ours}.attn_v", (width, width), width)
        yield from _pair(f"{theirs}.attention.output.dense", f"{ours}.attn_output", (width, width), width)
        yield from _pair(f"{theirs}.attention.output.LayerNorm", f"{ours}.attn_output_norm", (width,), width)
        yield from _pair(f"{theirs}.intermediate.dense", f"{ours}.ffn_up", (inner, width), inner)
        yield from _pair(f"{theirs}.output.dense", f"{ours}.ffn_down", (width, inner), width)
        yield from _pair(f"{theirs}.output.LayerNorm", f"{ours}.layer_output_norm", (width,), width)


def _pair(
    theirs: str, ours: str, weight: tuple[int, ...], bias: int
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    yield f"{theirs}.weight", f"{ours}.weight", weight
    yield f"{theirs}.bias", f"{ours}.bias", (bias,)


def _names_in_file(folder: ModelFolder, weights: SafeTensors) -> dict[str, str]:
    """The name each needed tensor has in this file; some authors put `bert.` in front.

    A tensor that we would not use is refused, because the original model does use it.
    """
    names = {name.removeprefix("bert."): name for name in weights}
    needed = {source for source, _, _ in _tensors(folder.shape)}
    strange = [name for name in names if name not in needed and not name.startswith(_LEFT_OUT)]
    if strange:
        raise ModelUnsupported(f"{weights.path} has a tensor that is no part of BERT: {strange[0]!r}.")
    missing = sorted(needed - set(names))
    if missing:
        raise ModelCorrupt(f"{weights.path} lacks the tensor {missing[0]!r}.")
    return names


def _checked(weights: SafeTensors, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    tensor = weights.tensor(name)
    if tensor.shape != shape:
        raise ModelCorrupt(f"The tensor {name!r} of {weights.path} has shape {tensor.shape}, not {shape}.")
    if not np.isfinite(tensor).all():
        raise ModelCorrupt(f"The tensor {name!r} of {weights.path} holds numbers that are not finite.")
    return tensor


def _add_tensor(
    writer: GGUFWriter, name: str, tensor: npt.NDArray[np.float32], quantisation: Quantisation
) -> None:
    kind = _stored_as(name, tensor.shape, quantisation)
    stored: npt.NDArray[Any] = gguf.quants.quantize(tensor, kind)
    writer.add_tensor(name, stored, raw_dtype=kind)


def _stored_as(name: str, shape: tuple[int, ...], quantisation: Quantisation) -> GGMLQuantizationType:
    if len(shape) == 1 or name in {"position_embd.weight", "token_types.weight"}:
        return GGMLQuantizationType.F32
    # Q8_0 shares one scale among 32 numbers of a row; a row that does not divide so keeps half precision.
    if quantisation == "Q8_0" and shape[-1] % 32:
        return GGMLQuantizationType.F16
    return GGMLQuantizationType[quantisation]
