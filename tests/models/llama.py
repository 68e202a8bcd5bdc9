"""llama.cpp at its plainest, to ask what it makes of a GGUF file. The service uses its own engine."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llama_cpp
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def _ignore(_level: int, _text: bytes, _user: ctypes.c_void_p) -> None:
    """llama.cpp reports every tensor it loads; a test has no use for it."""


_SILENT = llama_cpp.llama_log_callback(_ignore)
"""Kept by the module, since llama.cpp calls it for as long as the process lives."""


class Llama:
    """A loaded model and one context of it."""

    def __init__(self, model: Any, context: Any) -> None:
        self._model = model
        self._vocabulary = llama_cpp.llama_model_get_vocab(model)
        self._context = context
        self.dimensions = int(llama_cpp.llama_model_n_embd(model))

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids, with [CLS] and [SEP] when `special`; markers inside the text are plain text."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 16))()
        count = llama_cpp.llama_tokenize(self._vocabulary, data, len(data), room, len(room), special, False)
        assert count >= 0
        return list(room[:count])

    def embed(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """The pooled vector of one text, brought to unit length."""
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for place, token in enumerate(ids):
                batch.token[place] = token
                batch.pos[place] = place
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = 0
                batch.logits[place] = True
            assert llama_cpp.llama_encode(self._context, batch) == 0
        finally:
            llama_cpp.llama_batch_free(batch)
        found = llama_cpp.llama_get_embeddings_seq(self._context, 0)
        vector = np.ctypeslib.as_array(found, shape=(self.dimensions,)).copy()
        unit: npt.NDArray[np.float32] = vector / np.linalg.norm(vector)
        return unit


@contextmanager
def opened(path: Path, tokens_max: int = 512) -> Iterator[Llama]:
    """The GGUF at `path`, loaded, with one thread and a window of `tokens_max`; freed afterwards."""
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
    assert model, f"llama.cpp cannot load {path}"
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = tokens_max
    parameters.n_threads = parameters.n_threads_batch = 1
    parameters.embeddings = True
    context = llama_cpp.llama_init_from_model(model, parameters)
    try:
        yield Llama(model, context)
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)
