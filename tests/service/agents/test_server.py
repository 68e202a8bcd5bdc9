"""The protocol, as the SDK's own client speaks it over the socket, in both of its eras."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from pi_rag import __version__
from pi_rag.config import Settings
from pi_rag.errors import Busy, EmbedderUnavailable
from pi_rag.service.agents.asker import READ_ONLY_HEADER
from pi_rag.service.callers import SCOPES_HEADER
from pi_rag.service.house import House
from tests.embedder.fake import FakeEmbedder
from tests.service.agents.agent import ERAS, agent, at_the_door, over, refused, said, told

TOOLS = "search get ingest status remember recall forget log_event session timeline".split()
HANDSHAKE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "2"},
    },
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
async def socket(house: House, settings: Settings) -> AsyncIterator[Settings]:
    async with at_the_door(house, settings) as served:
        yield served


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_an_agent_finds_ten_tools_and_how_to_use_them(socket: Settings, era: str) -> None:
    """Each has a title, hints and shapes, and the service says what it is."""
    async with agent(socket, era) as client:
        tools = (await client.list_tools()).tools

        assert [tool.name for tool in tools] == TOOLS
        for tool in tools:
            assert tool.title
            assert tool.description
            assert tool.output_schema is not None
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is not None
            assert tool.annotations.open_world_hint == (tool.name == "ingest")
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("pi-rag", __version__)


async def test_what_is_stored_is_found_and_read(socket: Settings, era: str) -> None:
    """A text goes in, a labelled passage comes out, and its document is read a page at a time."""
    async with agent(socket, era) as client:
        text = "The lamp in the hall is on. " * 40
        job = told(await client.call_tool("ingest", {"text": text, "source": "a.md", "key": "k"}))
        assert (job["finished"], job["done"] + job["unchanged"]) == (True, 1)

        found = await client.call_tool("search", {"query": "lamp hall", "limit": "3"})
        hit = told(found)["hits"][0]
        assert (hit["source"], hit["trust"]) == ("a.md", "document")
        assert 'trust="document"' in said(found)

        pages = ""
        start: int | None = 0
        while start is not None:
            page = told(
                await client.call_tool(
                    "get", {"document_id": hit["document_id"], "start": start, "token_budget": 100}
                )
            )
            pages, start = pages + page["text"], page.get("next")
        assert pages.strip() == text.strip()


async def test_an_answer_without_a_value_is_of_the_shape_that_was_told(socket: Settings, era: str) -> None:
    """The SDK's client checks each answer by its schema, here as in all other tests: it has no null."""
    async with agent(socket, era) as client:
        await client.call_tool("ingest", {"text": "The well is deep.", "source": "w"})
        for name, given in (("search", {"query": "well"}), ("get", {"source": "w"})):
            answer = told(await client.call_tool(name, given))

            assert "null" not in json.dumps(answer)
            assert "next" not in answer


WRONG: tuple[tuple[str, dict[str, object], str, str], ...] = (
    ("search", {"querry": "a"}, "request_invalid", "'query'"),
    ("search", {"query": "a", "colection": "b"}, "request_invalid", "'collection'"),
    ("search", {"query": ["a"]}, "request_invalid", "query"),
    ("search", {}, "request_invalid", "query"),
    ("search", {"query": ""}, "query_empty", ""),
    ("search", {"query": "a", "limit": 101}, "request_invalid", "limit"),
    ("search", {"query": "a", "skip": 100}, "request_invalid", "narrowly"),
    ("get", {}, "request_invalid", "document_id"),
    ("get", {"document_id": 77}, "document_not_found", "77"),
    ("get", {"source": "nowhere"}, "document_not_found", "nowhere"),
    ("ingest", {}, "request_invalid", "paths"),
    ("ingest", {"text": "a"}, "request_invalid", "source"),
    ("ingest", {"paths": ["a.md"]}, "request_invalid", "absolute"),
    ("status", {"job_id": 99}, "job_not_found", "99"),
    ("session", {"action": "end"}, "request_invalid", "session_id"),
    ("session", {"action": "begin"}, "request_invalid", "action"),
)
"""A tool, what it is given, the code of the error, and a word that its text must have."""


async def test_a_wrong_call_says_what_to_mend(socket: Settings, era: str) -> None:
    """The error is a result that the model reads, with a code, and it names the thing."""
    async with agent(socket, era) as client:
        for tool, arguments, code, word in WRONG:
            result = await client.call_tool(tool, arguments)

            assert refused(result) == code
            assert word in said(result)


async def test_an_unknown_tool_is_told_which_there_are(socket: Settings, era: str) -> None:
    """It is an error of the protocol, as the protocol says."""
    async with agent(socket, era) as client:
        with pytest.raises(MCPError, match="There are: search, get") as caught:
            await client.call_tool("seach_documents", {})

        assert caught.value.error.code == types.INVALID_PARAMS


async def test_documents_are_resources_too(socket: Settings, era: str) -> None:
    """They are listed, named by a template, and read; one that is not there is told so."""
    async with agent(socket, era) as client:
        await client.call_tool("ingest", {"text": "The well is deep.", "source": "well.md"})

        (listed,) = (await client.list_resources()).resources
        (template,) = (await client.list_resource_templates()).resource_templates
        (content,) = (await client.read_resource(listed.uri)).contents

        assert listed.name == "well.md"
        assert template.uri_template == "pi-rag://document/{document_id}"
        assert isinstance(content, types.TextResourceContents)
        assert content.text == "The well is deep."
        for wrong in ("pi-rag://document/99", "pi-rag://document/x", "file:///etc/passwd"):
            with pytest.raises(MCPError):
                await client.read_resource(wrong)


async def test_an_error_beside_the_tools_has_its_code_and_hint(
    socket: Settings, house: House, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is busy says so, and when to come again."""

    async def busy(*given: object) -> None:
        raise Busy("The database is busy.")

    async with agent(socket, era) as client:
        monkeypatch.setattr(house.store, "read", busy)
        for asked in (client.list_resources(), client.read_resource("pi-rag://document/1")):
            with pytest.raises(MCPError) as caught:
                await asked
            assert caught.value.error.code == types.INTERNAL_ERROR
            assert caught.value.error.data["code"] == "busy"
        monkeypatch.undo()


async def test_progress_is_told_to_who_asks(socket: Settings, era: str, embedder: FakeEmbedder) -> None:
    """Long work says how far it is, and the answer comes when it is done."""
    async with agent(socket, era) as client:
        embedder.broken = EmbedderUnavailable("none")
        heard: list[tuple[float, float | None]] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, total))
            embedder.broken = None

        job = told(
            await client.call_tool("ingest", {"text": "the lamp", "source": "p"}, progress_callback=hear)
        )

        assert list(heard[0]) == [0, 1]
        assert (job["finished"], job["done"]) == (True, 1)


async def test_a_cancelled_call_gives_its_place_back(
    socket: Settings, era: str, house: House, embedder: FakeEmbedder
) -> None:
    """The wait ends with the agent's interest; what was acknowledged is stored all the same."""
    async with agent(socket, era) as client:
        embedder.broken = EmbedderUnavailable("none")
        places = house.waiting._value
        call = asyncio.create_task(client.call_tool("ingest", {"text": "the lamp", "source": "c"}))
        while house.waiting._value == places:
            await asyncio.sleep(0.001)

        call.cancel()
        async with asyncio.timeout(10):
            while house.waiting._value != places:
                await asyncio.sleep(0.001)
        embedder.broken = None

        assert (await house.runner.finished(1)).items_done == 1


async def test_a_notice_of_cancelling_stops_only_an_agents_own_call(
    socket: Settings, house: House, embedder: FakeEmbedder
) -> None:
    """In the older revisions it comes by itself, and is found by the session it names."""
    embedder.broken = EmbedderUnavailable("none")
    places = house.waiting._value
    async with over(socket, ACCEPT) as http:
        mine = (await http.post("/mcp", json=HANDSHAKE)).headers["mcp-session-id"]
        other = (await http.post("/mcp", json=HANDSHAKE)).headers["mcp-session-id"]
        arguments = {"name": "ingest", "arguments": {"text": "the lamp", "source": "n"}}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": arguments}
        call = asyncio.create_task(http.post("/mcp", json=message, headers={"mcp-session-id": mine}))
        while house.waiting._value == places:
            await asyncio.sleep(0.001)
        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}

        passed_over = await http.post("/mcp", json=notice, headers={"mcp-session-id": other})
        assert (passed_over.status_code, house.waiting._value) == (202, places - 1)
        await http.post("/mcp", json=notice, headers={"mcp-session-id": mine})
        answer = await asyncio.wait_for(call, 10)
    embedder.broken = None

    assert house.waiting._value == places
    assert '"code":-32800' in answer.text


async def test_a_reader_is_offered_nothing_that_stores(socket: Settings, house: House) -> None:
    """Neither in the list nor by calling what is not in it."""
    for era in ERAS:
        async with agent(socket, era, headers={READ_ONLY_HEADER: "1"}) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            stored = [
                await client.call_tool("ingest", {"text": "a", "source": "b"}),
                await client.call_tool("remember", {"text": "a"}),
                await client.call_tool("session", {"action": "start"}),
            ]

        assert tools == ["search", "get", "status", "recall", "session", "timeline"]
        assert {refused(each) for each in stored} == {"read_only_door"}
    assert (await house.tally.now()).counts.documents == 0  # type: ignore[union-attr]


async def test_the_names_of_what_is_there_are_told_at_the_beginning(socket: Settings) -> None:
    """An agent knows without asking what it could ask for."""
    async with agent(socket) as client:
        await client.call_tool("ingest", {"text": "a b", "source": "s", "collection": "letters"})
    async with agent(socket, headers={READ_ONLY_HEADER: "1"}) as client:
        assert client.instructions is not None
        assert '1 documents, in the collections "letters"' in client.instructions
        assert "for reading" in client.instructions


async def test_an_agent_bound_to_scopes_is_told_which(socket: Settings, era: str) -> None:
    """And one that is bound to what is no scope does not come in unbound."""
    async with agent(socket, era, headers={SCOPES_HEADER: "project:x, user"}) as client:
        assert client.instructions is not None
        assert "only project:x, user." in client.instructions
        refused_there = await client.call_tool("remember", {"text": "a", "scope": "agent:b"})
        assert refused(refused_there) == "scope_forbidden"
    async with over(socket, ACCEPT | {SCOPES_HEADER: "everything"}) as http:
        answer = await http.post("/mcp", json=HANDSHAKE)
        assert '"scope_invalid"' in answer.text


async def test_a_web_page_that_is_led_here_is_turned_away(socket: Settings) -> None:
    """Should somebody put the socket on the network, no page in a browser speaks to it."""
    statuses = {
        ("host", "localhost"): 200,
        ("host", "pi-rag"): 200,
        ("host", "localhost:8080"): 200,
        ("host", "evil.example"): 421,
        ("origin", "https://evil.example"): 403,
    }
    for header, status in statuses.items():
        async with over(socket, ACCEPT | dict([header])) as http:
            assert (await http.post("/mcp", json=HANDSHAKE)).status_code == status


CUT = '{"jsonrpc":"2.0","id":1,"method":"tools/call"'
NO_MESSAGES = ("", "{", "[]", "null", '"a"', "[" * 100_000, CUT, "\xff")


async def test_what_is_no_message_is_refused(socket: Settings) -> None:
    """Cut JSON, lists and depths that no parser likes are the guest's fault, and end nothing."""
    async with over(socket, ACCEPT) as http:
        for version in ERAS.values():
            for body in NO_MESSAGES:
                answer = await http.post(
                    "/mcp", content=body.encode("latin-1"), headers={"mcp-protocol-version": version}
                )
                assert answer.status_code == 400
                assert "error" in json.loads(answer.content)
        assert (await http.post("/mcp", json=HANDSHAKE)).status_code == 200
