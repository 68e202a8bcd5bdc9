"""POST /v1/embeddings and GET /v1/models, in the shapes of OpenAI's interface: any client of it is a guest.

A client never gets less than it thinks: another model's name, a text whose end the model would not see, an
empty one, or other dimensions are refused, unless it said that it knows. Texts are embedded as they are; a
model's query prefix is the client's to put. It knows neither workers nor what the vectors are for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import (
    Busy,
    EmbedderUnavailable,
    InputTooLong,
    ModelNotFound,
    RequestInvalid,
    TokensInvalid,
)
from pi_rag.ingest.cutting import COUNT_TEXTS, SPECIAL_TOKENS
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.service.schemas import EmbeddingsAnswer, EmbeddingsRequest, ModelAnswer, ModelsAnswer
from pi_rag.service.waiting import hung_up
from pi_rag.types import Lane, ModelCard, Text

if TYPE_CHECKING:
    from pi_rag.types import Vectors

OWN_ALIAS = "pi-rag"
"""The model in use, whichever it is: for a client that should not have to be told of a change."""

TOKENS_HINT = (
    "Send texts, or ids of the model's own vocabulary without [CLS] and [SEP]. "
    "LangChain sends another model's ids unless it is told check_embedding_ctx_length=False."
)

CHARS_PER_TOKEN = 4
"""Of English text, about: what makes a list of token ids as short as a short text."""

_REPOSITORY = re.compile(r"hf:(([^/@]+)/[^/@]+)")
"""The whole name of a repository, and its owner, in a card's `source`."""

_NUMBERS = TypeAdapter(list[float])

T = TypeVar("T")


def mount(api: APIRouter, house: House) -> None:
    """The routes, over one desk."""
    desk = Desk(house.meaning, house.settings, house.clock)

    @api.post("/v1/embeddings", summary="Turn texts into vectors", response_model=EmbeddingsAnswer)
    async def embeddings(request: EmbeddingsRequest, connection: Request) -> Response:
        """A vector for each input, as OpenAI's interface gives them."""
        deadline_s = connection.state.wait_until_s - asyncio.get_running_loop().time()
        body = await _while_connected(connection, desk.answer(request, deadline_s))
        return Response(body, media_type="application/json")

    @api.get("/v1/models", summary="List the model in use")
    async def models() -> ModelsAnswer:
        """What `/v1/embeddings` can use now: one model, or none."""
        return ModelsAnswer(object="list", data=desk.models())

    @api.get("/v1/models/{name:path}", summary="The model in use, by name")
    async def model(name: str) -> ModelAnswer:
        """The same, for a client that asks whether a model is there."""
        return desk.model(name)


async def _while_connected(connection: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is given up when nobody is there to get it."""
    answer, gone = asyncio.ensure_future(work), asyncio.ensure_future(hung_up(connection))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise RequestInvalid("The client hung up before its vectors were made.")
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()
        # Its place is free only then; a client that comes back at once should find it so.
        await asyncio.wait({answer, gone})


class Desk:
    """Answers requests for vectors. One for the life of the service, since it bounds them all together."""

    def __init__(self, meaning: Meaning, settings: Settings, clock: Clock) -> None:
        self._meaning = meaning
        self._settings = settings
        self._clock = clock
        self._bulk = asyncio.Semaphore(settings.service.embeddings_bulk_max)
        # Two slices for each worker keep it busy while the next one is on its way.
        self._breadth = min(2 * settings.embedder.workers_wanted, settings.embedder.ingest_queue_max)
        self._under_way = asyncio.Semaphore(self._breadth)

    def models(self) -> list[ModelAnswer]:
        """The model in use, if it can be used."""
        card = self._meaning.card
        return [] if card is None or self._meaning.reason else [self._described(card)]

    def model(self, name: str) -> ModelAnswer:
        """The model in use, if it goes by this name. Raises ModelNotFound, ModelError kinds."""
        return self._described(self._card(name))

    async def answer(self, request: EmbeddingsRequest, deadline_s: float) -> bytes:
        """The body of the answer, as `EmbeddingsAnswer` describes it; at most `deadline_s` from now.

        Raises ModelNotFound, RequestInvalid, InputTooLong; ModelError and TryLater kinds.
        """
        card = self._card(request.model)
        self._check(request, card)
        end_s = self._clock.monotonic_s() + deadline_s
        if self._is_question(request.input):
            return await self._embedded(request, card, "query", end_s)
        if self._bulk.locked():
            most = self._settings.service.embeddings_bulk_max
            raise Busy(f"{most} requests for many vectors are in progress, which is the most allowed.")
        async with self._bulk:
            return await self._embedded(request, card, "ingest", end_s)

    def _card(self, name: str) -> ModelCard:
        """The model in use, if it goes by this name."""
        card = self._meaning.card
        if card is None or self._meaning.reason is not None:
            raise (self._meaning.reason or EmbedderUnavailable("There is no model.")).again()
        names = {each.casefold() for each in (card.name, *self._aliases(card))}
        # Whoever publishes it, `owner/NAME` is how the hub's users call the model NAME.
        if "*" not in names and not {name.casefold(), name.rsplit("/", 1)[-1].casefold()} & names:
            raise ModelNotFound(
                f"The model {name!r} is not in use here; {card.name!r} is.",
                hint=f'Ask for "{card.name}" or "{OWN_ALIAS}". For a client that cannot be told so, put the '
                "name it asks for into service.embeddings_model_names.",
                param="model",
            )
        return card

    def _aliases(self, card: ModelCard) -> list[str]:
        return [*_own_aliases(card), *_listed(self._settings.service.embeddings_model_names)]

    def _described(self, card: ModelCard) -> ModelAnswer:
        return ModelAnswer(
            id=card.name,
            object="model",
            created=_made_at_s(card.path),
            owned_by=_owner(card),
            aliases=self._aliases(card),
            dimensions=card.dimensions,
            tokens_max=self._room(card),
            query_prefix=card.query_prefix,
            sha256=card.sha256,
        )

    def _room(self, card: ModelCard) -> int:
        """Tokens of a text that the model sees."""
        return min(self._settings.embedder.tokens_max, card.tokens_max) - SPECIAL_TOKENS

    def _check(self, request: EmbeddingsRequest, card: ModelCard) -> None:
        """Refuse what can be told without the model."""
        most = self._settings.service.embeddings_inputs_max
        if not request.input:
            raise RequestInvalid("There is no input.", param="input")
        if len(request.input) > most:
            raise RequestInvalid(
                f"There are {len(request.input)} inputs; at most {most} are taken in one request.",
                hint="Send them in several requests, or raise service.embeddings_inputs_max.",
                param="input",
            )
        if request.dimensions not in {None, card.dimensions}:
            raise RequestInvalid(
                f"The vectors of {card.name} have {card.dimensions} dimensions, and no other number.",
                hint="Leave `dimensions` out.",
                param="dimensions",
            )
        self._check_tokens_are_its_own(request, card)

    def _check_tokens_are_its_own(self, request: EmbeddingsRequest, card: ModelCard) -> None:
        """A client that thinks it speaks to another model numbers its tokens as that one does."""
        own = {each.casefold() for each in (card.name, *_own_aliases(card))}
        foreign = not {request.model.casefold(), request.model.rsplit("/", 1)[-1].casefold()} & own
        if foreign and any(isinstance(text, tuple) for text in request.input):
            raise RequestInvalid(
                f"Token ids of {request.model!r} mean nothing to {card.name}.",
                hint=TOKENS_HINT,
                param="input",
            )

    def _is_question(self, texts: Sequence[Text]) -> bool:
        """One short input, for which somebody is likely to wait."""
        chars_max = self._settings.service.embeddings_query_chars_max
        return len(texts) == 1 and chars_max >= len(texts[0]) * (
            CHARS_PER_TOKEN if isinstance(texts[0], tuple) else 1
        )

    async def _embedded(self, request: EmbeddingsRequest, card: ModelCard, lane: Lane, end_s: float) -> bytes:
        """All inputs are counted, so that a refusal comes before the cost, then embedded."""
        embedder, texts = self._meaning.embedder, request.input
        # One by one where there are token ids, so that the input with a wrong one can be named.
        size = 1 if any(isinstance(text, tuple) for text in texts) else COUNT_TEXTS
        counts = _flat(await self._spread(embedder.count_tokens, list(_slices(texts, size)), lane, end_s))
        tokens = self._tokens_seen(counts, card, truncate=request.truncate)
        write = _base64 if request.encoding_format == "base64" else _numbers

        async def written(part: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[bytes]:
            # A slice is written while the next ones are made: all at once would keep others waiting.
            return write(await embedder.embed(part, lane=lane, deadline_s=deadline_s))

        slices = list(_slices(texts, self._settings.ingest.embed_texts))
        return _body(_flat(await self._spread(written, slices, lane, end_s)), card.name, tokens)

    def _tokens_seen(self, counts: Sequence[int], card: ModelCard, *, truncate: bool) -> int:
        """How many tokens the model sees of all inputs. Raises RequestInvalid, InputTooLong."""
        room = self._room(card)
        for number, count in enumerate(counts):
            if count == 0:
                raise RequestInvalid(
                    f"Input {number} is empty: the model sees no token of it.",
                    hint="Leave it out: a vector of nothing would be near to everything and mean nothing.",
                    param="input",
                )
            if count > room and not truncate:
                raise InputTooLong(
                    f"Input {number} has {count} tokens; {card.name} takes at most {room} here.",
                    param="input",
                )
        return sum(min(count, room) + SPECIAL_TOKENS for count in counts)

    async def _spread(
        self, ask: Callable[..., Awaitable[T]], slices: Sequence[Sequence[Text]], lane: Lane, end_s: float
    ) -> list[T]:
        """Ask for all slices, answers in order. The first failure ends them all.

        A request asks for few slices at a time, so that one for thousands and one for ten take turns.
        """
        answers: dict[int, T] = {}
        waiting = iter(enumerate(slices))

        async def hand() -> None:
            for number, part in waiting:
                try:
                    answers[number] = await self._insist(ask, part, lane, end_s)
                except TokensInvalid as error:
                    message = f"Input {number}: {error.message}"
                    raise TokensInvalid(message, hint=TOKENS_HINT, param="input") from error

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._breadth, len(slices))):
                    group.create_task(hand())
        except BaseExceptionGroup as failed:
            # The others were cancelled because of the first; it alone says why.
            raise failed.exceptions[0] from None
        return [answers[number] for number in range(len(slices))]

    async def _insist(
        self, ask: Callable[..., Awaitable[T]], part: Sequence[Text], lane: Lane, end_s: float
    ) -> T:
        """Ask, and ask again while the lane is full, as long as there is time. Raises as `ask` does."""
        async with self._under_way if lane == "ingest" else contextlib.nullcontext():
            while True:
                left_s = end_s - self._clock.monotonic_s()
                try:
                    return await ask(part, lane=lane, deadline_s=left_s)
                except Busy as busy:
                    rest_s = (busy.retry_after_ms or 0) / 1000
                    if left_s <= rest_s:
                        raise
                await asyncio.sleep(rest_s)


def _own_aliases(card: ModelCard) -> list[str]:
    """The name of its repository, where it has one, and the one that every model in use has."""
    found = _REPOSITORY.match(card.source)
    return [found[1], OWN_ALIAS] if found else [OWN_ALIAS]


def _owner(card: ModelCard) -> str:
    found = _REPOSITORY.match(card.source)
    return found[2] if found else "local"


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _made_at_s(path: str) -> int:
    """When the model's file was last written; 0 when it is gone, which its vectors survive."""
    try:
        return int(Path(path).stat().st_mtime)
    except OSError:
        return 0


def _slices(texts: Sequence[Text], size: int) -> Iterator[Sequence[Text]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _flat(parts: Sequence[Sequence[T]]) -> list[T]:
    return [each for part in parts for each in part]


def _numbers(rows: Vectors) -> list[bytes]:
    return [_NUMBERS.dump_json(row.tolist()) for row in rows]


def _base64(rows: Vectors) -> list[bytes]:
    return [b'"%s"' % base64.b64encode(row.astype("<f4").tobytes()) for row in rows]


def _body(vectors: Sequence[bytes], model: str, tokens: int) -> bytes:
    """The JSON of an EmbeddingsAnswer around vectors that are JSON already."""
    rows = (
        b'{"object":"embedding","index":%d,"embedding":%s}' % (index, vector)
        for index, vector in enumerate(vectors)
    )
    usage = json.dumps({"prompt_tokens": tokens, "total_tokens": tokens})
    tail = f'],"model":{json.dumps(model)},"usage":{usage}}}'
    return b'{"object":"list","data":[' + b",".join(rows) + tail.encode()
