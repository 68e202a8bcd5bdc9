"""A peer as a child process: run by the peers' own Python, and it imports nothing of ours.

It reads one JSON order a line and answers each with one JSON line:

    {"do": "open", "kind": ..., ...}              {"about": ...}
    {"do": "rate", "texts": [...], "seconds": s}   {"texts": n, "seconds": t}
    {"do": "latency", "texts": [...], "seconds": s}  {"ms": [...]}
    {"do": "vectors", "texts": [...]}              {"vectors": base64 of float32, "dimensions": d}

An order that fails is answered with {"failed": why}. It ends when its input does.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Order = dict[str, Any]
Embed = Callable[[Sequence[str]], Any]
"""Texts to vectors, shape (texts, dimensions), of any length."""


def main() -> None:
    """Answer order after order."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints goes to the log, not between the answers.
    os.dup2(2, 1)
    peer = Peer()
    for line in sys.stdin:
        try:
            answer = peer.answer(json.loads(line))
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


class Peer:
    """One way of embedding, opened once."""

    def __init__(self) -> None:
        self._embed: Embed | None = None

    def answer(self, order: Order) -> Order:
        """What an order asks for. Raises what the library raises."""
        if order["do"] == "open":
            self._embed, about = OPENERS[order["kind"]](order)
            return {"about": about}
        assert self._embed is not None, "the first order is open"
        if order["do"] == "rate":
            return rate(self._embed, order["texts"], order["seconds"])
        if order["do"] == "latency":
            return {"ms": latencies_ms(self._embed, order["texts"], order["seconds"])}
        return packed(self._embed(order["texts"]))


def rate(embed: Embed, texts: Sequence[str], seconds: float) -> Order:
    """Embed the whole list again and again until the time is over, so that every peer has the same texts."""
    begun_s, done = time.perf_counter(), 0
    while True:
        embed(texts)
        done += len(texts)
        spent_s = time.perf_counter() - begun_s
        if spent_s >= seconds:
            return {"texts": done, "seconds": spent_s}


def latencies_ms(embed: Embed, texts: Sequence[str], seconds: float) -> list[float]:
    """Milliseconds of each text, one after the other, round and round until the time is over."""
    found: list[float] = []
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s or len(found) < 20:
        begun_s = time.perf_counter()
        embed([texts[len(found) % len(texts)]])
        found.append((time.perf_counter() - begun_s) * 1000)
    return found


def packed(vectors: Any) -> Order:
    """Vectors as JSON can carry them."""
    rows = np.asarray(vectors, dtype=np.float32)
    return {"vectors": base64.b64encode(rows.tobytes()).decode(), "dimensions": rows.shape[1]}


def open_llama(order: Order) -> tuple[Embed, str]:
    """llama-cpp-python as its readme calls it; `options` are Llama's own."""
    import llama_cpp

    model = llama_cpp.Llama(order["path"], embedding=True, verbose=False, **order["options"])

    def at_once(texts: Sequence[str]) -> Any:
        return [row["embedding"] for row in model.create_embedding(list(texts))["data"]]

    def one_by_one(texts: Sequence[str]) -> Any:
        return [model.create_embedding(text)["data"][0]["embedding"] for text in texts]

    return one_by_one if order["one_by_one"] else at_once, f"llama-cpp-python {llama_cpp.__version__}"


def open_onnx(order: Order) -> tuple[Embed, str]:
    """ONNX Runtime with the model's own tokenizer, neighbours in length batched together."""
    import onnxruntime  # type: ignore[import-not-found, unused-ignore]
    import tokenizers

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = order["threads"]
    session = onnxruntime.InferenceSession(order["path"], options, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(order["tokenizer"])
    tokenizer.enable_truncation(order["tokens_max"])
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    wanted = {given.name for given in session.get_inputs()}

    def batch(texts: Sequence[str]) -> Any:
        encoded = tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], dtype=np.int64)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        output = session.run(None, {name: given[name] for name in wanted})[0]
        return pooled(output, mask, order["pooling"])

    def embed(texts: Sequence[str]) -> Any:
        return in_batches(batch, texts, order["batch"])

    return embed, f"onnxruntime {onnxruntime.__version__}"


def pooled(output: Any, mask: Any, pooling: str) -> Any:
    """Vectors of texts from those of their tokens; an output that is pooled already is left as it is."""
    if output.ndim == 2:
        return output
    if pooling == "cls":
        return output[:, 0]
    weights = mask[:, :, None].astype(np.float32)
    return (output * weights).sum(axis=1) / weights.sum(axis=1)


def in_batches(embed: Embed, texts: Sequence[str], size: int) -> Any:
    """Embed texts in batches of neighbours in length; the rows come back in the order of `texts`."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = [embed([texts[index] for index in order[at : at + size]]) for at in range(0, len(order), size)]
    rows = np.concatenate(parts)
    restored = np.empty_like(rows)
    restored[order] = rows
    return restored


def open_fastembed(order: Order) -> tuple[Embed, str]:
    """fastembed at its defaults, with the model registered from a folder."""
    import fastembed  # type: ignore[import-not-found, unused-ignore]
    from fastembed.common.model_description import (  # type: ignore[import-not-found, unused-ignore]
        ModelSource,
        PoolingType,
    )

    pooling = PoolingType.CLS if order["pooling"] == "cls" else PoolingType.MEAN
    fastembed.TextEmbedding.add_custom_model(
        model="benchmark/local",
        pooling=pooling,
        normalization=True,
        sources=ModelSource(hf="benchmark/local"),
        dim=order["dimensions"],
        model_file="model.onnx",
    )
    model = fastembed.TextEmbedding("benchmark/local", specific_model_path=order["folder"])
    return lambda texts: list(model.embed(list(texts))), f"fastembed {fastembed.__version__}"


def open_torch(order: Order) -> tuple[Embed, str]:
    """sentence-transformers at its defaults."""
    import sentence_transformers  # type: ignore[import-not-found, unused-ignore]
    import torch  # type: ignore[import-not-found, unused-ignore]

    model = sentence_transformers.SentenceTransformer(order["folder"], device="cpu")
    model.max_seq_length = order["tokens_max"]
    about = f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}"
    return lambda texts: model.encode(list(texts), show_progress_bar=False), about


OPENERS: dict[str, Callable[[Order], tuple[Embed, str]]] = {
    "llama": open_llama,
    "onnx": open_onnx,
    "fastembed": open_fastembed,
    "torch": open_torch,
}

if __name__ == "__main__":
    main()
