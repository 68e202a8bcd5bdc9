"""llama.cpp by its low-level calls: the only file that imports `llama_cpp`.

A `Model` is weights and vocabulary: loaded once, then shared by forked processes. A `Context` is what one
process needs to compute with it, for one way of attention. llama.cpp ends the whole process when a call has
one token too many; who calls here has counted. It does not know texts that are too long, lanes or processes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt
from llama_cpp import _ggml

from pi_rag.embedder.wordpiece import WordPiece
from pi_rag.errors import ModelCorrupt, ModelError, ModelMissing, ModelUnsupported, VectorInvalid
from pi_rag.processes import pages

Tokens = npt.NDArray[np.int32]

_POOLINGS = {llama_cpp.LLAMA_POOLING_TYPE_MEAN: "mean", llama_cpp.LLAMA_POOLING_TYPE_CLS: "cls"}

_LOG_ERROR = 4
"""GGML_LOG_LEVEL_ERROR."""

_complaints: list[str] = []


def _on_log(level: int, text: bytes, _data: Any) -> None:
    """Keep llama.cpp's last errors, which say why a load failed, and drop its chatter."""
    if level == _LOG_ERROR:
        _complaints.append(text.decode("utf-8", "replace").strip())
        del _complaints[:-3]


_ON_LOG = llama_cpp.llama_log_callback(_on_log)
"""Kept here: llama.cpp calls it as long as the process lives."""

_GIVE_UP = llama_cpp.ggml_abort_callback
"""What llama.cpp asks between the parts of a computation: whether it is to give up."""


def linked() -> dict[str, str]:
    """Which llama.cpp is loaded, and what of the processor it was built to use.

    The Python package's version says nothing of it. `features` is llama.cpp's own line, with `DOTPROD = 1`
    in it on a Pi 5; what a build does not tell is empty.
    """
    return {
        "llama_cpp": _told(getattr(llama_cpp, "llama_version", None)),
        "ggml": _told(_ggml_says("ggml_version")),
        "commit": _told(_ggml_says("ggml_commit")),
        "features": _told(llama_cpp.llama_print_system_info).strip(" |"),
    }


def _ggml_says(name: str) -> Any:
    """A function of the arithmetic's library that gives a text; None where it has none of that name."""
    found = getattr(_ggml.libggml, name, None)
    if found is not None:
        found.restype = ctypes.c_char_p
    return found


def _told(function: Any) -> str:
    text = function() if function is not None else None
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else ""


class Model:
    """Weights and vocabulary of one GGUF file."""

    def __init__(self, handle: Any, path: str) -> None:
        self._handle = handle
        self._vocab = llama_cpp.llama_model_get_vocab(handle)
        self.path = path
        self.dimensions = int(llama_cpp.llama_model_n_embd(handle))
        self.tokens_max = int(llama_cpp.llama_model_n_ctx_train(handle))
        self.pooling = self._pooling()
        self.vocabulary = int(llama_cpp.llama_vocab_n_tokens(self._vocab))
        """How many token ids there are, from 0."""
        self.unusable = frozenset(
            number for number in range(self.vocabulary) if self._stands_for_no_text(number)
        )
        """Ids that no text has: [CLS] and its like, and places in the vocabulary that were left free."""
        self._wordpiece = self._own_tokenizer()
        self.specials = len(self.tokens(""))
        """Tokens that every text gets around it: [CLS] and [SEP]."""

    @classmethod
    def load(cls, path: str) -> Model:
        """Map a GGUF file. Raises ModelMissing, ModelCorrupt, ModelUnsupported."""
        _check_is_gguf(path)
        _complaints.clear()
        llama_cpp.llama_log_set(_ON_LOG, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        handle = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not handle:
            raise _load_error(path)
        return cls(handle, path)

    def close(self) -> None:
        """Give the weights back. No engine of this model may be used afterwards."""
        llama_cpp.llama_model_free(self._handle)

    def tokens(self, text: str, enough: int | None = None) -> Tokens:
        """Token ids, [CLS] first and [SEP] last; of a long text at least `enough`, where that is given.

        Never fails: what has no UTF-8 form becomes `?`.
        """
        if self._wordpiece is None:
            return self._llamas_tokens(text)
        return self._wordpiece.tokens(text) if enough is None else self._wordpiece.first_tokens(text, enough)

    def _llamas_tokens(self, text: str) -> Tokens:
        data = text.encode("utf-8", "replace")
        ids = np.empty(len(data) + 2, dtype=np.int32)
        count = self._tokenize(data, ids)
        if count < 0:
            ids = np.empty(-count, dtype=np.int32)
            count = self._tokenize(data, ids)
        return ids[:count]

    def _own_tokenizer(self) -> WordPiece | None:
        """BERT's, made from the vocabulary; None for a model of the family that was trained with another."""
        if llama_cpp.llama_vocab_type(self._vocab) != llama_cpp.LLAMA_VOCAB_TYPE_WPM:
            return None
        words = [self._word(number) for number in range(self.vocabulary)]
        unknown = self._metadata("tokenizer.ggml.unknown_token_id")
        return WordPiece(
            words,
            cls=llama_cpp.llama_vocab_bos(self._vocab),
            sep=llama_cpp.llama_vocab_sep(self._vocab),
            unknown=int(unknown) if unknown.isdigit() else words.index("[UNK]"),
        )

    def open(self, tokens_max: int, texts_max: int, *, flash: bool) -> Any:
        """A llama.cpp context with room for exactly so much in one call. Raises ModelUnsupported."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = tokens_max
        params.n_seq_max = texts_max
        params.n_threads = params.n_threads_batch = 1
        params.embeddings = True
        params.no_perf = True
        params.flash_attn_type = int(flash)
        handle = llama_cpp.llama_init_from_model(self._handle, params)
        if not handle:
            raise ModelUnsupported(f"llama.cpp cannot compute with {self.path}: {'; '.join(_complaints)}")
        return handle

    def _word(self, number: int) -> str:
        word: bytes = llama_cpp.llama_vocab_get_text(self._vocab, number)
        return word.decode("utf-8", "replace")

    def _stands_for_no_text(self, number: int) -> bool:
        control = llama_cpp.llama_vocab_is_control(self._vocab, number)
        return bool(control) or "[unused" in self._word(number)

    def _tokenize(self, data: bytes, ids: Tokens) -> int:
        """Fill `ids`; the negative number of ids needed when they do not fit."""
        pointer = ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        return int(llama_cpp.llama_tokenize(self._vocab, data, len(data), pointer, len(ids), True, False))

    def _pooling(self) -> str:
        architecture = self._metadata("general.architecture")
        if "bert" not in architecture:
            raise ModelUnsupported(f"{self.path} is a {architecture} model, not of the BERT family.")
        number = self._metadata(f"{architecture}.pooling_type")
        pooling = _POOLINGS.get(int(number)) if number.isdigit() else None
        if pooling is None:
            raise ModelUnsupported(f"{self.path} has pooling {number or 'unset'}; cls or mean is needed.")
        return pooling

    def _metadata(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(128)
        got = llama_cpp.llama_model_meta_val_str(self._handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if got >= 0 else ""


class Context:
    """Room for calls of up to `tokens_max` tokens. Its buffers are private to the process that computes."""

    def __init__(self, model: Model, tokens_max: int, texts_max: int, *, flash: bool) -> None:
        """Raises ModelUnsupported."""
        self.tokens_max = tokens_max
        # llama.cpp reserves for sequences of equal length, and ends the process where that leaves a rest.
        self._room = -(-tokens_max // texts_max) * texts_max
        self._dimensions = model.dimensions
        self._vocabulary = model.vocabulary
        self._handle = model.open(self._room, texts_max, flash=flash)
        self._batch = _Batch(self._room)
        self._warm_up(model)

    def embed(self, sequences: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """One call. Shape (texts, dimensions), not yet of unit length. Raises VectorInvalid."""
        status = llama_cpp.llama_encode(self._handle, self._batch.filled(sequences))
        if status != 0:
            raise VectorInvalid(f"llama.cpp could not encode a batch (status {status}).")
        return np.stack([self._vector(number) for number in range(len(sequences))])

    def between_parts(self, call: Callable[[], None] | None) -> None:
        """Have this called between the parts of each computation from now on: some two hundred of a text."""
        self._between = _GIVE_UP() if call is None else _GIVE_UP(_never(call))
        llama_cpp.llama_set_abort_callback(self._handle, self._between, ctypes.c_void_p(0))

    def use_threads(self, threads: int) -> None:
        """Compute on so many threads from now on."""
        llama_cpp.llama_set_n_threads(self._handle, threads, threads)

    def close(self) -> None:
        """Give the buffers back; the model stays."""
        llama_cpp.llama_free(self._handle)

    def _vector(self, sequence: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_embeddings_seq(self._handle, sequence)
        if not pointer:
            raise VectorInvalid("llama.cpp gave no vector for a text.")
        return np.ctypeslib.as_array(pointer, (self._dimensions,))

    def _warm_up(self, model: Model) -> None:
        """Make the largest call once, so that no buffer grows later, and give back what is never used.

        llama.cpp reserves and clears a table of logits, vocabulary times tokens, 30 MiB for 256 tokens, and a
        BERT fills none of it. The pages are zero; given back, they read as zero and cost nothing.
        """
        self.embed([np.full(self._room, model.tokens("")[0], dtype=np.int32)])
        logits = ctypes.cast(llama_cpp.llama_get_logits(self._handle), ctypes.c_void_p).value
        if logits:
            pages.give_back(logits, self._vocabulary * self._room * ctypes.sizeof(ctypes.c_float))


def _never(call: Callable[[], None]) -> Callable[[Any], bool]:
    """The answer to llama.cpp's question, after this call."""

    def answered(_data: Any) -> bool:
        call()
        return False

    return answered


class _Batch:
    """A llama_batch over numpy arrays, so that filling it is a few copies and no loop over tokens."""

    def __init__(self, tokens_max: int) -> None:
        self._tokens = np.zeros(tokens_max, dtype=np.int32)
        self._positions = np.zeros(tokens_max, dtype=np.int32)
        self._sequences = np.zeros(tokens_max, dtype=np.int32)
        # Every token belongs to one sequence; llama.cpp wants a count and a pointer to it for each.
        self._counts = np.ones(tokens_max, dtype=np.int32)
        self._pointers = self._sequences.ctypes.data + 4 * np.arange(tokens_max, dtype=np.uintp)
        self._outputs = np.ones(tokens_max, dtype=np.int8)
        self._batch = llama_cpp.llama_batch(
            n_tokens=0,
            token=_at(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_at(self._positions, ctypes.c_int32),
            n_seq_id=_at(self._counts, ctypes.c_int32),
            seq_id=_at(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            logits=_at(self._outputs, ctypes.c_int8),
        )

    def filled(self, sequences: Sequence[Tokens]) -> Any:
        """The batch that holds these texts' tokens, numbered from 0. They fit: `packed` saw to it."""
        lengths = [len(ids) for ids in sequences]
        total = sum(lengths)
        self._tokens[:total] = np.concatenate(sequences)
        self._positions[:total] = np.concatenate([np.arange(length) for length in lengths])
        self._sequences[:total] = np.repeat(np.arange(len(lengths)), lengths)
        self._batch.n_tokens = total
        return self._batch


def _at(array: npt.NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


def _load_error(path: str) -> ModelError:
    """What llama.cpp said, as an error of ours: a file cut short is another matter than a strange model."""
    why = "; ".join(_complaints) or "no reason given"
    kind = ModelCorrupt if "corrupted or incomplete" in why else ModelUnsupported
    return kind(f"llama.cpp cannot load {path}: {why}")


def _check_is_gguf(path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise ModelMissing(f"The model file {path} cannot be opened: {error.strerror}.") from error
    if head != b"GGUF":
        raise ModelCorrupt(f"{path} is not a GGUF file.")
