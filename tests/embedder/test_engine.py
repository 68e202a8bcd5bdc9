"""Promises of pi_rag/embedder/engine.py, with a real model in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.errors import ModelCorrupt, ModelMissing, ModelUnsupported, TokensInvalid
from pi_rag.types import ModelCard

from . import strange
from .contract import HOSTILE

pytestmark = pytest.mark.model

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def model(minilm: ModelCard) -> Iterator[Model]:
    """The model, loaded once."""
    model = Model.load(minilm.path)
    yield model
    model.close()


@pytest.fixture(scope="module")
def engine(model: Model) -> Iterator[Engine]:
    """An engine with the window and width of the default settings."""
    engine = Engine(model, 256)
    yield engine
    engine.close()


def test_the_file_says_what_it_is(model: Model, minilm: ModelCard) -> None:
    """Dimension, pooling and window come from the GGUF itself."""
    assert (model.dimensions, model.pooling) == (minilm.dimensions, minilm.pooling)
    assert model.tokens_max >= minilm.tokens_max
    assert model.specials == 2


def test_every_text_stands_between_cls_and_sep(model: Model) -> None:
    """Also when it is empty, and when it spells them."""
    for text in ("a river", "", "[SEP] [CLS]"):
        ids = model.tokens(text)
        assert (ids[0], ids[-1]) == (CLS, SEP)
    assert len(model.tokens("[SEP]")) > 3


def test_token_ids_mean_what_their_text_means(engine: Engine, model: Model) -> None:
    """Bit by bit; and they are cut to the window as text is."""
    text = "a river runs over stone " * 100
    ids = tuple(model.tokens(text)[1:-1].tolist())
    rows = engine.embed([text, ids])
    assert np.array_equal(rows[0], rows[1])
    assert engine.count_tokens([ids]) == engine.count_tokens([text])


@pytest.mark.parametrize("number", [CLS, SEP, 0, 103, 1, 99, 104, 998, -1, 30522])
def test_ids_that_no_text_has_are_refused(engine: Engine, number: int) -> None:
    """Special tokens, free places in the vocabulary, and what is beyond it: the ids of another tokenizer."""
    with pytest.raises(TokensInvalid, match=str(number)):
        engine.embed([(2023, number)])


def test_a_window_of_text_is_all_that_counts(engine: Engine) -> None:
    """What lies beyond the window changes nothing; [SEP] stays last, as in a text that just fits."""
    fits = "stone " * 254
    assert engine.count_tokens([fits]) == [254]
    rows = engine.embed([fits, fits + "river " * 1000])
    assert np.array_equal(rows[0], rows[1])


def test_one_token_too_many_does_not_end_the_process(engine: Engine) -> None:
    """Every length around the window gives a vector: llama.cpp would abort on one token over."""
    texts = ["stone " * count for count in range(250, 260)]
    assert engine.embed(texts).shape == (10, 384)


def test_company_changes_nothing(engine: Engine) -> None:
    """A text's vector is the same bit by bit, alone and with others, and lands at its own place."""
    texts = [*HOSTILE.values(), "a river", "a much longer text about winter " * 9]
    together = engine.embed(texts)
    alone = np.concatenate([engine.embed([text]) for text in texts])
    assert np.array_equal(together, alone)


def test_a_shared_call_is_near(model: Model) -> None:
    """Where the settings let texts share calls, each still has its own vector, nearly the same."""
    shared, own = Engine(model, 256, 8), Engine(model, 256)
    texts = [f"number {n} " + "and a word " * (n % 17) for n in range(40)]
    assert float(np.min(np.sum(shared.embed(texts) * own.embed(texts), axis=1))) > 0.999
    shared.close()
    own.close()


ENGINES_MIB = """
import os, sys
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.host.memory import private_mib

model = Model.load(sys.argv[1])
before = private_mib(os.getpid())
engine = Engine(model, 512)
engine.embed(["stone " * 600, "a river"])
print(private_mib(os.getpid()) - before)
"""
"""What an engine costs in a process of its own: this one's heap has been used by other tests."""


def test_the_table_of_logits_costs_nothing(minilm: ModelCard) -> None:
    """An engine for 512 tokens, which used and unused would hold 60 MiB of them."""
    command = [sys.executable, "-c", ENGINES_MIB, minilm.path]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout
    assert 0 < float(said) < 30


def test_the_same_text_has_the_same_vector(engine: Engine) -> None:
    """Bit by bit, whatever was embedded in between."""
    first = engine.embed(["a river"])
    engine.embed(["something else " * 100])
    assert np.array_equal(engine.embed(["a river"]), first)


def test_another_context_agrees(model: Model, engine: Engine) -> None:
    """Neither flash attention nor a smaller window changes what a short text means."""
    other = Engine(model, 64, 2, flash_tokens_min=9)
    texts = ["a river runs over stone", "bread", "winter"]
    agreement = np.sum(other.embed(texts) * engine.embed(texts), axis=1)
    other.close()
    assert float(np.min(agreement)) > 0.999


def test_a_window_is_never_wider_than_the_models(model: Model) -> None:
    """Positions that the model was not made for have no embedding; asking for them would abort."""
    engine = Engine(model, 100_000, 1)
    assert engine.tokens_max == model.tokens_max
    assert engine.embed(["stone " * 2000]).shape == (1, 384)
    engine.close()


def test_no_texts_are_no_rows(engine: Engine) -> None:
    """An empty list does not reach llama.cpp."""
    assert engine.embed([]).shape == (0, 384)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(ModelMissing):
            Model.load(str(path))


@pytest.mark.parametrize("content", [b"", b"GGU", b"<html>404</html>" * 100])
def test_what_is_no_gguf_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """An empty file, half a magic number, an error page that was saved."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt):
        Model.load(str(path))


def test_a_file_cut_short_is_corrupt(tmp_path: Path, minilm: ModelCard) -> None:
    """llama.cpp's own words are in the message."""
    path = tmp_path / "model.gguf"
    path.write_bytes(Path(minilm.path).read_bytes()[:-100_000])
    with pytest.raises(ModelCorrupt, match=r"llama\.cpp"):
        Model.load(str(path))


def test_a_model_of_another_family_is_unsupported(tmp_path: Path) -> None:
    """A sound llama is named as one; a BERT without weights is refused too."""
    strange.llama(tmp_path / "llama.gguf")
    with pytest.raises(ModelUnsupported, match="llama model"):
        Model.load(str(tmp_path / "llama.gguf"))
    strange.empty(tmp_path / "empty.gguf")
    with pytest.raises(ModelUnsupported):
        Model.load(str(tmp_path / "empty.gguf"))


def test_between_the_parts_of_a_computation_somebody_is_called(engine: Engine) -> None:
    """Often enough to stand aside in time, with the same vector bit by bit; and no more once it is over."""
    for text in ("a short one", "words " * 200):
        calls: list[int] = []
        before = engine.embed([text])
        engine.between_parts(lambda calls=calls: calls.append(1))  # type: ignore[misc]
        assert (engine.embed([text]) == before).all()
        engine.between_parts(None)
        counted = len(calls)
        assert counted > 50
        assert (engine.embed([text]) == before).all()
        assert len(calls) == counted
