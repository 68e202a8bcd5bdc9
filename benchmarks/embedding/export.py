"""ONNX files of a BERT folder: run by the peers' own Python, and it imports nothing of ours.

    python export.py FOLDER TARGET

FOLDER holds safetensors. TARGET gets `model.onnx` in float32, fused as ONNX Runtime's own tool for BERT does
it (attention, layer norm and GELU as one node each, none of them approximated), `int8.onnx`, made from it by
ONNX Runtime's dynamic quantisation, and the tokenizer's files, as fastembed wants them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def main() -> None:
    """Export and quantise."""
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, target / name)
    _export(folder, target / "plain.onnx")
    _fuse(folder, target / "plain.onnx", target / "model.onnx")
    _quantise(target / "model.onnx", target / "int8.onnx")
    for leftover in target.glob("plain.onnx*"):
        leftover.unlink()


def _export(folder: Path, target: Path) -> None:
    import torch  # type: ignore[import-not-found, unused-ignore]
    import transformers  # type: ignore[import-not-found, unused-ignore]

    model = transformers.BertModel.from_pretrained(
        folder, add_pooling_layer=False, attn_implementation="eager"
    ).eval()

    class Hidden(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """The last hidden state alone, with the inputs that every exported BERT has."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ones = torch.ones(2, 16, dtype=torch.int64)
    torch.onnx.export(
        Hidden(),
        (ones, ones, ones * 0),
        target,
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]},
        dynamo=False,
        opset_version=17,
    )


def _fuse(folder: Path, plain: Path, target: Path) -> None:
    import json

    from onnxruntime.transformers import optimizer  # type: ignore[import-not-found, unused-ignore]

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    fused = optimizer.optimize_model(
        str(plain),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        opt_level=1,
    )
    fused.save_model_to_file(str(target))
    print("fused:", fused.get_fused_operator_statistics())


def _quantise(source: Path, target: Path) -> None:
    import onnx  # type: ignore[import-not-found, unused-ignore]
    from onnxruntime.quantization import (  # type: ignore[import-not-found, unused-ignore]
        QuantType,
        quantize_dynamic,
    )

    # A fused node tells no type of its output: all of them are floats.
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    # Per channel and without the embeddings: other choices are less true and no faster (one scale for a whole
    # matrix: cosine 0.93), or slower (unsigned weights, or attention in float32).
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul", "Attention"],
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options=options,
    )


if __name__ == "__main__":
    main()
