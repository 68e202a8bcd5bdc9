"""Documents in versions, and whether what is stored is one of them, whole."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.stress.papers import VERSIONS, Pool, Whole, papers

FOLDER = Path("/nowhere")


def whole(paper_text: str) -> Whole:
    """Two passages, with vectors of unit length."""
    return Whole("text", paper_text, ((0, 3, "", None, 1), (3, 6, "", None, 1)), (array("f", [1, 0]),) * 2)


@pytest.fixture
def pool() -> Pool:
    """What is right was learned from a service that did nothing wrong."""
    made = Pool(seed=5, names=2)
    made.learn(
        {
            name: whole(f"{paper.name} {paper.number}")
            for paper, sent, path in made.calm_sources(FOLDER)
            for name in (sent, str(path))
        },
        FOLDER,
    )
    return made


def test_the_same_seed_makes_the_same_papers() -> None:
    """So that a run can be replayed; another seed makes others, and no two versions are alike."""
    once, again, other = ([paper.data for paper in papers(seed, 5)] for seed in (1, 1, 2))

    assert once == again
    assert once != other
    assert len(set(once)) == 5 * VERSIONS


def test_a_stored_document_is_known_by_all_that_belongs_to_it(pool: Pool) -> None:
    """Wherever it lies, sent or as a file."""
    name, number = next(iter(pool.all))
    assert pool.version(f"/some/folder/{name}", whole(f"{name} {number}")) == (name, number)


@pytest.mark.parametrize("part", ["text", "passages", "vectors", "size"])
def test_a_document_by_half_is_none_of_its_versions(pool: Pool, part: str) -> None:
    """One passage that is missing, another text, another vector, a vector of another model."""
    name, number = next(iter(pool.all))
    right = whole(f"{name} {number}")
    half = {
        "text": replace(right, text="cut off"),
        "passages": replace(right, passages=right.passages[:1], vectors=right.vectors[:1]),
        "vectors": replace(right, vectors=(array("f", [1, 0]), array("f", [0, 1]))),
        "size": replace(right, vectors=(array("f", [1, 0]), array("f", [1, 0, 0]))),
    }[part]

    assert pool.version(name, half) == (name, -1)


def test_the_last_digits_of_a_vector_may_differ(pool: Pool) -> None:
    """What was in a batch with a text changes them."""
    name, number = next(iter(pool.all))
    nearly = replace(whole(f"{name} {number}"), vectors=(array("f", [0.99999, 0.001]),) * 2)
    assert pool.version(name, nearly) == (name, number)
