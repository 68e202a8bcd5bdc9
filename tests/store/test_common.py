"""Words of many passages are counted once, words of few each time."""

from __future__ import annotations

import pytest

from pi_rag.store import Connection, common, documents
from pi_rag.store.common import CommonWords
from tests.store.making import put


@pytest.fixture
def counted(db: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A database in which "tea" is common and "milk" is not."""
    monkeypatch.setattr(common, "REMEMBERED_MIN", 10)
    put(db, "a", ["tea"] * 20 + ["milk"] * 5)
    return db


def test_a_word_is_counted_up_to_a_bound(counted: Connection) -> None:
    """A word that nobody wrote is in none."""
    words = CommonWords()
    assert words.counts(counted, ['"tea"', '"milk"', '"rain"'], 100) == [
        ('"tea"', 20),
        ('"milk"', 5),
        ('"rain"', 0),
    ]
    assert words.counts(counted, ['"tea"'], 7) == [('"tea"', 7)]


def test_a_common_word_is_remembered_and_a_rare_one_is_not(counted: Connection) -> None:
    """A passage more of the first changes nothing yet; of the second it does at once."""
    words = CommonWords()
    words.counts(counted, ['"tea"', '"milk"'], 100)
    put(counted, "b", ["tea milk"])
    assert words.counts(counted, ['"tea"', '"milk"'], 100) == [('"tea"', 20), ('"milk"', 6)]


def test_what_is_remembered_is_forgotten_as_passages_come(counted: Connection) -> None:
    """A twentieth more, and all is counted again."""
    words = CommonWords()
    words.counts(counted, ['"tea"'], 100)
    put(counted, "b", ["tea"] * 3)
    assert words.counts(counted, ['"tea"'], 100) == [('"tea"', 23)]


def test_and_as_they_go(counted: Connection) -> None:
    """An emptied database has no common words."""
    words = CommonWords()
    words.counts(counted, ['"tea"'], 100)
    documents.remove_source(counted, "a", None)
    assert words.counts(counted, ['"tea"'], 100) == [('"tea"', 0)]


def test_what_is_remembered_is_forgotten_after_so_many_new_ones(
    counted: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a large memory a twentieth would be too many to be wrong by."""
    monkeypatch.setattr(common, "NEW_MAX", 1)
    words = CommonWords()
    words.counts(counted, ['"tea"'], 100)
    put(counted, "b", ["tea"])
    assert words.counts(counted, ['"tea"'], 100) == [('"tea"', 20)]
    put(counted, "c", ["tea"])
    assert words.counts(counted, ['"tea"'], 100) == [('"tea"', 22)]


def test_never_more_words_than_bounded_are_remembered(
    counted: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are forgotten together, and counted again when they are asked for."""
    monkeypatch.setattr(common, "WORDS_MAX", 1)
    words = CommonWords()
    assert words.counts(counted, ['"tea"'], 100) == words.counts(counted, ['"tea"'], 100) == [('"tea"', 20)]
