"""Vectors over OpenAI's interface: its real client against the real service, and the desk with a fake."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings, Settings, from_values
from pi_rag.embedder.pool import Pool
from pi_rag.errors import Busy, ModelMissing, RequestInvalid
from pi_rag.service.app import application
from pi_rag.service.embeddings import Desk
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.service.schemas import EmbeddingsRequest
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.embedder.contract import HOSTILE, LONG_S
from tests.embedder.fake import FakeEmbedder

if TYPE_CHECKING:
    from pi_rag.types import Lane, Vectors

NAME = "all-MiniLM-L6-v2"
TEXTS = [f"house number {n} has a well " + "and a garden " * (n % 60) for n in range(150)]
CARD = ModelCard(
    name="small",
    path="/models/gone.gguf",
    sha256="0" * 64,
    dimensions=384,
    pooling="mean",
    tokens_max=256,
    query_prefix="query: ",
    quantisation="Q8_0",
    source="hf:maker/small@1",
    licence="MIT",
)


# The real client and the real service.


@pytest.fixture(scope="module")
def service(minilm: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service"), {"PI_RAG_MODEL": minilm.path}) as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> Iterator[openai.OpenAI]:
    """As README.md tells people to make one."""
    http = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(service.socket)))
    with openai.OpenAI(
        base_url="http://pi-rag/v1", api_key="none", http_client=http, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def pool(minilm: ModelCard) -> AsyncIterator[Pool]:
    pool = Pool(minilm, EmbedderSettings(workers=1), SystemClock())
    await pool.start()
    yield pool
    await pool.stop()


def rows(answer: openai.types.CreateEmbeddingResponse) -> np.ndarray[Any, Any]:
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return np.array([each.embedding for each in answer.data], dtype=np.float32)


def assert_same(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
    """Row by row the same vector, as near as texts that were packed with others come."""
    assert found.shape == wanted.shape
    assert float((found * wanted).sum(axis=1).min()) > 0.999


@pytest.mark.model
async def test_the_vectors_are_those_of_the_pool(client: openai.OpenAI, pool: Pool) -> None:
    """One is equal to the last bit; many of mixed length come in order, whatever they are packed with."""
    alone = await pool.embed(TEXTS[:1], lane="query", deadline_s=LONG_S)
    wanted = await pool.embed(TEXTS, lane="ingest", deadline_s=LONG_S)

    one = await asyncio.to_thread(client.embeddings.create, model=NAME, input=TEXTS[0])
    answer = await asyncio.to_thread(client.embeddings.create, model=NAME, input=TEXTS)

    assert np.array_equal(rows(one), alone)
    assert (answer.object, answer.model) == ("list", NAME)
    assert_same(rows(answer), wanted)


@pytest.mark.model
async def test_usage_is_what_the_model_sees(client: openai.OpenAI, pool: Pool) -> None:
    """The tokens of all inputs, with the two that the model puts around each."""
    counts = await pool.count_tokens(TEXTS, lane="ingest", deadline_s=LONG_S)

    usage = (await asyncio.to_thread(client.embeddings.create, model=NAME, input=TEXTS)).usage

    assert usage.prompt_tokens == usage.total_tokens == sum(counts) + 2 * len(TEXTS)


@pytest.mark.model
def test_both_encodings_carry_the_same_numbers(client: openai.OpenAI) -> None:
    """base64, which the client asks for by itself, and float are equal to the last bit."""
    one = client.embeddings.create(model=NAME, input="the lamp in the hall")
    other = client.embeddings.create(model=NAME, input="the lamp in the hall", encoding_format="float")
    raw = client.embeddings.with_raw_response.create(
        model=NAME, input="the lamp in the hall", encoding_format="base64"
    )
    sent = json.loads(raw.content)["data"][0]["embedding"]

    assert np.array_equal(rows(one), rows(other))
    assert np.array_equal(np.frombuffer(base64.b64decode(sent), "<f4"), rows(one)[0])
    assert abs(float(np.linalg.norm(rows(one))) - 1.0) < 1e-3


@pytest.mark.model
async def test_the_asynchronous_client_works_too(service: RunningService, client: openai.OpenAI) -> None:
    """Twenty requests at once each get their own vector."""
    http = httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(service.socket)))
    async with openai.AsyncOpenAI(
        base_url="http://pi-rag/v1", api_key="none", http_client=http, max_retries=0
    ) as many:
        answers = await asyncio.gather(
            *(many.embeddings.create(model=NAME, input=text) for text in TEXTS[:20])
        )
    alone = rows(await asyncio.to_thread(client.embeddings.create, model=NAME, input=TEXTS[:20]))

    assert_same(np.concatenate([rows(answer) for answer in answers]), alone)


@pytest.mark.model
@pytest.mark.parametrize(
    ("asked", "code", "param", "word"),
    [
        ({"input": ""}, "request_invalid", "input", "Input 0 is empty"),
        ({"input": []}, "request_invalid", "input", "no input"),
        ({"input": ["a", " \n"]}, "request_invalid", "input", "Input 1 is empty"),
        ({"input": ["a", "winter " * 300]}, "input_too_long", "input", "Input 1 has 300 tokens"),
        ({"input": ["a"] * 2049}, "request_invalid", "input", "2049 inputs"),
        ({"input": ["a", 7]}, "request_invalid", "input", "input 1"),
        ({"input": 7}, "request_invalid", "input", "a list of token ids"),
        ({"input": [True]}, "request_invalid", "input", "input 0"),
        ({"input": {"text": "a"}}, "request_invalid", "input", "a list of token ids"),
        ({"input": "a", "dimensions": 256}, "request_invalid", "dimensions", "384"),
        ({"input": "a", "encoding_format": "int8"}, "request_invalid", "encoding_format", "base64"),
    ],
)
def test_a_request_at_fault_is_refused_as_the_client_expects(
    client: openai.OpenAI, asked: dict[str, Any], code: str, param: str, word: str
) -> None:
    """BadRequestError with code, type and param; the message names the input and what is wrong with it."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=NAME, **asked)

    error = refused.value
    assert (error.code, error.type, error.param) == (code, "invalid_request_error", param)
    assert word in error.message
    assert isinstance(error.body, dict) and error.body["hint"]


@pytest.mark.model
def test_what_is_too_long_is_cut_only_on_demand(client: openai.OpenAI) -> None:
    """With `truncate` the vector is that of the beginning, and usage says how little was seen."""
    asked = "winter " * 100_000
    cut = client.embeddings.create(model=NAME, input=asked, extra_body={"truncate": True})
    beginning = client.embeddings.create(model=NAME, input="winter " * 254)

    assert cut.usage.total_tokens == beginning.usage.total_tokens == 256
    assert_same(rows(cut), rows(beginning))


@pytest.mark.model
@pytest.mark.parametrize("ids", [[7592, 2088], [[7592, 2088], [2088]]])
def test_token_ids_are_those_of_the_models_own_vocabulary(client: openai.OpenAI, ids: Any) -> None:
    """One list or several, without [CLS] and [SEP]: the vector and the usage are those of the text."""
    one = client.embeddings.create(model=NAME, input=ids)
    same = client.embeddings.create(model=NAME, input=["hello world", "world"][: len(one.data)])

    assert len(one.data) == (2 if isinstance(ids[0], list) else 1)
    assert one.usage == same.usage
    assert_same(rows(one), rows(same))


@pytest.mark.model
@pytest.mark.parametrize(
    "ids",
    [
        # "Where is the boiler, and when was it serviced?", as tiktoken's cl100k_base numbers it.
        [9241, 374, 279, 28725, 11, 323, 994, 574, 433, 81223, 30],
        [[7592], [7592, 30522]],
    ],
)
def test_another_models_token_ids_are_refused(client: openai.OpenAI, ids: Any) -> None:
    """An id that is not in the vocabulary is a fault of the request; the message has the input's number."""
    number = len(ids) - 1 if isinstance(ids[0], list) else 0
    with pytest.raises(openai.BadRequestError, match=f"Input {number}: ") as refused:
        client.embeddings.create(model=NAME, input=ids)

    assert (refused.value.code, refused.value.param) == ("tokens_invalid", "input")


@pytest.mark.model
@pytest.mark.parametrize("ids", [[-1], [2**31], [2**70], [1, 1.5], [[]], [[1], "a"]])
def test_what_cannot_be_a_token_is_refused(client: openai.OpenAI, ids: Any) -> None:
    """Below zero, beyond every vocabulary, a fraction, none at all."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=NAME, input=ids)

    assert (refused.value.code, refused.value.param) == ("request_invalid", "input")


@pytest.mark.model
def test_too_many_token_ids_are_cut_only_on_demand(client: openai.OpenAI) -> None:
    """As with a text: refused, or with `truncate` the vector of the beginning."""
    with pytest.raises(openai.BadRequestError, match="Input 0 has 600 tokens"):
        client.embeddings.create(model=NAME, input=[3467] * 600)
    cut = client.embeddings.create(model=NAME, input=[3467] * 600, extra_body={"truncate": True})
    text = client.embeddings.create(model=NAME, input="winter " * 600, extra_body={"truncate": True})

    assert cut.usage == text.usage
    assert_same(rows(cut), rows(text))


@pytest.mark.model
def test_another_models_name_is_refused_with_the_name_to_use(client: openai.OpenAI) -> None:
    """Vectors of one model in an index of another's would be wrong without a word: so it is said."""
    with pytest.raises(openai.NotFoundError, match=NAME) as refused:
        client.embeddings.create(model="text-embedding-3-small", input="a")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("text-embedding-3-small")

    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


@pytest.mark.model
@pytest.mark.parametrize("name", [NAME, NAME.lower(), f"sentence-transformers/{NAME}", "pi-rag"])
def test_the_model_goes_by_its_names(client: openai.OpenAI, name: str) -> None:
    """However it is asked for, the answer has its real name."""
    assert client.embeddings.create(model=name, input="a").model == NAME
    assert client.models.retrieve(name).id == NAME


@pytest.mark.model
def test_the_list_of_models_says_what_a_client_must_know(client: openai.OpenAI) -> None:
    """One model, with its dimensions, its window and what it wants before a question."""
    (model,) = client.models.list().data
    told = model.model_dump()

    assert (model.id, model.object, model.owned_by) == (NAME, "model", "local")
    assert model.created > 0
    assert (told["dimensions"], told["tokens_max"], told["query_prefix"]) == (384, 254, "")


@pytest.mark.model
def test_what_openai_takes_is_taken(client: openai.OpenAI) -> None:
    """A user's name, fields that nobody knows and its own number of dimensions do no harm."""
    answer = client.embeddings.create(
        model=NAME, input="a", user="ada", dimensions=384, extra_body={"priority": "low"}
    )

    assert len(answer.data) == 1


@pytest.mark.model
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("truncate", [False, True])
def test_a_hostile_text_is_a_vector_or_a_refusal(service: RunningService, name: str, truncate: bool) -> None:
    """Whatever JSON can carry: a unit vector, or a fault of the request; never one of the service."""
    body = json.dumps({"model": NAME, "input": ["a lamp", HOSTILE[name]], "truncate": truncate})
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(service.socket)), timeout=LONG_S) as guest:
        answer = guest.post("http://pi-rag/v1/embeddings", content=body)

    if answer.status_code == 200:
        vector = answer.json()["data"][1]["embedding"]
        assert abs(float(np.linalg.norm(vector)) - 1.0) < 1e-3
    else:
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Input 1 ")


# The desk with a fake in place of the pool.


@pytest.fixture
async def guest(house: House, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a house whose embedder is a fake that says it is CARD."""
    house.meaning.card = CARD
    transport = httpx.ASGITransport(
        app=Gate(application(house), settings.service), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


class Full(FakeEmbedder):
    """Its lanes are full for the first `times` calls; `asked` lists the lanes of all of them."""

    def __init__(self, times: int, retry_after_ms: int = 1) -> None:
        super().__init__()
        self.left = times
        self.retry_after_ms = retry_after_ms
        self.asked: list[Lane] = []

    async def embed(self, texts: Sequence[Any], *, lane: Lane, deadline_s: float) -> Vectors:
        self.asked.append(lane)
        if self.left:
            self.left -= 1
            raise Busy("full", retry_after_ms=self.retry_after_ms)
        return await super().embed(texts, lane=lane, deadline_s=deadline_s)


class Slow(FakeEmbedder):
    """Each embedding waits until `let` is set; `inside` counts those that wait, `most` at once."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.inside = self.most = self.ended = 0

    async def embed(self, texts: Sequence[Any], *, lane: Lane, deadline_s: float) -> Vectors:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.let.wait()
            return await super().embed(texts, lane=lane, deadline_s=deadline_s)
        finally:
            self.inside -= 1
            self.ended += 1


async def desk_of(embedder: FakeEmbedder, **values: Any) -> Desk:
    await embedder.start()
    return Desk(Meaning(CARD, embedder, None), from_values(values), SystemClock())


def request(texts: Any, **fields: Any) -> EmbeddingsRequest:
    return EmbeddingsRequest.model_validate({"model": "small", "input": texts} | fields)


async def ask(guest: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await guest.post("/v1/embeddings", json={"model": "small", "input": "a lamp"} | fields)


@given(st.lists(st.text("abc ", min_size=1).filter(str.strip), min_size=1, max_size=30), st.booleans())
def test_row_i_belongs_to_input_i(texts: list[str], as_base64: bool) -> None:
    """However many there are and however they are cut into slices."""

    async def both() -> tuple[bytes, Vectors]:
        embedder = FakeEmbedder()
        desk = await desk_of(embedder)
        encoding = "base64" if as_base64 else "float"
        body = await desk.answer(request(texts, encoding_format=encoding), LONG_S)
        return body, await embedder.embed(texts, lane="ingest", deadline_s=LONG_S)

    body, wanted = asyncio.run(both())
    data = json.loads(body)["data"]

    assert [each["index"] for each in data] == list(range(len(texts)))
    for each, row in zip(data, wanted, strict=True):
        found = each["embedding"]
        got = np.frombuffer(base64.b64decode(found), "<f4") if as_base64 else np.float32(found)
        assert np.array_equal(got, row)


@pytest.mark.parametrize(
    ("texts", "lane"),
    [
        ("where is the lamp", "query"),
        (["where is the lamp"], "query"),
        ("lamp " * 60, "ingest"),
        (["where", "is it"], "ingest"),
    ],
)
async def test_only_what_looks_like_a_question_goes_before_ingest(
    guest: httpx.AsyncClient, embedder: FakeEmbedder, texts: Any, lane: Lane
) -> None:
    """One short input stands where a search stands; all else waits its turn, and no search for it."""
    assert (await ask(guest, input=texts)).status_code == 200

    assert {called for _, called, _ in embedder.calls} == {lane}


async def test_a_bulk_is_cut_into_bounded_slices(guest: httpx.AsyncClient, embedder: FakeEmbedder) -> None:
    """No request holds a worker for long: few texts go in one call, as an ingest does it."""
    await ask(guest, input=[f"lamp {n}" for n in range(50)])

    embedded = [count for task, _, count in embedder.calls if task == "embed"]
    assert sum(embedded) == 50
    assert max(embedded) == 4


async def test_bulks_together_keep_their_share_of_the_lane() -> None:
    """However many there are, two slices for each worker are under way, and the lane has room for ingest."""
    embedder = Slow()
    desk = await desk_of(embedder, **{"embedder.workers": 2})
    texts = [f"lamp {n}" for n in range(40)]
    asked = [asyncio.create_task(desk.answer(request(texts), LONG_S)) for _ in range(3)]
    while embedder.inside < 4:
        await asyncio.sleep(0.001)
    embedder.let.set()
    await asyncio.gather(*asked)

    assert (embedder.most, embedder.ended) == (4, 30)


async def test_a_full_lane_is_asked_again() -> None:
    """An embedder that is busy for a moment costs the client nothing."""
    embedder = Full(3)
    desk = await desk_of(embedder)

    body = await desk.answer(request(["a lamp", "a well"]), LONG_S)

    assert len(json.loads(body)["data"]) == 2
    assert embedder.asked == ["ingest"] * 4


async def test_a_lane_that_stays_full_is_told_in_time() -> None:
    """When the next try would come too late the client hears `busy`, and can try by itself."""
    desk = await desk_of(Full(10**9, retry_after_ms=500))

    with pytest.raises(Busy):
        await desk.answer(request(["a lamp", "a well"]), 0.4)


async def test_too_many_bulks_are_answered_busy_and_questions_are_not(
    house: House, settings: Settings
) -> None:
    """The client is told when to come back, as OpenAI's clients understand it; a question finds a place."""
    embedder = Slow()
    await embedder.start()
    house.meaning = Meaning(CARD, embedder, None)
    house.settings = from_values({"service.embeddings_bulk_max": 1})
    gate = Gate(application(house), settings.service)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url="http://s") as guest:
        bulk = asyncio.create_task(ask(guest, input=["a lamp", "a well"]))
        while not embedder.inside:
            await asyncio.sleep(0.001)
        refused = await ask(guest, input=["a lamp", "a well"])
        question = asyncio.create_task(ask(guest))
        while embedder.inside < 2:
            await asyncio.sleep(0.001)
        embedder.let.set()
        done = [(await each).status_code for each in (bulk, question)]

    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["type"]) == (503, "busy", "server_error")
    assert (refused.headers["retry-after"], "x-should-retry" in refused.headers) == ("1", False)
    assert done == [200, 200]


async def test_work_for_a_guest_who_hung_up_is_given_up(house: House) -> None:
    """A client that lost patience asks again; the first request must not go on beside the second."""
    embedder = Slow()
    await embedder.start()
    house.meaning = Meaning(CARD, embedder, None)
    gone = asyncio.Event()
    body = json.dumps({"model": "small", "input": ["a lamp", "a well"]}).encode()
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        """Nobody hears it."""

    scope = {"type": "http", "method": "POST", "path": "/v1/embeddings", "query_string": b"", "headers": []}
    served = asyncio.create_task(Gate(application(house), house.settings.service)(scope, receive, send))
    while not embedder.inside:
        await asyncio.sleep(0.001)
    gone.set()
    await served
    while embedder.inside:
        await asyncio.sleep(0.001)

    assert embedder.calls == [("count", "ingest", 2)]


async def test_without_a_model_the_reason_is_told(house: House, settings: Settings) -> None:
    """The list of models is empty, a request hears why, and OpenAI's clients do not try again."""
    house.meaning = Meaning(None, None, ModelMissing("No model is installed."))
    gate = Gate(application(house), settings.service)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url="http://s") as guest:
        listed = (await guest.get("/v1/models")).json()
        refused = await ask(guest)

    assert listed == {"object": "list", "data": []}
    assert (refused.status_code, refused.json()["error"]["code"]) == (500, "model_missing")
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("names", ["text-embedding-3-small", "a, text-embedding-3-small ,b", "*"])
async def test_other_names_are_taken_where_a_setting_says_so(names: str) -> None:
    """For clients that cannot be told otherwise; the answer has the real name, and the list shows them."""
    desk = await desk_of(FakeEmbedder(), **{"service.embeddings_model_names": names})

    body = await desk.answer(request("a lamp", model="text-embedding-3-small"), LONG_S)

    assert json.loads(body)["model"] == "small"
    assert desk.models()[0].aliases[:2] == ["maker/small", "pi-rag"]


async def test_whoever_asks_for_another_model_may_not_number_its_tokens(embedder: FakeEmbedder) -> None:
    """Their ids would be another tokenizer's, and give a vector that means nothing."""
    desk = await desk_of(embedder, **{"service.embeddings_model_names": "*"})

    with pytest.raises(RequestInvalid, match="mean nothing to small"):
        await desk.answer(request([15339, 1917], model="text-embedding-3-small"), LONG_S)
    assert embedder.calls == []


async def test_a_name_with_half_a_character_is_an_unknown_name(guest: httpx.AsyncClient) -> None:
    """What no answer could repeat is refused all the same."""
    answer = await guest.post("/v1/embeddings", content=b'{"model": "\\ud800", "input": "a"}')

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("encoding", ["float", "base64", None])
async def test_the_answer_is_what_the_description_says(
    guest: httpx.AsyncClient, encoding: str | None
) -> None:
    """Each field that is described is sent, in its type, and no other, in vectors, models and errors."""
    described = (await guest.get("/openapi.json")).json()
    paths = described["paths"]
    embeddings = paths["/v1/embeddings"]["post"]["responses"]
    models = paths["/v1/models"]["get"]["responses"]["200"]

    assert_described(
        (await ask(guest, encoding_format=encoding)).json(), schema(embeddings["200"]), described
    )
    assert_described((await guest.get("/v1/models")).json(), schema(models), described)
    assert_described((await ask(guest, input=[])).json(), schema(embeddings["400"]), described)


def schema(response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = response["content"]["application/json"]["schema"]
    return found


TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "object": dict,
    "array": list,
}


def assert_described(value: Any, shape: dict[str, Any], described: dict[str, Any]) -> None:
    """`value` has the shape: a small reader of the part of JSON Schema that is in use here."""
    if "$ref" in shape:
        shape = described["components"]["schemas"][shape["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in shape:
        fits = [each for each in shape["anyOf"] if _has_type(value, each)]
        assert len(fits) == 1, (value, shape)
        shape = fits[0]
    assert _has_type(value, shape), (value, shape)
    assert shape.get("const", value) == value
    assert value in shape.get("enum", [value])
    if shape["type"] == "object":
        assert set(value) == set(shape["required"]) == set(shape["properties"])
        for name, part in shape["properties"].items():
            assert_described(value[name], part, described)
    if shape["type"] == "array":
        assert value
        for each in value:
            assert_described(each, shape["items"], described)


def _has_type(value: Any, shape: dict[str, Any]) -> bool:
    return "$ref" in shape or isinstance(value, TYPES[shape["type"]])
