"""The story of a recall: memories and documents looked for side by side, one ranking, as much text as fits.

When the embedder cannot answer in time the words answer alone, and the answer says so; memories that still
wait for their vectors are found by their words, and counted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pi_rag.config import QuerySettings
from pi_rag.errors import PiRagError, RequestInvalid
from pi_rag.memory.blending import blended, walked
from pi_rag.memory.finding import Asked, Memories, find, linked
from pi_rag.memory.fitting import fitted
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import allowed
from pi_rag.memory_types import Caller, MemoryType, Recall, Recalled, Recollection
from pi_rag.query.course import Course
from pi_rag.query.desk import lacking
from pi_rag.query.question import Answer, Question, checked
from pi_rag.store.memory.seen import Seen
from pi_rag.text.parts import tokens
from pi_rag.types import AnswerDegraded, Scope

STEPS_FROM = 3
"""A walk begins at so many of the best hits that are memories."""

WALKED_MAX = 5
"""What is reached by a walk, at most."""

TOKEN_BUDGET_MIN, TOKEN_BUDGET_MAX = 20, 100_000

SHARE = 2
"""No hit takes more than one part in so many of the budget: its best part stands for a longer memory."""

NOTHING_FOUND = Memories((), None, None, 0)


async def recall(means: Means, wanted: Recall, caller: Caller) -> Recollection:
    """What memory and documents hold on a question, best first. Raises as `MemoryDesk.recall`."""
    query, seen = _sound(wanted, caller, means)
    course = Course(means.clock)
    documents = asyncio.ensure_future(_documents(means, wanted, query))
    try:
        vector = await _embedded(means, wanted, query, course)
        made_by = means.maker().made_by
        asked = Asked(query, seen, wanted.mode, max(wanted.k, STEPS_FROM), vector, made_by)
        memories = await _memories(means, asked, course)
        answer = await documents
    finally:
        documents.cancel()
    with course.stage("blend"):
        ranked = blended(memories, answer, seen.now, means.settings)[: wanted.k]
    if wanted.walk and seen.types:
        ranked = await _with_linked(means, ranked, seen, wanted.k)
    return _told(means, wanted, ranked, memories, answer, course)


def _sound(wanted: Recall, caller: Caller, means: Means) -> tuple[str, Seen]:
    """The query in clean characters, and what may be seen. Raises BadInput and its kinds."""
    scopes = allowed(caller, wanted.scopes)
    if not scopes:
        raise RequestInvalid("No scope is named.", param="scopes")
    if not wanted.types:
        raise RequestInvalid("No type is named.", param="types")
    budget = means.settings.token_budget if wanted.token_budget is None else wanted.token_budget
    if not TOKEN_BUDGET_MIN <= budget <= TOKEN_BUDGET_MAX:
        most = f"from {TOKEN_BUDGET_MIN} to {TOKEN_BUDGET_MAX}"
        raise RequestInvalid(f"token_budget is {budget}; it must be {most}.", param="token_budget")
    for name in ("as_of", "since", "until"):
        if not math.isfinite(getattr(wanted, name) or 0.0):
            raise RequestInvalid(f"{name} is no time.", param=name)
    query = checked(Question(wanted.query, k=wanted.k), replace(QuerySettings(), k_max=means.settings.k_max))
    types: tuple[MemoryType, ...] = tuple(each for each in wanted.types if each != "document")
    when = (means.clock.wall_s(), wanted.as_of, wanted.since, wanted.until)
    return query, Seen(scopes, types, *when, wanted.kind, wanted.topic, wanted.tag)


async def _embedded(means: Means, wanted: Recall, query: str, course: Course) -> bytes | None:
    """The query's vector; None where words answer alone, and why is noted."""
    if wanted.mode == "text":
        return None
    try:
        with course.stage("embed"):
            text = means.maker().query_prefix + query
            vector, course.explain["cache"] = await means.cache.vector(text, deadline_s=means.wait_s_max)
            return vector
    except PiRagError as error:
        course.degraded.append(lacking(error))
        return None


async def _memories(means: Means, asked: Asked, course: Course) -> Memories:
    if not asked.seen.types:
        return NOTHING_FOUND
    return await means.store.read(find, asked, means.learned, course)


async def _documents(means: Means, wanted: Recall, query: str) -> Answer | None:
    """What documents hold; None where they are not meant. As of a time, those changed since are left out."""
    of_memories = wanted.kind or wanted.topic or wanted.tag
    if "document" not in wanted.types or of_memories:
        return None
    until = [time for time in (wanted.until, wanted.as_of) if time is not None]
    scope = Scope(wanted.collection, since=wanted.since, until=min(until) if until else None)
    return await means.search(Question(query, k=wanted.k, mode=wanted.mode, scope=scope))


async def _with_linked(means: Means, ranked: Sequence[Recalled], seen: Seen, k: int) -> list[Recalled]:
    """The same with what is one step away from the best, in the last places."""
    known = [hit.memory.id for hit in ranked if hit.memory is not None]
    if not known:
        return list(ranked)
    reached = await means.store.read(linked, known[:STEPS_FROM], seen, WALKED_MAX + k)
    fresh = [(memory, link) for memory, link in reached if memory.id not in known][:WALKED_MAX]
    more = walked(fresh, ranked[0].score, seen.now, means.settings)
    kept = ranked[: max(k - len(more), STEPS_FROM)]
    return [*kept, *sorted(more, key=lambda hit: -hit.score)][: max(k, 1)]


def _told(
    means: Means,
    wanted: Recall,
    ranked: Sequence[Recalled],
    memories: Memories,
    answer: Answer | None,
    course: Course,
) -> Recollection:
    budget = means.settings.token_budget if wanted.token_budget is None else wanted.token_budget
    parts = {each.memory.id: (each.start, each.end) for each in memories.found}
    hits, used, left_out = fitted([_shortened(hit, parts, budget) for hit in ranked], budget)
    means.learned.uses.note(hit.memory.id for hit in hits if hit.memory is not None)
    degraded: Sequence[AnswerDegraded] = (*course.degraded, *(answer.degraded if answer else ()))
    return Recollection(
        hits=hits,
        tokens=used,
        left_out=left_out,
        pending=memories.pending,
        degraded=tuple(dict.fromkeys(degraded)),
        took_ms=course.took_ms(),
        explain=_explained(course, memories, answer),
    )


def _shortened(hit: Recalled, parts: dict[int, tuple[int, int]], budget: int) -> Recalled:
    if hit.memory is None or hit.memory.id not in parts or tokens(hit.text) * SHARE <= budget:
        return hit
    start, end = parts[hit.memory.id]
    return replace(hit, text=hit.text[start:end], cut=(start, end) != (0, len(hit.text)))


def _explained(course: Course, memories: Memories, answer: Answer | None) -> dict[str, Any]:
    chance = memories.chance
    return {
        **course.explain,
        "memories": {
            **memories.explain,
            "nats": None if memories.nats is None else round(memories.nats, 3),
            "chance": chance and {"mean": round(chance.mean, 3), "deviation": round(chance.deviation, 3)},
        },
        "documents": dict(answer.explain) if answer else None,
    }
