"""Promises of models/gguf_file.py."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.errors import ModelCorrupt, ModelUnsupported, PathNotFound
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.gguf_file import read_facts, read_header
from tests.models import seeded


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, converted."""
    folder = seeded.write_folder(tmp_path_factory.mktemp("sound") / "small", pooling="cls_token")
    convert(read_folder(folder), folder / "small.gguf", query_prefix="find: ")
    return folder / "small.gguf"


def written(path: Path, architecture: str = "bert", **values: Any) -> Path:
    """A GGUF with the given metadata and one embedding matrix of four tokens."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        dotted = key.replace("__", ".")
        writer.add_uint32(dotted, value) if isinstance(value, int) else writer.add_string(dotted, value)
    writer.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


BERT: dict[str, Any] = {
    "bert__embedding_length": 32,
    "bert__context_length": 128,
    "bert__pooling_type": 1,
    "tokenizer__ggml__model": "bert",
}


def test_facts_of_a_file_of_ours(sound: Path) -> None:
    """All that is needed to use it again is in the file itself."""
    facts = read_facts(sound)
    assert (facts.dimensions, facts.pooling, facts.tokens_max) == (64, "cls", 64)
    assert (facts.query_prefix, facts.quantisation) == ("find: ", "Q8_0")


def test_facts_of_a_file_of_others(tmp_path: Path) -> None:
    """A file without our own keys has the window of its positions, and no word about a prefix."""
    facts = read_facts(written(tmp_path / "theirs.gguf", **BERT))
    assert (facts.dimensions, facts.pooling, facts.tokens_max) == (32, "mean", 128)
    assert (facts.query_prefix, facts.quantisation, facts.licence) == (None, "F32", "not stated")


def test_the_header_is_read_as_the_gguf_package_reads_it(sound: Path) -> None:
    """Names, shapes, kinds and numbers agree with the format's own reader."""
    theirs = gguf.GGUFReader(sound)
    ours = read_header(sound)
    assert {name: (tensor.shape, tensor.kind) for name, tensor in ours.tensors.items()} == {
        tensor.name: (tuple(tensor.shape.tolist()), tensor.tensor_type) for tensor in theirs.tensors
    }
    for key in ("bert.context_length", "bert.attention.causal", "general.architecture"):
        field = theirs.get_field(key)
        assert field is not None
        assert ours.values[key] == field.contents()


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "llama"},
        {"tokenizer__ggml__model": "gpt2"},
        {"bert__pooling_type": 0},
        {"bert__pooling_type": 3},
    ],
)
def test_what_is_no_bert_embedder_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """A sound GGUF of another kind is unsupported, not corrupt."""
    with pytest.raises(ModelUnsupported):
        read_facts(written(tmp_path / "other.gguf", **(BERT | change)))


@pytest.mark.parametrize(
    "change", [{"bert__embedding_length": 64}, {"bert__context_length": 0}, {"bert__context_length": "128"}]
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """Sizes must be sound and match the embeddings."""
    with pytest.raises(ModelCorrupt):
        read_facts(written(tmp_path / "wrong.gguf", **(BERT | change)))


def test_an_absent_file_is_not_found(tmp_path: Path) -> None:
    """A wrong path is said as such."""
    with pytest.raises(PathNotFound):
        read_facts(tmp_path / "nothing.gguf")


def test_a_path_that_cannot_even_be_looked_at_is_said_as_such(tmp_path: Path) -> None:
    """As in a folder that is not ours, or with a name that no disk takes."""
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        read_facts(tmp_path / f"{'x' * 300}.gguf")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Only regular files are opened."""
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(ModelCorrupt):
        read_facts(tmp_path / "pipe.gguf")


def test_a_long_array_is_not_believed(tmp_path: Path) -> None:
    """A hundred bytes that claim 2**60 items end at once, with an error."""
    head = b"GGUF" + (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
    array = (1).to_bytes(8, "little") + b"a" + (9).to_bytes(4, "little") + (0).to_bytes(4, "little")
    (tmp_path / "long.gguf").write_bytes(head + array + (2**60).to_bytes(8, "little") + bytes(64))
    with pytest.raises(ModelCorrupt, match="items"):
        read_facts(tmp_path / "long.gguf")


def judged(path: Path, content: bytes) -> None:
    """Read any content; only the two typed errors may come out."""
    path.write_bytes(content)
    with contextlib.suppress(ModelCorrupt, ModelUnsupported):
        read_facts(path)


@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_always_noticed(sound: Path, kept: float) -> None:
    """Wherever the copy broke off, the header alone tells."""
    content = sound.read_bytes()
    broken = sound.with_name("broken.gguf")
    broken.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelCorrupt):
        read_facts(broken)


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_header_gives_typed_errors(sound: Path, data: st.DataObject) -> None:
    """Any bytes overwritten anywhere in the header never escape as another error, a hang, or a crash."""
    content = bytearray(sound.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 4000))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        content[place : place + len(patch)] = patch
    judged(sound.with_name("damaged.gguf"), bytes(content))


@given(content=st.binary(max_size=300), magic=st.booleans())
def test_arbitrary_bytes_give_typed_errors(sound: Path, content: bytes, magic: bool) -> None:
    """Nor does any other content, with or without the right beginning."""
    judged(sound.with_name("any.gguf"), (b"GGUF\x03\0\0\0" if magic else b"") + content)
