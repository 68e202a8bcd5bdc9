"""A BERT vocabulary as llama.cpp wants it, read from a `tokenizer.json`.

BERT marks the piece that continues a word (`##ing`). llama.cpp marks the piece that begins one, with a
phantom space in front (`▁walk`), and drops BERT's mark. Special tokens are written unchanged.

Only the uncased WordPiece of BERT is taken: it is what llama.cpp has built in, so any other tokenizer would
give other ids without a word of warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import TokenType

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.jsonfile import object_at, read_object

PHANTOM_SPACE = "\u2581"
VOCABULARY_TOKENS_MAX = 1_000_000
"""No BERT has a tenth of it. It bounds what a damaged file can make us allocate."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All tokens by id, in llama.cpp's spelling, and the ids with a meaning of their own."""

    tokens: tuple[str, ...]
    types: tuple[TokenType, ...]
    cls_id: int
    sep_id: int
    unk_id: int
    pad_id: int | None
    mask_id: int | None


def read_vocabulary(path: Path, tokens_total: int) -> Vocabulary:
    """The vocabulary of `tokenizer.json`, filled up to the rows of the embedding matrix.

    Raises ModelUnsupported when it is no uncased WordPiece, ModelCorrupt when it contradicts itself.
    """
    tree = read_object(path)
    _check_is_uncased_wordpiece(path, tree)
    ids = _ids(path, object_at(path, tree, "model", "vocab"), tokens_total)
    added = _added(path, tree.get("added_tokens"))
    spelt = {index: _spelt(token, added) for token, index in ids.items()}
    spelt |= {index: (token, kind) for token, (index, kind) in added.items() if index < tokens_total}
    rows = [spelt.get(index, (f"[PAD{index}]", TokenType.UNUSED)) for index in range(tokens_total)]
    named = ids | {token: index for token, (index, _) in added.items()}
    return Vocabulary(
        tokens=tuple(token for token, _ in rows),
        types=tuple(kind for _, kind in rows),
        cls_id=_required(path, named, "[CLS]"),
        sep_id=_required(path, named, "[SEP]"),
        unk_id=_required(path, named, "[UNK]"),
        pad_id=named.get("[PAD]"),
        mask_id=named.get("[MASK]"),
    )


def _check_is_uncased_wordpiece(path: Path, tree: Mapping[str, Any]) -> None:
    model = object_at(path, tree, "model")
    normalizer = tree.get("normalizer") or {}
    splitter = tree.get("pre_tokenizer") or {}
    ours = (
        # Old files leave the type out; the mark of a continued word tells it as well.
        model.get("type", "WordPiece") == "WordPiece"
        and model.get("continuing_subword_prefix") == "##"
        and isinstance(normalizer, dict)
        and normalizer.get("type") == "BertNormalizer"
        and normalizer.get("lowercase") is True
        and normalizer.get("strip_accents") is not False
        and isinstance(splitter, dict)
        and splitter.get("type") == "BertPreTokenizer"
    )
    if not ours:
        raise ModelUnsupported(f"The tokenizer {path} is not the uncased WordPiece of BERT.")


def _ids(path: Path, vocab: Mapping[str, Any], tokens_total: int) -> dict[str, int]:
    ids = {token: index for token, index in vocab.items() if type(index) is int}
    values = set(ids.values())
    if len(values) != len(vocab) or not values or min(values) < 0 or max(values) >= tokens_total:
        raise ModelCorrupt(f"The tokens of {path} do not match the model's {tokens_total} embeddings.")
    return ids


def _added(path: Path, entries: Any) -> dict[str, tuple[int, TokenType]]:
    added: dict[str, tuple[int, TokenType]] = {}
    for entry in entries or []:
        if not isinstance(entry, dict) or type(entry.get("id")) is not int or not entry.get("content"):
            raise ModelCorrupt(f"The added tokens of {path} are not described as they should be.")
        kind = TokenType.CONTROL if entry.get("special") else TokenType.USER_DEFINED
        added[str(entry["content"])] = (entry["id"], kind)
    return added


def _spelt(token: str, added: Mapping[str, tuple[int, TokenType]]) -> tuple[str, TokenType]:
    kind = added[token][1] if token in added else TokenType.NORMAL
    if kind is TokenType.CONTROL:
        return token, kind
    return token[2:] if token.startswith("##") else PHANTOM_SPACE + token, kind


def _required(path: Path, ids: Mapping[str, int], token: str) -> int:
    if token not in ids:
        raise ModelUnsupported(f"The tokenizer {path} has no {token} token.")
    return ids[token]
