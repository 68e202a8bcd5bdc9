"""What the service lacks now, in the closed vocabulary of `types.Degraded`. Pure: it is told the facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pi_rag.types import AnswerDegraded, Degraded

WORDS: tuple[Degraded, ...] = get_args(Degraded)
"""In the order in which they are told: what costs answers first."""

IN_ANSWERS: frozenset[Degraded] = frozenset(get_args(AnswerDegraded))
"""Those that a search's answer may carry."""

STORE = frozenset({"writer", "readers"})
"""The beats of the store."""

FULL_MIB = 1.0
"""With less free space not even the log takes another document."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment."""

    meaning: Sequence[AnswerDegraded] = ()
    """What the embedder lacks."""
    silent: Sequence[str] = ()
    """Whose signs of life are missing."""
    hindered_by: Sequence[str | None] = ()
    """Codes of the errors that hold up adding, any write, or the proof at the start; those that are no word
    here are passed over."""
    is_damaged: bool = False
    """The writer has met damage, and writes no more."""
    is_read_only: bool = False
    """The data folder could not be written at the start."""
    disk_free_mib: float | None = None
    sheds_memory: bool = False
    refuses_ingest: bool = False


def lacking(facts: Facts) -> list[Degraded]:
    """Every word that holds, in the order of the vocabulary."""
    found = {*facts.meaning, *facts.hindered_by}
    is_full = facts.disk_free_mib is not None and facts.disk_free_mib < FULL_MIB
    found |= {
        word
        for word, holds in (
            ("store_silent", bool(STORE & set(facts.silent))),
            ("store_damaged", facts.is_damaged),
            ("store_read_only", facts.is_read_only),
            ("disk_full", is_full),
            ("ingest_refused", facts.refuses_ingest),
            ("memory_short", facts.sheds_memory),
        )
        if holds
    }
    return [word for word in WORDS if word in found]
