"""The HTTP contract, from request to answer, over a house with a real database and real reading."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pi_rag.cli.parsing import PAGE_SIZE_MAX
from pi_rag.config import ServiceSettings, from_values
from pi_rag.errors import EmbedderUnavailable, StoreBusy, StoreDamaged, every_kind
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.tally import Tally
from pi_rag.service.telling import Telling
from pi_rag.store import checkup
from tests.embedder.fake import FakeEmbedder
from tests.service.conftest import built

BOILER = "# Boiler\n\nThe boiler was serviced in March by Ada.\n\n## Parts\n\nA new pump was put in.\n"


def guest_of(house: House, settings: ServiceSettings) -> httpx.AsyncClient:
    """A client of the house through a gate with these bounds."""
    gate = Gate(application(house), settings)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url="http://service")


async def added(guest: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await guest.post("/v1/documents", json=body)
    assert answer.status_code in {200, 202}, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return job


async def test_documents_make_way_for_a_search(guest: httpx.AsyncClient) -> None:
    """As the status tells."""
    assert (await guest.get("/v1/status")).json()["ingest"]["pace"]["why"] == "full"
    await guest.post("/v1/search", json={"query": "tea", "mode": "text"})
    assert (await guest.get("/v1/status")).json()["ingest"]["pace"]["why"] == "queries"


async def test_a_text_goes_in_and_is_found_with_its_citation(guest: httpx.AsyncClient) -> None:
    """What was sent is found, and the citation reproduces it exactly."""
    metadata = {"year": 2024}
    document = {"source": "home/boiler.md", "text": BOILER, "metadata": metadata}
    job = await added(guest, {"documents": [document], "wait": True})

    answer = (await guest.post("/v1/search", json={"query": "when was the boiler serviced"})).json()

    assert (job["state"], job["items_total"], job["items_done"], job["refusals"]) == ("done", 1, 1, [])
    hit = answer["hits"][0]
    assert set(hit) == {
        "document_id", "chunk_id", "collection", "source", "title", "heading", "page", "start", "end", "text",
        "score", "scores", "age_s", "metadata", "chunk_ids", "before", "after", "duplicate_of", "duplicates",
    }  # fmt: skip
    assert (hit["source"], hit["title"], hit["metadata"], hit["collection"]) == (
        "home/boiler.md",
        "boiler.md",
        metadata,
        "default",
    )
    assert BOILER[hit["start"] : hit["end"]] == hit["text"]
    assert hit["age_s"] >= 0
    assert answer["degraded"] == []
    assert answer["took_ms"]["total"] > 0
    assert answer["explain"] is None


async def test_paths_are_read_by_the_service(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """A folder is unfolded; what cannot be taken is named with its reason, the rest is taken."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.txt").write_text("The ladder is in the cellar.")
    (folder / "two.md").write_text("# Keys\n\nThe spare key is under the stone.")
    (folder / "empty.txt").write_text("")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 no text")

    job = await added(guest, {"paths": [str(folder), str(tmp_path / "gone.txt")]})

    assert job["items_done"] == 2
    assert {Path(each["source"]).name: each["code"] for each in job["refusals"]} == {
        "empty.txt": "document_empty",
        "photo.jpg": "document_binary",
        "gone.txt": "path_not_found",
    }
    assert job["items_total"] == job["items_done"] + job["items_refused"] == 5
    assert all(each["hint"] for each in job["refusals"])


async def test_only_what_lies_beneath_the_roots_is_read(tmp_path: Path) -> None:
    """Files and folders elsewhere are refused with the reason, links out as well; what is sent is taken."""
    for name in ("in/one.txt", "out/two.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"the lamp of {name}")
    (tmp_path / "in" / "way-out").symlink_to(tmp_path / "out")
    settings = from_values({"service.data": str(tmp_path / "data"), "ingest.roots": str(tmp_path / "in")})
    named = ("in", "out", "out/two.txt", "in/way-out", "in/way-out/two.txt", "in/../out/two.txt")
    async with built(settings, FakeEmbedder()) as house, guest_of(house, settings.service) as guest:
        job = await added(guest, {"paths": [str(tmp_path / name) for name in named]})
        await added(guest, {"documents": [{"source": str(tmp_path / "out" / "two.txt"), "text": "sent"}]})
        listed = (await guest.get("/v1/documents")).json()["documents"]

    codes = {each["source"]: each["code"] for each in job["refusals"]}
    # A folder's own links are refused as links, before it matters where they lead.
    assert codes.pop(str(tmp_path / "in" / "way-out")) in {"document_outside", "document_unsupported"}
    assert set(codes.values()) == {"document_outside"}
    assert set(codes) == {str(tmp_path / name) for name in (*named[1:3], *named[4:])}
    assert [Path(each["source"]).name for each in listed] == ["one.txt", "two.txt"]


async def test_a_path_that_is_no_text_is_refused(guest: httpx.AsyncClient) -> None:
    """A name that is not UTF-8 could not be told again; JSON can carry it all the same."""
    answer = await guest.post("/v1/documents", content=b'{"paths": ["/tmp/caf\\udce9.txt"]}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_metadata_may_be_given_for_all(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """The files below a folder get them, and what a document says of itself goes before them."""
    (tmp_path / "notes" / "deep").mkdir(parents=True)
    (tmp_path / "notes" / "deep" / "one.txt").write_text("The ladder is in the cellar.")
    of_all = {"year": 2024, "tags": ["house"]}
    await added(guest, {"paths": [str(tmp_path / "notes")], "metadata": of_all})
    own = {"source": "a", "text": "the roof", "metadata": {"year": 2025}}
    await added(guest, {"documents": [own], "metadata": of_all})

    listed = (await guest.get("/v1/documents")).json()["documents"]

    assert [each["metadata"] for each in listed] == [of_all, of_all | {"year": 2025}]


async def test_metadata_for_all_are_short(guest: httpx.AsyncClient, tmp_path: Path) -> None:
    """They are kept with every file of a folder, so a page of them would fill the disk."""
    answer = await guest.post(
        "/v1/documents", json={"paths": [str(tmp_path)], "metadata": {"a": "x" * 65536}}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")
    assert answer.json()["error"]["param"] == "metadata"


@pytest.mark.parametrize(
    ("content", "code"), [(b"\x00\x01\x02\x03" * 100, "document_binary"), (b" \n\t", "document_empty")]
)
async def test_bytes_that_are_no_text_are_refused_with_the_reason(
    guest: httpx.AsyncClient, content: bytes, code: str
) -> None:
    """What came through a pipe is judged as a file is."""
    document = {"source": "now.txt", "content_base64": base64.b64encode(content).decode()}
    job = await added(guest, {"documents": [document]})
    assert [each["code"] for each in job["refusals"]] == [code]


async def test_the_same_again_is_left_alone_and_a_change_is_taken(guest: httpx.AsyncClient) -> None:
    """Unchanged documents cost nothing; a changed text or title replaces the old one and keeps its id."""
    first = {"source": "a", "text": "the old roof"}
    await added(guest, {"documents": [first]})
    again = await added(guest, {"documents": [first]})
    titled = await added(guest, {"documents": [first | {"title": "Roof"}]})
    changed = await added(guest, {"documents": [first | {"text": "the new roof"}]})
    listed = (await guest.get("/v1/documents")).json()["documents"]
    text = (await guest.get(f"/v1/documents/{listed[0]['id']}")).json()["text"]
    old = (await guest.post("/v1/search", json={"query": "old", "mode": "text"})).json()

    assert (again["items_unchanged"], again["items_done"]) == (1, 0)
    assert titled["items_done"] == changed["items_done"] == 1
    assert len(listed) == 1
    assert text == "the new roof"
    assert old["hits"] == []


async def test_a_file_may_be_sent_as_bytes(guest: httpx.AsyncClient) -> None:
    """The command line uploads what the service may not read; it is read as the same file would be."""
    content = base64.b64encode(BOILER.encode()).decode()
    await added(guest, {"documents": [{"source": "/home/ada/boiler.md", "content_base64": content}]})

    listed = (await guest.get("/v1/documents")).json()["documents"][0]

    assert (listed["title"], listed["kind"]) == ("Boiler", "markdown")


@pytest.mark.parametrize("source", ["photo.jpg", "letter.pdf", "https://example.org/", "notes.md", "x.py"])
async def test_a_text_is_a_text_whatever_its_source_is_called(guest: httpx.AsyncClient, source: str) -> None:
    """A caption stored under the name of its picture is not mistaken for the picture."""
    job = await added(guest, {"documents": [{"source": source, "text": "a caption of the lamp"}]})

    assert (job["items_done"], job["refusals"]) == (1, [])
    assert (await guest.get("/v1/documents/1")).json()["text"] == "a caption of the lamp"


async def test_neighbours_and_joined_passages_stand_in_the_document(guest: httpx.AsyncClient) -> None:
    """Whatever is asked for, the offsets lead to the very characters in the document's own text."""
    text = "\n\n".join(f"# Part {number}\n\n" + f"The lamp {number} is on. " * 60 for number in range(6))
    await added(guest, {"documents": [{"source": "lamps.md", "text": text}]})
    stored = (await guest.get("/v1/documents/1")).json()["text"]
    asked = {"query": "lamp 3", "k": 2, "neighbours": 1}
    for question in (asked, asked | {"join": False}, asked | {"diversity": 0.5, "k": 4}):
        hits = (await guest.post("/v1/search", json=question)).json()["hits"]
        assert hits
        for hit in hits:
            assert stored[hit["start"] : hit["end"]] == hit["text"]
            begin, end = hit["start"] - len(hit["before"]), hit["end"] + len(hit["after"])
            assert stored[begin:end] == hit["before"] + hit["text"] + hit["after"]
            assert hit["before"] or hit["after"]


async def test_collections_and_filters_part_documents(guest: httpx.AsyncClient) -> None:
    """A search in one collection, or with a filter, never shows another's documents."""
    for name in ("work", "home"):
        document = {"source": "x", "text": f"the {name} lamp", "metadata": {"place": name}}
        await added(guest, {"documents": [document], "collection": name})

    inside = (await guest.post("/v1/search", json={"query": "lamp", "collection": "work"})).json()["hits"]
    only = {"query": "lamp", "filter": {"place": {"in": ["home", "attic"]}}}
    filtered = (await guest.post("/v1/search", json=only)).json()["hits"]

    assert [hit["text"] for hit in inside] == ["the work lamp"]
    assert [hit["text"] for hit in filtered] == ["the home lamp"]


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ({"collection": ["papers", "nowhere"]}, ["/a/b/old.md"]),
        ({"under": "/a/b/"}, ["/a/b/old.md"]),
        ({"kind": ["pdf", "code"]}, []),
        ({"kind": "markdown"}, ["/a/b/old.md", "/a/bc.md"]),
        ({"since": "2000-01-01", "until": 4e9}, ["/a/b/old.md", "/a/bc.md"]),
        ({"until": "2000-01-01"}, []),
        ({"filter": {"year": {"gte": 2000, "lt": 2010}}}, ["/a/b/old.md"]),
        ({"filter": {"by.name": {"prefix": "Mil"}, "year": {"not": 2001}}}, ["/a/bc.md"]),
    ],
)
async def test_a_search_may_be_narrowed(
    guest: httpx.AsyncClient, narrowed: dict[str, Any], found: list[str]
) -> None:
    """By collections, path, kind, time and metadata, as the interface says."""
    by = {"by": {"name": "Miller"}}
    old = {"source": "/a/b/old.md", "text": "the lamp", "metadata": {"year": 2001, **by}}
    new = {"source": "/a/bc.md", "text": "the lamp", "metadata": {"year": 2024, **by}}
    await added(guest, {"documents": [old], "collection": "papers"})
    await added(guest, {"documents": [new]})

    hits = (await guest.post("/v1/search", json={"query": "lamp", **narrowed})).json()["hits"]

    assert sorted(hit["source"] for hit in hits) == found


async def test_a_field_that_no_document_has_is_told(guest: httpx.AsyncClient) -> None:
    """Also when something is found: a misspelt field that is denied leaves nothing out."""
    await added(guest, {"documents": [{"source": "a", "text": "the lamp", "metadata": {"year": 2024}}]})
    answers = [
        (await guest.post("/v1/search", json={"query": "lamp", "filter": filter_})).json()
        for filter_ in ({"yaer": 2024}, {"year": 2025}, {"yaer": {"not": 2024}}, {"year": {"not": 2025}})
    ]
    assert [answer["unknown_fields"] for answer in answers] == [{"yaer": "year"}, {}, {"yaer": "year"}, {}]
    assert [len(answer["hits"]) for answer in answers] == [0, 0, 1, 1]


@pytest.mark.parametrize("address", ["/v1/documents", "/v1/duplicates"])
async def test_a_page_is_as_large_as_the_command_line_says(guest: httpx.AsyncClient, address: str) -> None:
    """Who reads its refusal can rely on the bound that it names."""
    limits = [(PAGE_SIZE_MAX, 200), (PAGE_SIZE_MAX + 1, 400), (0, 400)]
    assert [(each, (await guest.get(f"{address}?limit={each}")).status_code) for each, _ in limits] == limits


async def test_what_no_document_fits_is_told(guest: httpx.AsyncClient) -> None:
    """When nothing is found: a collection that is not there, or a path that is not whole."""
    await added(guest, {"documents": [{"source": "/a/b", "text": "the lamp"}]})
    asked: list[dict[str, Any]] = [{"collection": "defualt"}, {"under": "b"}, {"under": "/a"}, {}]
    answers = [(await guest.post("/v1/search", json={"query": "lamp"} | each)).json() for each in asked]
    assert [answer["fitting_none"] for answer in answers] == [["collection"], ["under"], [], []]


async def test_listing_goes_page_by_page(guest: httpx.AsyncClient) -> None:
    """Each document is on exactly one page, and the last page says so."""
    documents = [{"source": str(number), "text": f"note {number}"} for number in range(5)]
    await added(guest, {"documents": documents})
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = (await guest.get("/v1/documents", params={"limit": 2, "after": after})).json()
        seen += [row["source"] for row in page["documents"]]
        after = page["next"]

    assert sorted(seen) == ["0", "1", "2", "3", "4"]


async def test_what_is_removed_is_gone_everywhere(guest: httpx.AsyncClient) -> None:
    """By id or by source: no search, no listing and no second removal finds it again."""
    await added(guest, {"documents": [{"source": name, "text": f"{name} lamp"} for name in ("one", "two")]})
    listed = (await guest.get("/v1/documents")).json()["documents"]
    first, other = listed[0]["id"], listed[1]["source"]

    by_id = await guest.delete(f"/v1/documents/{first}")
    again = await guest.delete(f"/v1/documents/{first}")
    by_source = await guest.delete("/v1/documents", params={"source": other})
    left = (await guest.post("/v1/search", json={"query": "lamp"})).json()["hits"]

    assert by_id.json() == by_source.json() == {"removed": 1, "withdrawn": 0, "reasons": 0}
    assert (again.status_code, again.json()["error"]["code"]) == (404, "document_not_found")
    assert left == []
    assert (await guest.get(f"/v1/documents/{first}")).status_code == 404


async def test_a_request_sent_twice_is_one_job(guest: httpx.AsyncClient) -> None:
    """With its key; another request with the same key is refused."""
    body = {"documents": [{"source": "a", "text": "one"}], "key": "k", "priority": "high"}
    one, again = await added(guest, body), await added(guest, body)
    assert (one["id"], one["priority"]) == (again["id"], "high")
    other = await guest.post("/v1/documents", json={**body, "documents": [{"source": "a", "text": "two"}]})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")


async def test_explain_says_how_the_answer_came_about(guest: httpx.AsyncClient) -> None:
    """The ways, their depth and the constant of the fusion, and each hit's rank in each way."""
    await added(guest, {"documents": [{"source": "a", "text": "the lamp"}]})

    answer = (await guest.post("/v1/search", json={"query": "lamp", "explain": True})).json()

    assert answer["explain"]["candidates"] == {"vector": 1, "text": 1}
    scores = answer["hits"][0]["scores"]
    assert scores | {"vector_rank": 1, "text_rank": 1} == scores
    assert {type(scores["vector_rank"]), type(scores["text_rank"])} == {int}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/search", {"query": ""}, 400, "query_empty"),
        ("/v1/search", {"query": "x" * 100_000}, 400, "query_too_long"),
        ("/v1/search", {"query": "a", "k": 0}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "k": 10**9}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "k": -1}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "k": 10**400}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "k": "many"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "k": "3"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "k": True}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "explain": "yes"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "diversity": "0.2"}, 400, "request_invalid"),
        ("/v1/documents", {"paths": ["/nowhere"], "wait": "no"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "neighbours": 10**9}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "diversity": 2}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "diversity": "much"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "recency_half_life_days": -1}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "per_document_max": 0}, 400, "bad_input"),
        ("/v1/search", {"query": "a", "join": "perhaps"}, 400, "request_invalid"),
        ("/v1/search", {"query": ["a"]}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "mode": "magic"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "colection": "x"}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "filter": {"x": {"$gt": 3}}}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "filter": {"x": [3]}}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "since": "soon"}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "since": True}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "collection": []}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "collection": {"x": 1}}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "collection": [1]}, 400, "request_invalid"),
        ("/v1/search", {"query": "a", "until": {"x": [1]}}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "under": ""}, 400, "filter_invalid"),
        ("/v1/search", {"query": "a", "kind": "word"}, 400, "filter_invalid"),
        ("/v1/search", {"q": "a"}, 400, "request_invalid"),
        ("/v1/search", [1, 2], 400, "request_invalid"),
        ("/v1/documents", {}, 400, "request_invalid"),
        ("/v1/documents", {"paths": ["relative/path"]}, 400, "request_invalid"),
        ("/v1/documents", {"paths": ["/nul\0byte"]}, 400, "request_invalid"),
        (
            "/v1/documents",
            {"paths": ["/a"], "documents": [{"source": "a", "text": "b"}]},
            400,
            "request_invalid",
        ),
        ("/v1/documents", {"documents": [{"source": "a"}]}, 400, "request_invalid"),
        (
            "/v1/documents",
            {"documents": [{"source": "a", "text": "b", "content_base64": "Yg=="}]},
            400,
            "request_invalid",
        ),
        (
            "/v1/documents",
            {"documents": [{"source": "a", "content_base64": "not base64!"}]},
            400,
            "request_invalid",
        ),
        ("/v1/documents", {"documents": [{"source": "", "text": "b"}]}, 400, "request_invalid"),
    ],
)
async def test_a_request_at_fault_is_told_what_is_wrong(
    guest: httpx.AsyncClient, path: str, body: Any, status: int, code: str
) -> None:
    """One clear error in the one shape, with a hint, and nothing stored."""
    answer = await guest.post(path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"] and error["hint"]
    assert set(error) == {"code", "message", "hint", "retry_after_ms", "type", "param"}
    assert (await guest.get("/v1/status")).json()["counts"]["documents"] == 0


@pytest.mark.parametrize(
    ("method", "address", "param", "hint"),
    [
        ("DELETE", "/v1/documents?source=a&colection=b", "colection", "'collection'"),
        ("DELETE", "/v1/documents/1?collection=b", "collection", "none"),
        ("GET", "/v1/jobs?limt=1", "limt", "'limit'"),
        ("GET", "/v1/documents?x=1", "x", "after, collection, limit"),
        ("GET", "/v1/status?chek=true", "chek", "'check'"),
        ("POST", "/v1/search?k=3", "k", "none"),
        ("GET", "/healthz?a=", "a", "none"),
    ],
)
async def test_an_unknown_parameter_is_refused_and_nothing_done(
    guest: httpx.AsyncClient, method: str, address: str, param: str, hint: str
) -> None:
    """A misspelt `collection` must not make a removal wider; the name that may be meant is said."""
    await added(guest, {"documents": [{"source": "a", "text": "the lamp"}]})

    answer = await guest.request(method, address)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "request_invalid", param)
    assert hint in error["hint"]
    assert len((await guest.get("/v1/documents")).json()["documents"]) == 1


async def test_clients_of_another_interface_are_not_refused_for_a_parameter(guest: httpx.AsyncClient) -> None:
    """They send what that one takes, such as its version."""
    assert (await guest.get("/v1/models?api-version=2024-06-01")).status_code == 200


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"query": NaN}', b""])
async def test_a_body_that_is_no_json_is_refused(guest: httpx.AsyncClient, content: bytes) -> None:
    """Cut, binary or endlessly nested: an answer, not a fault of ours."""
    answer = await guest.post("/v1/search", content=content, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_a_body_is_json_whatever_it_is_called(guest: httpx.AsyncClient) -> None:
    """`curl -d` calls it a form, and others do not call it anything."""
    for headers in ({"content-type": "application/x-www-form-urlencoded"}, {}):
        answer = await guest.post("/v1/search", content=b'{"query": "lamp"}', headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("PUT", "/v1/search"), ("POST", "/healthz")]
)
async def test_an_unknown_address_is_named(guest: httpx.AsyncClient, method: str, path: str) -> None:
    """A wrong path or method gets the same shape of error as everything else."""
    answer = await guest.request(method, path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")
    assert path in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text", ["\ud800 lone", "nul \0 byte", "emoji 👩‍👩‍👧‍👦 run", "عربي من اليمين", "Z̸̡a̷l̴g̵o̶"]
)
async def test_hostile_texts_are_stored_and_found(guest: httpx.AsyncClient, text: str) -> None:
    """What cannot be written as UTF-8 is replaced; everything else comes back as it was."""
    given = {"source": text, "title": text, "text": text + " lamp", "metadata": {text: [text]}}
    body = json.dumps({"documents": [given]})
    job = (await guest.post("/v1/documents", content=body)).json()["job"]
    hit = (await guest.post("/v1/search", json={"query": "lamp"})).json()["hits"][0]

    kept = text.replace("\ud800", "\N{REPLACEMENT CHARACTER}").replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert job["items_done"] == 1
    assert (hit["source"], hit["title"], hit["text"]) == (kept, kept, f"{kept} lamp")
    assert hit["metadata"] == {kept: [kept]}


@pytest.mark.parametrize("word", ["\\u0000", "\\", "C:\\users\\x", '"', "\\ud800"])
async def test_a_backslash_in_metadata_is_a_backslash(guest: httpx.AsyncClient, word: str) -> None:
    """What looks like an escape comes back as it was sent, and a filter finds it."""
    await added(guest, {"documents": [{"source": "a", "text": "the lamp", "metadata": {"path": word}}]})

    found = (await guest.post("/v1/search", json={"query": "lamp", "filter": {"path": word}})).json()["hits"]

    assert [hit["metadata"] for hit in found] == [{"path": word}]


async def test_metadata_nested_without_end_is_refused(guest: httpx.AsyncClient) -> None:
    """A clear error instead of a fault of ours."""
    body = (
        '{"documents": [{"source": "a", "text": "b", "metadata": ' + '{"x":' * 200 + "1" + "}" * 200 + "}]}"
    )

    answer = await guest.post("/v1/documents", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")
    assert "nested" in answer.json()["error"]["message"]


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 2**20


async def _half() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        (_pieces(3), 413, "request_too_large", "larger than 1 MiB"),
        (_half(), 400, "request_invalid", "fell silent"),
    ],
)
async def test_the_gates_reason_is_told_through_the_framework(
    house: House, body: AsyncIterator[bytes], status: int, code: str, word: str
) -> None:
    """A body stopped in the middle gets the gate's answer, not the framework's guess at it."""
    async with guest_of(house, ServiceSettings(request_mib_max=1, silence_s_max=0.05)) as guest:
        answer = await guest.post("/v1/documents", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert word in answer.json()["error"]["message"]
    assert answer.headers["connection"] == "close"


async def test_waiting_adds_leave_room_for_searches(house: House, embedder: FakeEmbedder) -> None:
    """Adds that cannot end yet fill their own places; one more is told its job, and a search is let in."""
    embedder.broken = EmbedderUnavailable("none")
    house.waiting = asyncio.Semaphore(2)
    async with guest_of(house, ServiceSettings(requests_max=4)) as guest:
        bodies = [{"documents": [{"source": str(number), "text": "a lamp"}]} for number in range(5)]
        waiting = [asyncio.create_task(guest.post("/v1/documents", json=body)) for body in bodies[:2]]
        while not house.waiting.locked():
            await asyncio.sleep(0.001)
        told = [await guest.post("/v1/documents", json=body) for body in bodies[2:]]
        search = await guest.post("/v1/search", json={"query": "lamp"})
        embedder.broken = None
        done = [await each for each in waiting]

    assert [each.status_code for each in told] == [202, 202, 202]
    assert all(each.json()["job"]["id"] for each in told)
    assert (search.status_code, search.json()["degraded"]) == (200, ["embedder_unavailable"])
    assert [each.json()["job"]["state"] for each in done] == ["done", "done"]


async def test_a_wait_that_takes_too_long_ends_with_the_job(house: House, embedder: FakeEmbedder) -> None:
    """The guest gets the number of a job that goes on, not an error that would make it send all again."""
    embedder.broken = EmbedderUnavailable("none")
    async with guest_of(house, ServiceSettings(request_s_max=2.0)) as guest:
        answer = await guest.post("/v1/documents", json={"documents": [{"source": "a", "text": "b"}]})
    embedder.broken = None

    assert answer.status_code == 202
    assert answer.json()["job"]["state"] in {"queued", "running"}


async def test_the_status_is_told_while_all_readers_are_taken(
    guest: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who wonders why all is busy is answered; only what has to be counted is missing."""

    async def taken(*_: object) -> None:
        raise StoreBusy("All readers are taken.")

    monkeypatch.setattr(house.store, "read", taken)
    answer = await guest.get("/v1/status")

    assert answer.status_code == 200
    assert answer.json()["counts"] is None


async def test_the_status_is_told_over_a_database_that_is_damaged_or_hangs(
    guest: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is when it is needed most; so are the metrics, and the line that systemd shows."""

    async def damaged(*_: object) -> None:
        raise StoreDamaged("canary")

    async def hanging(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("pi_rag.service.house.TOLD_S_MAX", 0.05)
    monkeypatch.setattr(house, "tally", Tally(house.store, 0.05))
    for read in (damaged, hanging):
        monkeypatch.setattr(house.store, "read", read)
        answer = await guest.get("/v1/status")
        told = answer.json()

        assert (answer.status_code, told["counts"], told["jobs"], told["reindex"]) == (200, None, None, None)
        assert (await guest.get("/metrics")).status_code == 200
        assert (await Telling(house, print).first()).endswith("workers")


async def test_the_status_tells_heat_and_power(
    guest: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the board's sensors have them, for who wonders why it has become slow."""
    weak = {"temperature_c": 61.35, "undervoltage": True}
    monkeypatch.setattr("pi_rag.service.house.condition", lambda: weak)

    assert (await guest.get("/v1/status")).json()["board"] == weak


async def test_the_status_tells_how_the_cache_of_queries_fares(guest: httpx.AsyncClient) -> None:
    """Who wonders whether it helps, or what it costs, sees it; the answers do not tell the difference."""
    await added(guest, {"documents": [{"source": "boiler.md", "text": BOILER}], "wait": True})
    questions = [{"query": "the pump", "explain": True, "k": k} for k in (7, 8)]
    first, second = [(await guest.post("/v1/search", json=question)).json() for question in questions]
    cache = (await guest.get("/v1/status")).json()["cache"]

    assert [first.pop("explain")["cache"], second.pop("explain")["cache"]] == ["miss", "hit"]
    for answer in (first, second):
        answer.pop("took_ms")
        for hit in answer["hits"]:
            hit.pop("age_s")
    assert first == second
    cache.pop("results")
    assert 384 * 4 < cache.pop("bytes") < cache.pop("bytes_max")
    assert cache == {
        "state": "on", "policy": "lru", "entries": 1, "hits": 1, "misses": 1, "evictions": 0, "expired": 0,
        "kept": 0, "sheds": 0,
    }  # fmt: skip


async def test_a_question_asked_again_is_answered_from_ram(guest: httpx.AsyncClient) -> None:
    """With the same hits, whose age is of now, and the status counts it; what is removed is gone at once."""
    await added(guest, {"documents": [{"source": "boiler.md", "text": BOILER}], "wait": True})
    question = {"query": "the pump", "explain": True}
    first, second = [(await guest.post("/v1/search", json=question)).json() for _ in range(2)]
    results = (await guest.get("/v1/status")).json()["cache"]["results"]

    assert [each["explain"]["results"] for each in (first, second)] == ["miss", "hit"]
    assert set(second["took_ms"]) == {"results", "total"}
    assert all(
        new.pop("age_s") >= old.pop("age_s") for old, new in zip(first["hits"], second["hits"], strict=True)
    )
    assert first["hits"] == second["hits"] != []
    assert 0 < results.pop("bytes") < results.pop("bytes_max")
    assert results == {
        "state": "on", "entries": 1, "entries_max": 500, "hits": 1, "misses": 1, "evictions": 0, "expired": 0,
        "asked": 2, "dropped": 0, "warmed": 0, "sheds": 0,
    }  # fmt: skip
    await guest.delete("/v1/documents", params={"source": "boiler.md"})
    assert (await guest.post("/v1/search", json=question)).json()["hits"] == []


async def test_one_check_serves_all_who_ask_for_it(
    guest: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many want the database looked through, one reader does it, and the others stay for searches."""
    let, checks = threading.Event(), 0

    def check(_: object) -> list[str]:
        nonlocal checks
        checks += 1
        let.wait(30)
        return ["a page is torn"]

    monkeypatch.setattr(checkup, "check", check)
    asked = [asyncio.create_task(guest.get("/v1/status?check=true")) for _ in range(20)]
    while not checks:
        await asyncio.sleep(0.001)
    search = await guest.post("/v1/search", json={"query": "lamp"})
    let.set()
    answers = [await each for each in asked]

    assert search.status_code == 200
    assert checks == 1
    assert all(each.json()["store"]["problems"] == ["a page is torn"] for each in answers)


async def test_the_description_names_every_error_that_is_sent(guest: httpx.AsyncClient) -> None:
    """A program written from /openapi.json meets no status that it was not told of, and no other shape."""
    described = (await guest.get("/openapi.json")).json()
    responses = described["paths"]["/v1/search"]["post"]["responses"]
    errors = {
        code: each["content"]["application/json"]["schema"]
        for code, each in responses.items()
        if code != "200"
    }

    assert {str(kind.http_status) for kind in every_kind()} <= set(errors)
    assert all(schema == {"$ref": "#/components/schemas/ErrorAnswer"} for schema in errors.values())


async def test_every_error_is_described_as_json(guest: httpx.AsyncClient) -> None:
    """Also of routes that answer with text, lines or events; and numbers no larger than the database has."""
    paths = (await guest.get("/openapi.json")).json()["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                assert int(status) < 400 or list(response["content"]) == ["application/json"], path
    for method in ("get", "delete"):
        (number,) = paths["/v1/documents/{document_id}"][method]["parameters"]
        assert number["schema"]["maximum"] == 2**63 - 1
    not_ready = paths["/readyz"]["get"]["responses"]["503"]["content"]["application/json"]["schema"]
    assert not_ready == {"$ref": "#/components/schemas/Readiness"}


async def test_health_and_readiness_are_answered(guest: httpx.AsyncClient) -> None:
    """The addresses that supervisors ask, and the description of all others."""
    assert (await guest.get("/healthz")).json() == {"status": "ok"}
    ready = await guest.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "state": "ready", "degraded": []})
    described = (await guest.get("/openapi.json")).json()
    assert {"/v1/search", "/v1/documents", "/v1/jobs/{job_id}", "/v1/status"} <= set(described["paths"])


async def test_documents_that_repeat_others_are_told_and_listed(guest: httpx.AsyncClient) -> None:
    """The job says it at once; the listing says how much of the document that is."""
    await added(guest, {"documents": [{"source": "boiler.md", "text": BOILER}]})
    job = await added(guest, {"documents": [{"source": "copy.md", "text": BOILER}]})
    page = (await guest.get("/v1/duplicates")).json()

    assert job["near_duplicates"] == job["chunks"]
    (told,) = job["repeated"]
    assert (told["source"], told["of_source"], told["of_documents"]) == ("copy.md", "boiler.md", 1)
    assert page == {
        "duplicates": [
            {
                "document": {"id": 2, "collection": "default", "source": "copy.md"},
                "of": {"id": 1, "collection": "default", "source": "boiler.md"},
                "passages": job["chunks"],
                "share": 1.0,
                "similarity": 1.0,
            }
        ],
        "next": None,
    }


async def test_a_text_that_is_a_page_is_read_as_one(guest: httpx.AsyncClient) -> None:
    """Sent as text or as bytes, under an address, which as a name would be that of an Org file."""
    page = "\ufeff<!-- saved --><HTML><title>Wells</title><body><h1>The well</h1><p>It is <b>deep</b>."
    given = {"source": "https://example.org", "text": page}
    sent = {"source": "https://example.org/a.md", "content_base64": base64.b64encode(page.encode()).decode()}
    said = {"source": "notes.md", "text": "A page begins with <html> and ends with </html>."}
    job = await added(guest, {"documents": [given, sent, said]})
    found = [(await guest.get(f"/v1/documents/{number}")).json() for number in (1, 2, 3)]
    by_source = {each["source"]: (each["kind"], each["title"], each["text"].strip()) for each in found}

    assert job["items_done"] == 3
    assert by_source["https://example.org"] == ("html", "Wells", "# The well\n\nIt is **deep**.")
    assert by_source["https://example.org/a.md"] == by_source["https://example.org"]
    assert by_source["notes.md"][0] == "markdown"


async def test_pairs_come_a_page_at_a_time(guest: httpx.AsyncClient) -> None:
    """`next` leads on until there are no more."""
    texts = [{"source": f"{number}.md", "text": BOILER} for number in range(4)]
    await added(guest, {"documents": texts})
    first = (await guest.get("/v1/duplicates?limit=2")).json()
    rest = (await guest.get(f"/v1/duplicates?limit=2&after={first['next']}")).json()
    assert [len(page["duplicates"]) for page in (first, rest)] == [2, 1]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "query", ["after=7", "after=1-2-3", "after=-", "share_min=2", "share_min=nan", "limit=0"]
)
async def test_a_page_of_pairs_that_cannot_be_is_refused(guest: httpx.AsyncClient, query: str) -> None:
    """A place that no page has given, or more than all of a document."""
    answer = await guest.get(f"/v1/duplicates?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_of_repeats_the_best_alone_comes_on_request(guest: httpx.AsyncClient) -> None:
    """A hit says what it repeats; with `unique` there is nothing to say it of."""
    await added(guest, {"documents": [{"source": "boiler.md", "text": BOILER}]})
    await added(guest, {"documents": [{"source": "copy.md", "text": BOILER}]})
    asked = {"query": "when was the boiler serviced", "k": 2, "join": False}
    both = (await guest.post("/v1/search", json=asked)).json()["hits"]
    once = (await guest.post("/v1/search", json=asked | {"unique": True})).json()["hits"]

    marks = {hit["source"]: (hit["duplicate_of"], hit["duplicates"]) for hit in both}
    assert marks["boiler.md"] == (None, 1)
    assert marks["copy.md"][0]["source"] == "boiler.md"
    assert len({hit["text"] for hit in once}) == len(once)
