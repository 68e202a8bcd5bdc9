"""Promises of models/vocabulary.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf import TokenType

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.vocabulary import Vocabulary, read_vocabulary
from tests.models import seeded


def read(tmp_path: Path, tokenizer: dict[str, Any], total: int = 20) -> Vocabulary:
    """The vocabulary of a tokenizer given as JSON."""
    seeded.write_json(tmp_path / "tokenizer.json", tokenizer)
    return read_vocabulary(tmp_path / "tokenizer.json", total)


def test_the_beginning_of_a_word_is_marked_instead_of_its_middle(tmp_path: Path) -> None:
    """`walk` gets a phantom space, `##ing` loses its mark, and [CLS] stays as it is."""
    vocabulary = read(tmp_path, seeded.small_tokenizer())
    assert vocabulary.tokens[14:16] == ("\u2581walk", "ing")
    assert vocabulary.tokens[:5] == seeded.SPECIAL
    assert set(vocabulary.types[:5]) == {TokenType.CONTROL}
    assert set(vocabulary.types[5:]) == {TokenType.NORMAL}


def test_special_tokens_are_found_by_name(tmp_path: Path) -> None:
    """Their ids are read, not assumed."""
    vocabulary = read(tmp_path, seeded.small_tokenizer())
    found = (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id)
    assert found == (0, 1, 2, 3, 4)


def test_rows_without_a_token_are_filled_up(tmp_path: Path) -> None:
    """Embedding matrices are often padded; the rows past the vocabulary are marked as unused."""
    vocabulary = read(tmp_path, seeded.small_tokenizer(), 24)
    assert vocabulary.tokens[20:] == ("[PAD20]", "[PAD21]", "[PAD22]", "[PAD23]")
    assert set(vocabulary.types[20:]) == {TokenType.UNUSED}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("normalizer", "lowercase"), False),
        (("normalizer", "strip_accents"), False),
        (("normalizer", "type"), "NFKC"),
        (("pre_tokenizer", "type"), "Whitespace"),
        (("model", "type"), "BPE"),
        (("model", "continuing_subword_prefix"), "@@"),
    ],
)
def test_another_tokenizer_is_refused(tmp_path: Path, where: tuple[str, str], value: Any) -> None:
    """What llama.cpp would tokenize in another way than the original is never converted."""
    tokenizer = seeded.small_tokenizer()
    tokenizer[where[0]][where[1]] = value
    with pytest.raises(ModelUnsupported, match="WordPiece"):
        read(tmp_path, tokenizer)


@pytest.mark.parametrize("absent", ["[CLS]", "[SEP]", "[UNK]"])
def test_a_vocabulary_without_its_markers_is_refused(tmp_path: Path, absent: str) -> None:
    """Without them no text can be framed."""
    tokenizer = seeded.small_tokenizer()
    vocab = tokenizer["model"]["vocab"]
    vocab["other"] = vocab.pop(absent)
    tokenizer["added_tokens"] = []
    with pytest.raises(ModelUnsupported, match=absent.strip("[]")):
        read(tmp_path, tokenizer)


@pytest.mark.parametrize("identity", [20, -1, 5, "6", True, None])
def test_ids_that_match_no_row_are_refused(tmp_path: Path, identity: Any) -> None:
    """An id past the embeddings, below zero, given twice, or no number at all."""
    tokenizer = seeded.small_tokenizer()
    tokenizer["model"]["vocab"]["cat"] = identity
    with pytest.raises(ModelCorrupt):
        read(tmp_path, tokenizer)


@pytest.mark.parametrize("entry", [{"id": 3}, {"id": "x", "content": "[X]"}, 7])
def test_added_tokens_of_another_form_are_refused(tmp_path: Path, entry: Any) -> None:
    """They decide what is a marker, so they must be understood."""
    with pytest.raises(ModelCorrupt):
        read(tmp_path, seeded.small_tokenizer() | {"added_tokens": [entry]})
