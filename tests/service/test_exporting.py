"""An export over HTTP: what stands in it, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pi_rag.client import Client
from pi_rag.config import from_values
from pi_rag.errors import ServiceDown, StoreBusy
from pi_rag.service import exporting
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.web import web
from pi_rag.store import documents, identity
from pi_rag.store.export import Stored
from pi_rag.store.pool import Pool
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.types import DocumentRow, Fingerprint
from tests.embedder.fake import FakeEmbedder
from tests.service.conftest import built, guest_of

SOURCES = ["a", "b", "c"]


@pytest.fixture
async def filled(guest: httpx.AsyncClient) -> httpx.AsyncClient:
    """Three documents."""
    for name in SOURCES:
        body = {"documents": [{"source": name, "text": f"the lamp {name}", "metadata": {"name": name}}]}
        assert (await guest.post("/v1/documents", json=body)).status_code == 200
    return guest


async def exported(guest: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await guest.get(f"/v1/export{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def lines(house: House, until_s: float, after: int = 0) -> list[dict[str, Any]]:
    given = exporting.lines(house.store, collection=None, vectors=False, after=after, until_s=until_s)
    return [json.loads(line) async for line in given]


async def test_all_documents_then_the_end(filled: httpx.AsyncClient) -> None:
    """Without vectors nothing stands before them; `next` is null when there is no more."""
    *found, end = await exported(filled)
    assert [each["source"] for each in found] == SOURCES
    assert [each["text"] for each in found] == [f"the lamp {name}" for name in SOURCES]
    assert all("passages" not in each for each in found)
    assert end == {"pi_rag_export": 1, "next": None}
    assert await exported(filled, "?collection=none") == [end]
    assert [each.get("source") for each in await exported(filled, "?after=2")] == ["c", None]


async def test_with_vectors_the_model_is_said_first(filled: httpx.AsyncClient) -> None:
    """And every passage has its vector, where the document's text has it."""
    head, *found, _ = await exported(filled, "?vectors=true")
    assert head["made_by"]["model_name"] == "fake"
    for each in found:
        (passage,) = each["passages"]
        assert each["text"][passage["start"] : passage["end"]] == each["text"]
        assert len(passage["vector"]) == 384 * 4 * 4 // 3


async def test_an_answer_ends_in_time_and_says_where_to_go_on(
    filled: httpx.AsyncClient, house: House
) -> None:
    """However little time there is, each answer has a document, so that it comes to an end."""
    first = await lines(house, until_s=0.0)
    assert [each.get("source") for each in first] == ["a", None]
    assert first[-1]["next"] == 1
    last = await lines(house, until_s=asyncio.get_running_loop().time() + 60, after=2)
    assert [each.get("source") for each in last] == ["c", None]
    assert last[-1]["next"] is None


async def test_what_is_removed_or_added_meanwhile_may_be_in_it_and_all_else_is(
    filled: httpx.AsyncClient, house: House
) -> None:
    """No reader is held between two documents, so the rest of the house goes on; each document is whole."""
    until_s = asyncio.get_running_loop().time() + 60
    given = exporting.lines(house.store, collection=None, vectors=False, after=0, until_s=until_s)
    assert json.loads(await anext(given))["source"] == "a"
    await house.store.write(documents.remove_source, "b", None)
    await filled.post("/v1/documents", json={"documents": [{"source": "d", "text": "the late lamp"}]})
    assert [json.loads(line).get("source") async for line in given] == ["c", "d", None]


async def test_it_waits_for_a_reader_and_gives_up_in_the_end(
    filled: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches go first; a while without a free reader does not break an export off."""
    busy = [True, True]
    run = Pool.run

    async def taken(self: Pool, job: Any) -> Any:
        if busy:
            busy.pop()
            raise StoreBusy("All readers are taken.")
        return await run(self, job)

    monkeypatch.setattr(Pool, "run", taken)
    now_s = asyncio.get_running_loop().time()
    assert len(await lines(house, until_s=now_s + 60)) == 4
    busy.append(True)
    with pytest.raises(StoreBusy):
        await lines(house, until_s=0.0)


WORDS = st.lists(st.sampled_from("lamp boiler tea roof Ä 茶 🙂 cellar".split()), min_size=1, max_size=120)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["a.md", "b.txt", "notes.py", "d", "é.md"]),
            "text": st.lists(WORDS.map(" ".join), min_size=1, max_size=4).map("\n\n# Part\n\n".join),
            "title": st.sampled_from(["", "The house", "Ä"]),
            "metadata": st.dictionaries(st.sampled_from(["year", "tags"]), st.integers(0, 9) | st.text()),
        }
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda document: str(document["source"]),
)


async def everything(guest: httpx.AsyncClient, house: House) -> dict[str, Any]:
    """All that a guest could tell apart: documents, passages bit by bit, links, and answers."""
    read = house.store.read
    answers = []
    for mode in ("hybrid", "vector", "text"):
        answer = (await guest.post("/v1/search", json={"query": "lamp tea", "mode": mode, "k": 20})).json()
        answers.append([{**hit, "age_s": 0} for hit in answer["hits"]])
    return {
        "documents": (await guest.get("/v1/documents")).json()["documents"],
        "lines": (await guest.get("/v1/export?vectors=true")).text,
        "chunks": await read(all_rows, "SELECT * FROM chunks ORDER BY id"),
        "links": await read(all_rows, "SELECT * FROM duplicates ORDER BY 1"),
        "answers": answers,
    }


def parts(lines: str) -> tuple[Any, list[dict[str, Any]]]:
    """What made the vectors, and the documents, of an export."""
    found = [json.loads(line) for line in lines.split("\n") if line]
    return found[0].get("made_by"), [each for each in found if "pi_rag_export" not in each]


async def imported(guest: httpx.AsyncClient, made_by: Any, *documents: dict[str, Any]) -> dict[str, Any]:
    answer = await guest.post("/v1/import", json={"documents": documents, "made_by": made_by})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextlib.asynccontextmanager
async def empty(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, House, FakeEmbedder]]:
    """A house without documents."""
    settings = from_values({"service.data": str(folder), "service.socket": str(folder / "s")})
    embedder = FakeEmbedder()
    async with built(settings, embedder) as house, guest_of(house, settings) as guest:
        yield guest, house, embedder


def embedded(embedder: FakeEmbedder) -> int:
    """How many passages the model was asked for."""
    return sum(count for task, lane, count in embedder.calls if (task, lane) == ("embed", "ingest"))


@given(DOCUMENTS)
@hypothesis_settings(max_examples=12)
def test_what_goes_out_comes_in_the_same(given_documents: list[dict[str, Any]]) -> None:
    """Documents, dates, passages, vectors, links and answers, with nothing embedded; and twice is as once."""

    async def round_trip(folder: Path) -> None:
        async with empty(folder / "there") as (guest, house, _):
            # One by one: two that come at once may be stored in either order.
            for each in given_documents:
                assert (await guest.post("/v1/documents", json={"documents": [each]})).status_code == 200
            before = await everything(guest, house)
        made_by, documents = parts(before["lines"])
        async with empty(folder / "here") as (guest, house, embedder):
            for each in documents:
                answer = await imported(guest, made_by, each)
                assert (answer["vectors"], answer["job"]["items_done"]) == ("used", 1)
            assert await everything(guest, house) == before
            assert embedded(embedder) == 0
            again = await imported(guest, made_by, *documents)
            assert again["job"]["items_unchanged"] == len(documents)
            assert await everything(guest, house) == before

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(round_trip(Path(folder)))


async def test_without_vectors_the_text_is_embedded_again(
    filled: httpx.AsyncClient, house: House, tmp_path: Path
) -> None:
    """And comes to the same documents and the same vectors, with their dates."""
    before = await everything(filled, house)
    documents = (await exported(filled))[:-1]
    async with empty(tmp_path / "other") as (guest, other, embedder):
        for each in documents:
            assert (await imported(guest, None, each))["vectors"] == "none"
        assert embedded(embedder) == 3
        assert await everything(guest, other) == before


async def test_vectors_of_another_model_are_made_again(
    filled: httpx.AsyncClient, house: House, tmp_path: Path
) -> None:
    """It is said, with what sets the models apart; the name alone does not."""
    made_by, documents = parts((await filled.get("/v1/export?vectors=true")).text)
    async with empty(tmp_path / "other") as (guest, _, embedder):
        answer = await imported(guest, made_by | {"model_sha256": "1" * 64}, documents[0])
        assert (answer["vectors"], answer["different"]) == ("made_anew", ["model_sha256"])
        assert embedded(embedder) == 1
        answer = await imported(guest, made_by | {"model_name": "renamed"}, documents[1])
        assert (answer["vectors"], embedded(embedder)) == ("used", 1)


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.update(text="the pump a"),
        lambda line: line.update(text=line["text"] + " and the late roof"),
        lambda line: line.update(title="Another"),
        lambda line: line["passages"][0].update(hash=None),
        lambda line: line["passages"][0].update(end=2**30),
    ],
    ids=["text", "longer", "title", "no hash", "place"],
)
async def test_an_edited_line_does_not_keep_its_vectors(filled: httpx.AsyncClient, edit: Any) -> None:
    """A vector of another text than its passage's would be found by the wrong questions."""
    made_by, (line, *_) = parts((await filled.get("/v1/export?vectors=true")).text)
    edit(line)
    assert (await imported(filled, made_by, line | {"source": "new"}))["job"]["items_done"] == 1
    stored = (await filled.get("/v1/documents/4")).json()
    assert (stored["text"], stored["title"]) == (line["text"], line["title"])
    _, lines = parts((await filled.get("/v1/export?vectors=true&after=3")).text)
    (passage,) = lines[0]["passages"]
    assert (passage["start"], passage["end"]) == (0, len(line["text"]))
    assert passage["hash"] is not None


async def test_an_edited_line_replaces_what_is_stored(filled: httpx.AsyncClient, house: House) -> None:
    """It is the same file still by its hash, but not the same text; it was replaced now, not then."""
    _, (line, *_) = parts((await filled.get("/v1/export")).text)
    answer = await imported(filled, None, line | {"text": "the pump", "created_at": 1, "updated_at": 1})
    stored = (await filled.get("/v1/documents/1")).json()
    assert answer["job"]["items_done"] == 1
    assert (stored["text"], stored["content_hash"]) == ("the pump", line["content_hash"])
    assert (stored["created_at"], stored["updated_at"] >= line["updated_at"]) == (line["created_at"], True)


async def test_a_bad_line_is_refused_and_the_rest_is_taken(filled: httpx.AsyncClient) -> None:
    """With its source and the reason; nothing of it is stored."""
    made_by, documents = parts((await filled.get("/v1/export?vectors=true")).text)
    bad, good, empty_one = (each | {"source": f"new {each['source']}"} for each in documents)
    bad["passages"][0]["vector"] = "AAAA"
    job = (await imported(filled, made_by, bad, good, empty_one | {"text": " "}))["job"]
    assert (job["items_done"], job["items_refused"]) == (1, 2)
    assert {each["source"]: each["code"] for each in job["refusals"]} == {
        "new a": "document_damaged",
        "new c": "document_empty",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"documents": []},
        {"documents": [{"text": "no source"}]},
        {"documents": [{"source": "", "text": "t"}]},
        {"documents": [{"source": "x" * 4097, "text": "t"}]},
        {"documents": ["x"]},
        {"documents": [{"source": "a", "text": "t"}], "made_by": {"model_name": "m"}},
        {"documents": [{"source": "a", "text": "t"}], "more": 1},
    ],
)
async def test_a_request_that_is_no_import_is_refused_whole(guest: httpx.AsyncClient, body: Any) -> None:
    """Before anything is queued."""
    answer = await guest.post("/v1/import", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")
    assert (await guest.get("/v1/jobs")).json()["jobs"] == []


async def test_numbers_that_json_has_not_are_refused(guest: httpx.AsyncClient) -> None:
    """Python's own parser lets them in."""
    answer = await guest.post("/v1/import", content='{"documents": [{"source": "a", "created_at": NaN}]}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_half_a_character_in_metadata_makes_no_answer_fail(
    guest: httpx.AsyncClient, house: House
) -> None:
    """Neither of what comes in, nor of what a database holds from before."""
    line = b'{"documents": [{"source": "a", "text": "green tea", "metadata": {"by": "x\\ud800"}}]}'
    assert (await guest.post("/v1/import", content=line)).status_code == 200
    assert await _authors(guest) == ["x\ufffd"] * 2
    older = r'{"by":"y\ud800"}'
    await house.store.write(lambda db: db.execute("UPDATE documents SET metadata = ?", (older,)))
    assert await _authors(guest) == ["y\ufffd"] * 2


async def _authors(guest: httpx.AsyncClient) -> list[str]:
    """As a search tells it, and the document itself."""
    found = (await guest.post("/v1/search", json={"query": "tea"})).json()["hits"][0]
    document = (await guest.get(f"/v1/documents/{found['document_id']}")).json()
    return [each["metadata"]["by"] for each in (found, document)]


@contextlib.asynccontextmanager
async def listened(house: House) -> AsyncIterator[tuple[Gate, Path]]:
    """The house behind a real socket."""
    service, path = house.settings.service, house.settings.socket_path
    gate = Gate(application(house), service)
    with listening(path, "600") as sock:
        async with asyncio.timeout(30), web(gate, service, sock):
            yield gate, path


async def test_a_model_that_is_changed_meanwhile_breaks_the_answer_off(
    filled: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of two models never come in one answer; whoever asked is told that it is not whole."""
    real, other = exporting._following, Fingerprint("other", "1" * 64, "mean", "", 384, 1)

    async def following(store: Store, collection: str | None, after: int, *more: Any) -> Stored | None:
        if after:
            await store.write(identity.write, other)
        return await real(store, collection, after, *more)

    monkeypatch.setattr(exporting, "_following", following)
    async with listened(house) as (gate, path):
        with pytest.raises(ServiceDown, match="hung up"):
            await asyncio.to_thread(list, Client(path).export(vectors=True))
        while gate._inside:
            await asyncio.sleep(0.001)


async def test_a_guest_who_reads_slowly_or_leaves_costs_no_more_than_a_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The house reads no further than its guest does, and the place is free again when the guest has gone."""
    endless = 0

    async def following(*_: Any) -> Stored:
        nonlocal endless
        endless += 1
        return Stored(
            DocumentRow(endless, "c", "s", "", "text", "h", {}, 1, 1, 1.0, 1.0, "x" * 1_000_000), ()
        )

    monkeypatch.setattr(exporting, "_following", following)
    async with listened(house) as (gate, path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /v1/export HTTP/1.1\r\nhost: service\r\n\r\n")
        await reader.readline()
        client = Client(path)
        for _ in range(50):  # each answered in full, while the export stands still
            await asyncio.to_thread(client.status)
        assert 1 <= endless < 10
        writer.close()
        while gate._inside:
            await asyncio.sleep(0.001)
