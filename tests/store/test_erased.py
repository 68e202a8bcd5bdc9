"""The note that the log holds what was erased."""

from __future__ import annotations

from pi_rag.store import erased
from pi_rag.store.store import Store


async def test_what_is_erased_while_the_log_is_emptied_keeps_its_note(store: Store) -> None:
    """The note that is dropped is the one that stood before."""
    empty_log = store.empty_log

    async def slow() -> bool:
        done = await empty_log()
        await store.write(erased.note)
        return done

    await store.write(erased.note)
    store.empty_log = slow  # type: ignore[method-assign]
    assert await erased.empty(store)
    assert await store.read(erased.noted) == 2
