"""A model file that could not be used at the start is looked at until it can be.

That is one which the settings name by its path: of an installed model the list says what it is, so its pool
begins at once and looks at the file by itself. It does not know what makes a file a model.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from pi_rag import log
from pi_rag.embedder.pool import LOOK_S, look
from pi_rag.errors import PiRagError
from pi_rag.models.shelf import own_file
from pi_rag.service import meaning as meanings
from pi_rag.service import tuning
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.service.tuning import Start
from pi_rag.store import identity

REST_S = 30.0
"""How long it rests when the database does not say of which model it is."""

Seen = tuple[int, ...] | None

_log = log.logger("service")


async def until_there(house: House, start: Start) -> Start:
    """How the embedder has begun: returns at once where there is a model, or none to wait for.

    Why there is none is told once, and so is every other reason that a look at another file finds.
    """
    _tell(house.meaning.reason)
    own = own_file(start.as_set.embedder.model)
    tried: Seen = ()
    while own is not None and house.meaning.reason is not None:
        tried = await _another(own, tried)
        try:
            start = await _look_again(house, start, own, tried)
        except PiRagError as error:
            _log.warning("model_not_tried", code=error.code, reason=error.message)
            tried = ()
            await asyncio.sleep(REST_S)
        except Exception:
            # It was not in use before. A fault of ours must not end the service.
            _log.exception("model_fault")
    return start


async def _another(path: Path, tried: Seen) -> Seen:
    """What the file is, once it is another one than was tried and nobody writes it any more."""
    before: Seen = ()
    while True:
        seen = await asyncio.to_thread(look, path)
        if seen != tried and seen == before:
            return seen
        before = seen
        await asyncio.sleep(LOOK_S)


async def _look_again(house: House, start: Start, own: Path, seen: Seen) -> Start:
    """Try what the settings name, as at a start, and put what comes of it into office."""
    before = house.meaning.reason
    chosen = await asyncio.to_thread(tuning.at_start, start.as_set)
    if await asyncio.to_thread(look, own) != seen:  # what was read is of two files
        return start
    fresh = tuning.kept_to(await house.store.read(identity.fingerprint_in_use), chosen)
    found = await meanings.joined(fresh.card, fresh.settings.embedder, fresh.curve, house.store, house.clock)
    if before is None or house.meaning.reason is not before:
        return start  # a reindex has put another model into office meanwhile
    if found.reason is None or found.reason.message != before.message:
        _tell(found.reason)
    _take_over(house, fresh, found)
    await house.meaning.start()
    return fresh


def _take_over(house: House, start: Start, found: Meaning) -> None:
    """Everybody who goes by the model; nothing is awaited in between, and no vector was made before."""
    meaning = house.meaning
    meaning.take_over(found)
    house.query.cache.follow(meaning.embedder, meaning.maker)
    house.runner.follow(meaning.embedder, meaning.tokens_max, meaning.reason)
    if meaning.card is not None and meaning.reason is None:
        house.settings = replace(house.settings, embedder=start.settings.embedder)
        house.query.adopt(meaning.query_prefix, meanings.fingerprint(meaning.card))
        _log.info("model_returned", model=meaning.card.name)


def _tell(reason: PiRagError | None) -> None:
    """The log has the cause, and not only that vectors are missing."""
    if reason is not None:
        _log.error("model_not_used", code=reason.code, reason=reason.message, said=reason.hint)
