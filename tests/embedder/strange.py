"""GGUF files that are sound, but no model for this program."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def llama(path: Path) -> None:
    """A whole llama model of one tiny layer, without a vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    width, rows = 32, 64
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(rows)
    writer.add_tokenizer_model("no_vocab")
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (rows, width),
        "output_norm": (width,),
        "output": (rows, width),
        "blk.0.attn_norm": (width,),
        "blk.0.ffn_norm": (width,),
    }
    parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes |= {f"blk.0.{part}": (width, width) for part in parts}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.ones(shape, dtype=np.float32))
    _finish(writer)


def empty(path: Path) -> None:
    """A BERT that says nothing of itself and has no weights."""
    _finish(gguf.GGUFWriter(path, "bert"))


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
