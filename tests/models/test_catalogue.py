"""Promises of models/catalogue.py."""

from __future__ import annotations

import re

import pytest

from pi_rag.errors import ModelNotFound
from pi_rag.models import catalogue


def test_the_default_is_bge_small() -> None:
    """It wants an instruction before a query and pools by [CLS]."""
    known = catalogue.find(catalogue.DEFAULT)
    assert known.query_prefix == "Represent this sentence for searching relevant passages: "
    assert (known.pooling, known.licence) == ("cls", "MIT")


@pytest.mark.parametrize("known", catalogue.KNOWN, ids=lambda known: known.name)
def test_every_source_is_pinned(known: catalogue.KnownModel) -> None:
    """A commit or version, and a whole sha256 for each file that a conversion reads."""
    pin = known.source.revision if isinstance(known.source, catalogue.HubSource) else known.source.version
    assert re.fullmatch(r"[0-9a-f]{40}|\d+\.\d+\.\d+", pin)
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in known.files.values())
    assert {"model.safetensors", "tokenizer.json", "config.json", "1_Pooling/config.json"} <= set(known.files)


def test_names_are_found_however_they_are_capitalised() -> None:
    """Nobody remembers where MiniLM has its capitals."""
    assert catalogue.find("ALL-minilm-l6-V2").name == "all-MiniLM-L6-v2"


def test_an_unknown_name_gets_the_nearest_one() -> None:
    """A slip of the finger is answered with what was meant."""
    with pytest.raises(ModelNotFound) as failure:
        catalogue.find("bge-smal-en")
    assert "Did you mean 'bge-small-en-v1.5'?" in failure.value.hint


@pytest.mark.parametrize(
    ("name", "wants_prefix"),
    [
        ("bge-small-en-v1.5-q8_0", True),
        ("BGE-large-en", True),
        ("bge-m3", False),
        ("all-MiniLM-L6-v2", False),
    ],
)
def test_a_familys_prefix_is_known_by_name(name: str, wants_prefix: bool) -> None:
    """A BGE that was converted elsewhere still gets its instruction; others get none."""
    assert catalogue.usual_query_prefix(name) == (catalogue.BGE_QUERY_PREFIX if wants_prefix else "")
