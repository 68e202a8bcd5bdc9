"""What might be put in order: facts that are over, that say the same twice, or that contradict each other.

Nothing is changed until somebody accepts a suggestion; then it is a change like any other, in the audit log,
and `undo` takes it back. A suggestion is named by the memories it is about, so its name holds as long as they
are what they are, and each is looked at again when it is accepted. Facts are held against each other by their
vectors and then by their words (single-pass "leader" clustering: Hartigan, Clustering Algorithms, 1975,
chapter 3); those whose text is longer than one part are not.

What is kept is the word of whoever is trusted most; of equals, the newer of two that contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pi_rag.config import RememberSettings
from pi_rag.errors import SuggestionNotFound
from pi_rag.ingest.aside import aside
from pi_rag.memory import effects, following
from pi_rag.memory.evicting import next_to_go
from pi_rag.memory.judging import is_judged
from pi_rag.memory.means import Means
from pi_rag.memory.phrasing import REPLACING, What, keeper, losers, proposal_of, reason_of
from pi_rag.memory.scopes import allowed, sees
from pi_rag.memory_types import Caller, Change, Memory, Suggestion
from pi_rag.rank.near_pairs import near_pairs
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories, ordering, scopes
from pi_rag.text.contrast import contrasts

FACTS_MAX: Final = 10_000
"""The newest facts of a scope that are held against each other: it takes a second or two."""

PAIRS_MAX: Final = 2000
"""The nearest pairs whose words are looked at: a tenth of a millisecond each."""

MEMBERS_MAX: Final = 8
"""Memories in one suggestion. More of the same are in the next."""

LOOKED_MAX: Final = 1000
"""Of each kind that are looked for; more than anybody reads at once."""


@dataclass(frozen=True, slots=True)
class _Idea:
    """A suggestion before it is put into words."""

    what: What
    ids: tuple[int, ...]
    """Ascending."""

    @property
    def name(self) -> str:
        return "-".join((self.what, *map(str, self.ids)))


async def review(means: Means, caller: Caller, *, scope: str | None, limit: int) -> tuple[Suggestion, ...]:
    """What might be put in order, at most `limit`. Raises ScopeInvalid, ScopeForbidden."""
    asked = None if scope is None else allowed(caller, [scope])
    suggestions: list[Suggestion] = []
    for name in await means.store.read(_scopes, asked or caller.scopes):
        if len(suggestions) < limit:
            suggestions += await _of_scope(means, name, limit - len(suggestions))
    return tuple(suggestions)


async def accept(means: Means, suggestion_id: str, caller: Caller) -> Change:
    """Do as a suggestion proposes. Raises SuggestionNotFound."""
    now = means.clock.wall_s()
    return await means.store.write(_accepted, suggestion_id, caller, means.settings, now)


async def dismiss(means: Means, suggestion_id: str, caller: Caller) -> None:
    """Never make it again, while it is about the same memories. Raises SuggestionNotFound."""
    await means.store.write(_dismissed, suggestion_id, caller, means.clock.wall_s())


def _scopes(db: Connection, among: Sequence[str] | None) -> list[str]:
    return [name for name in scopes.names(db) if among is None or name in among]


async def _of_scope(means: Means, scope: str, limit: int) -> list[Suggestion]:
    now, settings = means.clock.wall_s(), means.settings
    ids, vectors = await means.store.read(ordering.facts_with_vectors, scope, now, FACTS_MAX)
    pairs = await aside(len(vectors), _near, ids, vectors, settings)
    return await means.store.read(_suggestions, scope, pairs, settings, now, limit)


Pairs = list[tuple[int, int, float]]
"""(id, greater id, cosine), the nearest first."""


def _near(ids: Sequence[int], vectors: bytes, settings: RememberSettings) -> Pairs:
    if len(ids) < 2:
        return []
    found = near_pairs(vectors, len(vectors) // len(ids) // 4, settings.conflict_similarity)
    return [(ids[one], ids[other], similarity) for one, other, similarity in found[:PAIRS_MAX]]


def _suggestions(
    db: Connection, scope: str, pairs: Pairs, settings: RememberSettings, now: float, limit: int
) -> list[Suggestion]:
    """The ideas of a scope, without those that were dismissed, in words."""
    ideas = list(dict.fromkeys(_ideas(db, scope, pairs, settings, now)))
    dismissed = ordering.dismissed(db, [idea.name for idea in ideas])
    shown = [idea for idea in ideas if idea.name not in dismissed]
    shown.sort(key=lambda idea: get_args(What).index(idea.what))
    return [_suggestion(idea, memories.get(db, idea.ids)) for idea in shown[:limit]]


def _ideas(
    db: Connection, scope: str, pairs: Pairs, settings: RememberSettings, now: float
) -> Iterator[_Idea]:
    for ids in ordering.sharing_a_topic(db, scope, now, LOOKED_MAX):
        yield from _on_one_topic(memories.get(db, ids[-MEMBERS_MAX:]))
    yield from _of_pairs(db, pairs, settings)
    yield from (_Idea("expired", (each,)) for each in ordering.expired(db, scope, now, LOOKED_MAX))
    yield from (_Idea("ended", (each,)) for each in ordering.ended(db, scope, now, LOOKED_MAX))
    if worst := next_to_go(db, scope, MEMBERS_MAX, settings, now):
        yield _Idea("unused", tuple(sorted(worst)))


def _on_one_topic(found: Sequence[Memory]) -> Iterator[_Idea]:
    """One stands for the topic; each other one is against it."""
    kept = keeper("contradiction", found)
    for each in losers("contradiction", found):
        yield _Idea("contradiction", tuple(sorted((kept.id, each.id))))


def _of_pairs(db: Connection, pairs: Pairs, settings: RememberSettings) -> Iterator[_Idea]:
    """Pairs that contradict each other; and stars of those that say what their oldest says."""
    found = {
        memory.id: memory for memory in memories.get(db, sorted({id_ for pair in pairs for id_ in pair[:2]}))
    }
    stars: dict[int, list[Memory]] = {}
    led: set[int] = set()
    for one, other, similarity in sorted(pairs):
        what = _relation(found[one], found[other], similarity, settings)
        if what == "contradiction" and losers(what, [found[one], found[other]]):
            yield _Idea(what, (one, other))
        elif what == "duplicates" and one not in led and other not in led:
            star = stars.setdefault(one, [found[one]])
            if len(star) < MEMBERS_MAX:
                star.append(found[other])
                led.add(other)
    yield from (
        _Idea("duplicates", tuple(memory.id for memory in star))
        for star in stars.values()
        if losers("duplicates", star)
    )


def _relation(
    one: Memory, other: Memory, similarity: float, settings: RememberSettings
) -> Literal["contradiction", "duplicates"] | None:
    """Near facts that differ in a word are not merged by themselves, but somebody may say so."""
    found = contrasts(one.text, other.text)
    if "names" in found:
        return None
    if found & {"numbers", "negation"}:
        return "contradiction"
    topics = {one.topic, other.topic} - {None}
    is_same = found <= {"words", "order"} and similarity >= settings.merge_similarity
    return "duplicates" if is_same and len(topics) < 2 else None


def _suggestion(idea: _Idea, found: Sequence[Memory]) -> Suggestion:
    return Suggestion(
        idea.name, idea.what, tuple(found), reason_of(idea.what, found), proposal_of(idea.what, found)
    )


def _accepted(
    db: Connection, suggestion_id: str, caller: Caller, settings: RememberSettings, now: float
) -> Change:
    """The transaction."""
    idea, found = _named(db, suggestion_id, caller)
    if not _holds(db, idea, found, settings, now):
        raise SuggestionNotFound(f"{suggestion_id} is not so, or not so any more.")
    scope = found[0].scope
    if idea.what not in REPLACING:
        memories.put_away(db, idea.ids, "forgotten", now)
        # What is replaced is true now; only of these one may go before it began.
        ends = following.effects_of(db, following.given_back(db, idea.ids, now))
        effects.done(db, ends, now)
        done = [effects.gone(idea.ids, "forgotten", now), *ends]
        detail = effects.detail_of(done, accepted=idea.name)
        return changes.add(db, now, "forget", effects.touched(done), scope, caller, detail)
    kept, ids = keeper(idea.what, found).id, [memory.id for memory in losers(idea.what, found)]
    memories.put_away(db, ids, "superseded", now, kept)
    detail = effects.detail_of([effects.superseded(ids, kept, now)], accepted=idea.name)
    return changes.add(db, now, "supersede", [kept, *ids], scope, caller, detail)


def _dismissed(db: Connection, suggestion_id: str, caller: Caller, now: float) -> None:
    idea, _ = _named(db, suggestion_id, caller)
    ordering.dismiss(db, idea.name, idea.ids[0], now)


def _named(db: Connection, suggestion_id: str, caller: Caller) -> tuple[_Idea, list[Memory]]:
    """What a suggestion's name says, and its memories as they are. Raises SuggestionNotFound."""
    what, *numbers = suggestion_id.split("-")
    if what in get_args(What) and 0 < len(numbers) <= MEMBERS_MAX and all(map(_is_id, numbers)):
        idea = _Idea(what, tuple(map(int, numbers)))  # type: ignore[arg-type]  # it is one of them
        found = [memory for memory in memories.get(db, idea.ids) if memory.gone is None]
        visible = all(sees(caller, memory.scope) for memory in found)
        if visible and len(found) == len(set(idea.ids)) and len({memory.scope for memory in found}) == 1:
            return idea, found
    raise SuggestionNotFound(f"There is no suggestion {suggestion_id[:100]!r}.")


def _is_id(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) < 19


def _holds(
    db: Connection, idea: _Idea, found: Sequence[Memory], settings: RememberSettings, now: float
) -> bool:
    """Whether it would be suggested now, of these memories alone."""
    first = found[0]
    if idea.what == "unused":
        return set(idea.ids) <= set(next_to_go(db, first.scope, LOOKED_MAX, settings, now))
    if idea.what in ("expired", "ended"):
        ends_at = first.expires_at if idea.what == "expired" else first.valid_to
        return len(found) == 1 and ends_at is not None and ends_at <= now
    if not all(is_judged(memory, now) for memory in found):
        return False
    ideas = set(_of_pairs(db, _near(*ordering.vectors_of(db, idea.ids), settings), settings))
    if first.topic is not None and len({memory.topic for memory in found}) == 1:
        ideas |= set(_on_one_topic(found))
    return idea in ideas
