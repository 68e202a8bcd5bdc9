"""An index belongs to the model that made its vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pi_rag.errors import ModelMismatch
from pi_rag.store import Connection, documents, identity
from pi_rag.store.nearest import exact
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, axis, put


def test_a_claim_is_remembered(db: Connection) -> None:
    """All of it comes back."""
    assert identity.fingerprint(db) == FINGERPRINT


def test_the_same_model_may_come_again_and_keeps_the_vectors(db: Connection) -> None:
    """Every start claims; none of them forgets anything."""
    put(db, "a", ["tea"], vectors=axis(0))
    identity.claim_fingerprint(db, FINGERPRINT)
    assert len(exact(db, axis(0), 1, Scope())) == 1


def test_a_renamed_model_is_the_same_model(db: Connection) -> None:
    """What it is called does not change its vectors."""
    put(db, "a", ["tea"])
    identity.claim_fingerprint(db, replace(FINGERPRINT, model_name="other"))


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "1" * 64},
        {"pooling": "mean"},
        {"query_prefix": ""},
        {"dimensions": 16},
    ],
)
def test_another_model_is_refused_while_there_are_passages(db: Connection, change: dict[str, Any]) -> None:
    """Comparing vectors of two models means nothing. The message says what differs."""
    put(db, "a", ["tea"])
    with pytest.raises(ModelMismatch, match=next(iter(change))):
        identity.claim_fingerprint(db, replace(FINGERPRINT, **change))
    assert identity.fingerprint(db) == FINGERPRINT


def test_another_way_of_cutting_is_no_other_model(db: Connection) -> None:
    """Its vectors go on being searched; that they are of an earlier version stays noted."""
    put(db, "a", ["tea"], vectors=axis(0))
    newer = replace(FINGERPRINT, chunker_version=2)
    identity.claim_fingerprint(db, newer)
    identity.expect(db, newer)
    assert identity.fingerprint(db) == FINGERPRINT
    assert identity.comparable(FINGERPRINT, newer)
    assert not identity.comparable(FINGERPRINT, replace(newer, dimensions=16))


def test_an_emptied_index_is_cut_the_new_way(db: Connection) -> None:
    """Nothing of the old way is left in it."""
    documents.remove(db, put(db, "a", ["tea"]))
    newer = replace(FINGERPRINT, chunker_version=2)
    identity.claim_fingerprint(db, newer)
    assert identity.fingerprint(db) == newer


def test_an_emptied_index_takes_another_model_of_another_width(db: Connection) -> None:
    """Nothing is left that could be compared, so nothing stands in the way."""
    documents.remove(db, put(db, "a", ["tea"]))
    wider = replace(FINGERPRINT, model_sha256="1" * 64, dimensions=16)
    identity.claim_fingerprint(db, wider)
    put(db, "b", ["milk"], vectors=axis(1) + bytes(32))
    assert [score for _, score in exact(db, axis(1) + bytes(32), 5, Scope())] == [1.0]


def test_without_a_claim_nothing_is_near(db: Connection) -> None:
    """No model, no meaning; it is no error."""
    db.execute("DELETE FROM meta")
    assert identity.fingerprint(db) is None
    assert exact(db, axis(0), 1, Scope()) == []


def test_a_vector_is_expected_to_be_of_this_index(db: Connection) -> None:
    """Its own model's is, under whatever name; another's is refused, also where there are no passages yet."""
    identity.expect(db, replace(FINGERPRINT, model_name="other"))
    identity.expect(db, None)
    with pytest.raises(ModelMismatch, match="model_sha256"):
        identity.expect(db, replace(FINGERPRINT, model_sha256="1" * 64))
