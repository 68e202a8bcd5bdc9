"""What may be asked of a search, and what comes back. A question at fault costs nobody any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pi_rag.config import QuerySettings
from pi_rag.errors import BadInput, QueryEmpty, QueryTooLong
from pi_rag.rank.fusion import Fused
from pi_rag.store import filters, words
from pi_rag.text.clean import clean
from pi_rag.types import AnswerDegraded, Match, Mode, Original, Passage, Scope

HALF_LIFE_DAYS_MAX = 36_500
"""A century. Over a longer one nothing that people keep would lose anything."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, and where. Where None stands, the setting of that name decides."""

    query: str
    k: int = 8
    """How many passages at most."""
    mode: Mode = "hybrid"
    scope: Scope = field(default_factory=Scope)
    match: Match = "any"
    """What of the query's words a passage must hold to be found by them."""
    diversity: float | None = None
    """From 0 to 1: how much a passage loses for being like one above it."""
    recency_half_life_days: float | None = None
    """0: age counts for nothing."""
    per_document_max: int | None = None
    """How many passages of one document at most; None: as many as there are."""
    unique: bool = False
    """Whether of passages that are near-duplicates of one another only the best is shown."""
    join: bool = True
    """Whether passages of one document that touch become one hit."""
    neighbours: int = 0
    """How many passages before and after each hit come with it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A cited text with the reasons for its place.

    `document text[start:end] == text`, always; and `before` and `after` are what stands around it there.
    """

    passage: Passage
    """The best of the passages it is made of, which has given it its place, heading and page."""
    fused: Fused
    score: float
    """From 0 to 1: how well it fits, less what its age has taken."""
    start: int
    end: int
    text: str
    chunk_ids: tuple[int, ...]
    """All passages it is made of, as they stand in the document."""
    before: str = ""
    after: str = ""
    recency: float | None = None
    """What its age has left of its score; None where age does not count."""
    likeness: float | None = None
    """Cosine to the most similar passage chosen before it; None where nobody asked for diversity."""
    duplicate_of: Original | None = None
    """The older passage that its passage is a near-duplicate of."""
    duplicates: int = 0
    """How many newer passages are near-duplicates of its passage."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits, best first; what was missing; and the milliseconds each stage took."""

    hits: Sequence[Hit]
    degraded: Sequence[AnswerDegraded]
    took_ms: Mapping[str, float]
    explain: Mapping[str, Any]


def checked(question: Question, settings: QuerySettings) -> str:
    """The query in clean characters. Raises BadInput and its kinds for what cannot be asked."""
    if len(question.query) > settings.chars_max:
        most = settings.chars_max
        raise QueryTooLong(f"The query has {len(question.query)} characters; at most {most} are taken.")
    _within("k", question.k, 1, settings.k_max)
    _within("neighbours", question.neighbours, 0, settings.neighbours_max)
    if question.diversity is not None:
        _within("diversity", question.diversity, 0, 1)
    if question.recency_half_life_days is not None:
        _within("recency_half_life_days", question.recency_half_life_days, 0, HALF_LIFE_DAYS_MAX)
    if question.per_document_max is not None:
        _within("per_document_max", question.per_document_max, 1, settings.k_max)
    if question.mode == "vector" and question.match != "any":
        message = f"match is {question.match!r}, which is about words; the mode 'vector' looks at none."
        raise BadInput(message, hint="Leave match out, or search in the mode hybrid or text.", param="match")
    filters.read(question.scope)
    query = clean(question.query).strip()
    if not query:
        raise QueryEmpty("The query is empty.")
    if not _has_word(query):
        raise QueryEmpty("The query has no word in it.")
    return query


def _has_word(query: str) -> bool:
    """Letters, digits, or what the word index knows, such as emoji. Mere signs are near by chance."""
    return any(map(str.isalnum, query)) or words.asked(query) is not None


def _within(name: str, value: float, low: float, high: float) -> None:
    """Said so that what is not a number at all is outside too."""
    if not low <= value <= high:
        raise BadInput(f"{name} is {value}; it must be from {low} to {high}.", param=name)
