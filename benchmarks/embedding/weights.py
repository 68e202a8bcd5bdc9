"""The same weights for everybody: one BERT folder, and each engine's own file made from it.

The folder is MiniLM from its Python package, or one of BGE-small's shape with random weights, for its speed
(its vectors mean nothing, but every engine must find the same ones). Files are made once and kept in
`.cache/embed`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import llama_cpp

from benchmarks.environment import CACHE, peers_python
from pi_rag.errors import ModelNotFound
from pi_rag.models import catalogue, package
from pi_rag.models.convert import convert
from pi_rag.models.folder import ModelFolder, read_folder

KEPT = CACHE / "embed"
BGE_SHAPE = "bge-shape"
"""The name of the model with BGE-small's shape and random weights."""

TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
"""What sentence-transformers and fastembed read besides the files that a conversion needs."""

QUANTISATIONS = {
    "F16": None,
    "BF16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16,
    "Q8_0": None,
    "Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "IQ4_NL": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "Q4_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
}
"""llama.cpp's number of each file type; None where our own conversion writes it."""


@dataclass(frozen=True)
class Weights:
    """One model in every form that somebody measures."""

    name: str
    folder: ModelFolder

    def gguf(self, quantisation: str) -> str:
        """The path of the GGUF in this quantisation."""
        path = self.folder.path.parent / f"{quantisation}.gguf"
        return _kept(path, lambda target: self._write_gguf(target, quantisation))

    def onnx(self) -> Path:
        """The folder with `model.onnx` (float32), `int8.onnx` and the tokenizer."""
        target = self.folder.path.parent / "onnx"
        script = Path(__file__).with_name("export.py")
        if not (target / "int8.onnx").exists():
            command = [str(peers_python("peers")), str(script), str(self.folder.path), str(target)]
            subprocess.run(command, check=True, capture_output=True)
        return target

    def _write_gguf(self, target: Path, quantisation: str) -> None:
        kind = QUANTISATIONS.get(quantisation)
        if kind is not None:
            _requantise(self.gguf("F32"), target, kind)
        else:
            convert(self.folder, target, quantisation=quantisation)  # type: ignore[arg-type]


def weights(name: str) -> Weights:
    """The weights of a known model, of `bge-shape`, or of a folder. Raises PiRagError's kinds."""
    if Path(name).is_dir():
        return Weights(Path(name).name, read_folder(_copy(Path(name))))
    if name == BGE_SHAPE:
        return Weights(name, read_folder(_bge_shape()))
    return Weights(name, read_folder(_known(name)))


def _known(name: str) -> Path:
    known = catalogue.find(name)
    source = known.source
    if not isinstance(source, catalogue.PackageSource):
        raise ModelNotFound(f"{name} is in no package.", hint="Fetch its folder, and give the folder's path.")
    folder = KEPT / known.name / "folder"
    if not folder.exists():
        partial = folder.with_name("partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        package.fetch(f"{source.project}=={source.version}", [*known.files, *TOKENIZER_FILES], partial)
        partial.rename(folder)
    return folder


def _copy(source: Path) -> Path:
    """A folder of the caller's, so that what is made from it is kept in ours."""
    folder = KEPT / source.resolve().name / "folder"
    if not folder.exists():
        shutil.copytree(source, folder)
    return folder


def _bge_shape() -> Path:
    from tests.models.seeded import bge_config, write_folder

    folder, minilm = KEPT / BGE_SHAPE / "folder", _known("all-MiniLM-L6-v2")
    if not folder.exists():
        tokenizer = json.loads((minilm / "tokenizer.json").read_text(encoding="utf-8"))
        partial = folder.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        write_folder(partial, config=bge_config(), tokenizer=tokenizer, pooling="cls_token")
        for name in (*TOKENIZER_FILES, "modules.json", "sentence_bert_config.json"):
            shutil.copyfile(minilm / name, partial / name)
        partial.rename(folder)
    return folder


def _kept(path: Path, write: Callable[[Path], None]) -> str:
    """A file that is made when it is not there, whole or not at all."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        write(partial)
        partial.rename(path)
    return str(path)


def _requantise(source: str, target: Path, kind: int) -> None:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = kind
    status = llama_cpp.llama_model_quantize(source.encode(), str(target).encode(), params)
    if status:
        raise RuntimeError(f"llama.cpp could not write {target.name} (status {status}).")
