"""The whole door, from a real socket to the rooms: what happens when one side ends early."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from pi_rag.config import Settings
from pi_rag.errors import EmbedderUnavailable
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.web import web
from tests.embedder.fake import FakeEmbedder

BODY = json.dumps({"documents": [{"source": "a", "text": "the lamp"}]}).encode()
ADD = b"POST /v1/documents HTTP/1.1\r\nhost: service\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


async def test_a_guest_who_hangs_up_gives_its_places_back(
    house: House, settings: Settings, embedder: FakeEmbedder
) -> None:
    """Its add no longer counts, neither as waiting nor as in progress; the job goes on without it."""
    embedder.broken = EmbedderUnavailable("none")
    house.waiting = asyncio.Semaphore(1)
    gate = Gate(application(house), settings.service)
    with listening(settings.socket_path, "600") as sock:
        async with asyncio.timeout(20), web(gate, settings.service, sock):
            _, writer = await asyncio.open_unix_connection(settings.socket_path)
            writer.write(ADD)
            while not house.waiting.locked():
                await asyncio.sleep(0.001)
            writer.close()
            while house.waiting.locked() or gate._inside:
                await asyncio.sleep(0.001)
            embedder.broken = None
            job = await house.runner.finished(1)

    assert job.items_done == 1


async def test_a_guest_cut_off_by_the_stop_is_told_so(
    house: House, settings: Settings, embedder: FakeEmbedder
) -> None:
    """Whoever still waits when the time to stop is over gets an error in the one shape."""
    embedder.broken = EmbedderUnavailable("none")
    with listening(settings.socket_path, "600") as sock:
        async with web(Gate(application(house), settings.service), settings.service, sock):
            reader, writer = await asyncio.open_unix_connection(settings.socket_path)
            writer.write(ADD)
            while house.waiting._value == settings.service.waiting_max:
                await asyncio.sleep(0.001)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    embedder.broken = None

    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 503")
    assert json.loads(body)["error"]["code"] == "stopping"


async def test_what_cannot_be_read_is_answered_and_not_logged(
    house: House, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A guest who sends nonsense all day does not fill the log."""
    with listening(settings.socket_path, "600") as sock, caplog.at_level(logging.INFO):
        async with web(Gate(application(house), settings.service), settings.service, sock):
            reader, writer = await asyncio.open_unix_connection(settings.socket_path)
            writer.write(b"nonsense\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()

    assert answer.startswith(b"HTTP/1.1 400")
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
