"""The model in use, or the reason why there is none.

It holds the model's card against the fingerprint of the index, and keeps the pool. When there is no
usable model it stands in with an embedder that raises the reason, so that no desk has to ask.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from pi_rag.clock import Clock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.curve import GUESS, Curve
from pi_rag.embedder.pool import Pool
from pi_rag.embedder.succession import Succession
from pi_rag.errors import (
    EmbedderUnavailable,
    ModelError,
    ModelMismatch,
    PiRagError,
    Stopping,
    StoreReadOnly,
)
from pi_rag.store import identity
from pi_rag.store.store import Store
from pi_rag.text.chunk import CHUNKER_VERSION
from pi_rag.types import AnswerDegraded, Embedder, Fingerprint, Lane, ModelCard

if TYPE_CHECKING:
    from pi_rag.types import Text, Vectors


class NoMeaning:
    """Stands where an embedder would: every request is answered with the reason.

    For what is to be stored it is a passing one, as a pool's would be: a document that waits is not to blame.
    """

    def __init__(self, reason: PiRagError) -> None:
        self.reason = reason

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """Raises the reason."""
        self._refuse(lane)

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """Raises the reason."""
        self._refuse(lane)

    def _refuse(self, lane: Lane) -> NoReturn:
        if lane == "ingest":
            raise EmbedderUnavailable(f"There is no model: {self.reason.message}", hint=self.reason.hint)
        raise self.reason.again()


class StartedEmbedder(Embedder, Protocol):
    """An embedder with processes behind it: the pool."""

    curve: Curve
    """What batches are composed with."""

    def begin(self) -> None:
        """Have processes started, for which nobody waits yet."""
        ...

    async def start(self) -> None:
        """Until the first worker is ready. Raises ModelError or EmbedderUnavailable, and goes on trying."""
        ...

    @property
    def words(self) -> int | None:
        """Another number whenever a worker has been heard."""
        ...

    async def stop(self) -> None:
        """Leave no process behind."""
        ...

    async def recycle(self, pid: int) -> None:
        """Have a fresh worker take this one's place."""
        ...

    def hold_to(self, workers: int) -> None:
        """Keep no more workers that ingest than this."""
        ...

    def rest(self, *, rest: bool) -> None:
        """End every process, until it is called off."""
        ...

    def status(self) -> dict[str, Any]:
        """How it is, as /v1/status shows it."""
        ...


class Meaning:
    """The model in use, with its pool; or the reason why there is none."""

    def __init__(
        self,
        card: ModelCard | None,
        pool: StartedEmbedder | None,
        reason: PiRagError | None,
        maker: bytes | None = None,
        flash_tokens_min: int = GUESS.flash_tokens_min,
    ) -> None:
        assert (pool is None) != (reason is None)
        self.card = card
        self.reason = reason
        """Why documents cannot be taken at all; None where there is a pool, be it one to wait for."""
        self.maker = maker
        """Stands for all that decides a query's vector beside its text; None while no model makes any."""
        self.flash_tokens_min = flash_tokens_min
        """From which length on the pool uses flash attention; part of `maker`."""
        self._pool = pool
        self.embedder: Embedder = pool or NoMeaning(reason or EmbedderUnavailable("There is no model."))

    @property
    def query_prefix(self) -> str:
        """What this model wants before a query."""
        return self.card.query_prefix if self.card else ""

    @property
    def tokens_max(self) -> int:
        """The model's window in tokens; without a model nothing is cut, and any number will do."""
        return self.card.tokens_max if self.card else 512

    def begin(self) -> None:
        """Have the pool's processes started; `start` waits for them."""
        if self._pool is not None:
            self._pool.begin()

    async def start(self) -> None:
        """Start the pool. A model that cannot boot is not an error here: the pool goes on trying.

        Nor is it one that another model takes over before this one is ready.
        """
        if self._pool is not None:
            with contextlib.suppress(ModelError, EmbedderUnavailable, Stopping):
                await self._pool.start()

    async def start_or_fail(self) -> None:
        """Start the pool. Raises ModelError for a model that cannot boot; workers that die it tries again."""
        assert self._pool is not None
        with contextlib.suppress(EmbedderUnavailable):
            await self._pool.start()

    async def stop(self) -> None:
        """Stop the pool, if there is one."""
        if self._pool is not None:
            await self._pool.stop()

    @property
    def pools(self) -> list[StartedEmbedder]:
        """The pool, if there is one."""
        return [] if self._pool is None else [self._pool]

    async def renew(self, pool: Pool, *, grace_s: float) -> None:
        """Another pool of the same model takes over without a gap. Raises as Pool.start."""
        assert isinstance(self._pool, Succession), "only what a pool began can another pool go on with"
        await self._pool.follow(pool, grace_s=grace_s)

    def take_over(self, successor: Meaning) -> StartedEmbedder | None:
        """Become what `successor` is, at once. Returns the pool before, which somebody must stop."""
        before = self._pool
        self.card, self.reason = successor.card, successor.reason
        self.maker, self.flash_tokens_min = successor.maker, successor.flash_tokens_min
        self._pool, self.embedder = successor._pool, successor.embedder
        return before

    def use(self, curve: Curve) -> None:
        """Compose batches with this curve from now on."""
        if self._pool is not None:
            self._pool.curve = curve

    @property
    def words(self) -> int | None:
        """Another number whenever a worker has been heard; always 0 without a model."""
        return self._pool.words if self._pool is not None else 0

    def degraded(self) -> list[AnswerDegraded]:
        """What is missing, in the closed vocabulary."""
        if isinstance(self.reason, ModelMismatch):
            return ["model_mismatch"]
        return [] if self.status()["state"] == "ready" else ["embedder_unavailable"]

    def status(self) -> dict[str, Any]:
        """The pool's state, or the reason there is none."""
        if self._pool is not None:
            return self._pool.status()
        reason = f"{self.reason.message} {self.reason.hint}" if self.reason else None
        nothing: dict[str, Any] = {"workers": [], "nursery_pid": None, "engine": None, "restarts": 0}
        return {"state": "unavailable", "reason": reason, "queued": {"query": 0, "ingest": 0}, **nothing}


async def joined(
    card: ModelCard | PiRagError, settings: EmbedderSettings, curve: Curve, store: Store, clock: Clock
) -> Meaning:
    """A model, once it is known to fit the index; or why there is none. Its pool is not yet started."""
    if isinstance(card, PiRagError):
        return Meaning(None, None, card)
    try:
        # An index with passages is only compared; one without, where nothing can be written, fits any model.
        with contextlib.suppress(StoreReadOnly):
            claim = store.read if store.is_read_only else store.write
            await claim(identity.claim_fingerprint, fingerprint(card))
    except ModelMismatch as error:
        return Meaning(card, None, error)
    return of_model(card, settings, curve, clock)


def of_model(card: ModelCard, settings: EmbedderSettings, curve: Curve, clock: Clock) -> Meaning:
    """A model with a pool of its own, which is not yet started."""
    pool, flash = Succession(Pool(card, settings, clock, curve)), curve.flash_tokens_min
    return Meaning(card, pool, None, maker(card, settings, flash), flash)


def fingerprint(card: ModelCard) -> Fingerprint:
    """What makes vectors of this model comparable."""
    return Fingerprint(
        model_name=card.name,
        model_sha256=card.sha256,
        pooling=card.pooling,
        query_prefix=card.query_prefix,
        dimensions=card.dimensions,
        chunker_version=CHUNKER_VERSION,
    )


def maker(card: ModelCard, settings: EmbedderSettings, flash_tokens_min: int) -> bytes:
    """16 bytes that stand for all that decides the vector of a query beside its text.

    A longer window cuts off less of it. Another engine, another way of attention and company in a call round
    otherwise.
    """
    engine = [each.version for each in importlib.metadata.distributions(name="llama-cpp-python")]
    how = [settings.tokens_max, settings.texts_per_call_max, flash_tokens_min]
    facts = [card.sha256, card.pooling, card.dimensions, card.tokens_max, *how, engine]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).digest()
