"""What stands before the protocol: when it is loaded, and what does not come through."""

from __future__ import annotations

from typing import Any

import pytest

from pi_rag.config import Settings
from pi_rag.service.agents import door, names
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.web import web
from tests.service.agents.agent import at_the_door, at_the_socket, over
from tests.service.agents.test_server import ACCEPT, HANDSHAKE


async def test_where_no_agent_comes_the_protocol_is_not_loaded(house: House, settings: Settings) -> None:
    """Its library takes RAM only where it is used."""
    async with at_the_socket(house, settings), over(settings, ACCEPT) as http:
        await http.get("/healthz")
        assert not house.agents.is_loaded

        await http.post("/mcp", json=HANDSHAKE)
        assert house.agents.is_loaded


async def test_both_spellings_of_the_address_answer(house: House, settings: Settings) -> None:
    """A client that adds a slash is not sent elsewhere."""
    async with at_the_socket(house, settings), over(settings, ACCEPT) as http:
        for path in ("/mcp", "/mcp/"):
            assert (await http.post(path, json=HANDSHAKE)).status_code == 200


async def test_no_stream_is_held_open(house: House, settings: Settings) -> None:
    """An agent that listens for nothing takes no place from searches."""
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        for method in ("GET", "DELETE", "PUT"):
            answer = await http.request(method, "/mcp")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert not house.agents.is_loaded


async def test_a_message_that_is_too_large_is_told_what_to_do(house: House, settings: Settings) -> None:
    """Ten MiB of arguments are refused in the protocol's own words, and the next message is answered."""
    large = HANDSHAKE | {"params": {"text": "a" * 10 * 2**20}}
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        answer = await http.post("/mcp", json=large)
        assert answer.status_code == 413
        assert answer.json()["error"]["data"]["code"] == "request_too_large"
        assert "ingest" in answer.json()["error"]["message"]

        assert (await http.post("/mcp", json=HANDSHAKE)).status_code == 200


async def test_an_agent_is_given_an_id_with_its_name(house: House, settings: Settings) -> None:
    """So that what it stores says who stored it, though nothing is kept of it in between."""
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        answer = await http.post("/mcp", json=HANDSHAKE)

    assert names.name_of(answer.headers[names.SESSION_HEADER]) == "a/2"


async def test_a_restart_is_nothing_to_an_agent(house: House, settings: Settings) -> None:
    """An agent that came before goes on with the id it has."""
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        session = (await http.post("/mcp", json=HANDSHAKE)).headers[names.SESSION_HEADER]
    house.agents._loading = None
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        message = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
        answer = await http.post("/mcp", json=message, headers={names.SESSION_HEADER: session})

    assert answer.status_code == 200
    assert '"search"' in answer.text


async def test_agents_are_counted_by_one_address(house: House, settings: Settings) -> None:
    """However they spell it, and whatever became of it: the page of metrics has one line for them."""
    counted: list[tuple[str, str, int]] = []
    gate = Gate(application(house), settings.service, lambda *told: counted.append(told))
    with listening(settings.socket_path, "600") as sock:
        async with web(gate, settings.service, sock), over(settings, ACCEPT) as http:
            for path in ("/mcp", "/mcp/"):
                await http.post(path, json=HANDSHAKE)
                await http.get(path)
        await house.agents.stop()

    assert sorted(counted) == [("/mcp", "GET", 405)] * 2 + [("/mcp", "POST", 200)] * 2


async def test_every_older_revision_is_spoken(house: House, settings: Settings) -> None:
    """A program of two years ago is answered in its own words, and one that is unheard of in ours."""
    spoken = {each: each for each in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")}
    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        for asked, answered in (spoken | {"1999-01-01": "2025-11-25"}).items():
            params = {**HANDSHAKE["params"], "protocolVersion": asked}
            answer = await http.post("/mcp", json=HANDSHAKE | {"params": params})
            assert f'"protocolVersion":"{answered}"' in answer.text
            message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "status"}}
            told = await http.post("/mcp", json=message, headers={"mcp-protocol-version": answered})
            assert '"isError":false' in told.text


async def test_a_failed_load_is_tried_again(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Want of RAM passes: the next agent is answered, and a stop has nothing to stop."""
    real = door._imported

    def fails() -> Any:
        raise MemoryError("no room just now")

    async with at_the_door(house, settings), over(settings, ACCEPT) as http:
        monkeypatch.setattr(door, "_imported", fails)
        assert (await http.post("/mcp", json=HANDSHAKE)).status_code == 500
        await house.agents.stop()

        monkeypatch.setattr(door, "_imported", real)
        assert (await http.post("/mcp", json=HANDSHAKE)).status_code == 200
