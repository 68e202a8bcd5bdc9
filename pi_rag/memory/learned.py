"""What recalls have learned of the texts that are kept, held in RAM for the next one."""

from __future__ import annotations

from dataclasses import dataclass, field

from pi_rag.memory.uses import Uses
from pi_rag.store.chances import Chances
from pi_rag.store.common import CommonWords
from pi_rag.store.word_index import MEMORIES


def _of_memories() -> Chances:
    return Chances("memory_vectors", "part_id")


def _common() -> CommonWords:
    return CommonWords(MEMORIES)


@dataclass(frozen=True, slots=True)
class Learned:
    """One for the life of the service."""

    uses: Uses = field(default_factory=Uses)
    common: CommonWords = field(default_factory=_common)
    chances: Chances = field(default_factory=_of_memories)
    of_documents: Chances = field(default_factory=Chances)
    """What is chance there stands in while there are too few memories to tell."""
