"""Agents' programs as they are: the SDKs' clients of Python and TypeScript, and MCP Inspector's command line,
over the bridge and over the socket.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import Implementation, TextResourceContents

from pi_rag import __version__
from pi_rag.bridge import messages
from pi_rag.config import Settings
from pi_rag.errors import EmbedderUnavailable
from pi_rag.service.house import House
from tests.embedder.fake import FakeEmbedder
from tests.mcp import fetch
from tests.mcp.conftest import ROOT, Program, bridge, started
from tests.plain import plain_environ
from tests.service.agents.agent import ERAS, told

TOOLS = "search get ingest status remember recall forget log_event session timeline".split()
TEXT = "The lamp in the hall is on."

RIGHT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ingest", {"text": TEXT, "source": "lamp.md", "key": "first"}),
    ("search", {"query": "lamp hall", "limit": "3"}),
    ("get", {"document_id": 1}),
    ("status", {}),
    ("remember", {"text": "The boiler is off", "topic": "house/boiler", "kind": "state"}),
    ("recall", {"query": "is the boiler off"}),
    ("session", {"action": "start", "title": "autumn"}),
    ("log_event", {"text": "The boiler was serviced", "session_id": 1}),
    ("timeline", {"session_id": 1}),
    ("forget", {"ids": [1]}),
)
"""Every tool once, in an order in which each finds what it needs."""

WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("search", {"query": "a", "colection": "b"}, "request_invalid"),
    ("get", {"document_id": 77}, "document_not_found"),
    ("search", {"query": ["a"]}, "request_invalid"),
)
"""A tool, what it is given, and the code with which the error's text begins."""


def check(tools: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    """All tools are told of, each right call gives an object, and each wrong one says why.

    That the objects are of the shapes that were told is looked after by the SDKs' clients.
    """
    assert [tool["name"] for tool in tools if tool["outputSchema"] and tool["annotations"]] == TOOLS
    for answer in calls[: len(RIGHT)]:
        assert not answer.get("isError"), answer
        assert isinstance(answer["structuredContent"], dict)
    for (_, _, code), answer in zip(WRONG, calls[len(RIGHT) :], strict=True):
        assert answer["isError"] is True
        assert answer["content"][0]["text"].startswith(f"{code}: ")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def python_client(settings: Settings, era: str) -> AsyncIterator[Client]:
    """The Python SDK's client with a bridge that it has started."""
    command, *arguments = bridge(settings)
    server = StdioServerParameters(command=command, args=arguments, cwd=ROOT, env=plain_environ())
    info = Implementation(name="conformance", version="3")
    async with Client(stdio_client(server), mode=era, client_info=info) as client:
        assert client.protocol_version == ERAS[era]
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_the_python_client_over_the_bridge(
    served: Settings, era: str, house: House, embedder: FakeEmbedder
) -> None:
    """Every tool, errors, a resource, progress and cancelling, in both revisions."""
    async with python_client(served, era) as client:
        tools = [each.model_dump(mode="json", by_alias=True) for each in (await client.list_tools()).tools]
        calls = [
            (await client.call_tool(name, given)).model_dump(mode="json", by_alias=True, exclude_none=True)
            for name, given in (*RIGHT, *((name, given) for name, given, _ in WRONG))
        ]
        check(tools, calls)
        (part,) = (await client.read_resource("pi-rag://document/1")).contents
        assert isinstance(part, TextResourceContents)
        assert TEXT in part.text

        embedder.broken = EmbedderUnavailable("none")
        heard = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)
            embedder.broken = None

        well = {"text": "The well is deep.", "source": "well.md"}
        assert told(await client.call_tool("ingest", well, progress_callback=hear))["finished"]
        assert heard

        await cancelled(client.call_tool, house, embedder)
        assert told(await client.call_tool("status", {}))


async def test_ten_mebibytes_in_an_argument_cost_one_call(served: Settings) -> None:
    """It is refused in words, and the bridge and the service go on."""
    async with python_client(served, "legacy") as client:
        with pytest.raises(MCPError, match=r"larger than 4\.0 MiB"):
            await client.call_tool("search", {"query": "x" * (10 << 20)})
        assert told(await client.call_tool("status", {}))


async def cancelled(call: Callable[..., Awaitable[Any]], house: House, embedder: FakeEmbedder) -> None:
    """The service stops waiting when the agent does."""
    embedder.broken = EmbedderUnavailable("none")
    places = house.waiting._value
    running = asyncio.ensure_future(call("ingest", {"text": "The roof is new.", "source": "roof.md"}))
    await until(lambda: house.waiting._value < places)
    running.cancel()
    await until(lambda: house.waiting._value == places)
    embedder.broken = None


@pytest.mark.parametrize("over", ["bridge", "socket"])
@pytest.mark.parametrize(("sdk", "era"), [("v1", "legacy"), ("v2", "auto")])
@pytest.mark.usefixtures("typescript")
async def test_the_typescript_clients(
    served: Settings, sdk: str, era: str, over: str, house: House, embedder: FakeEmbedder
) -> None:
    """The same, of the SDK's line that most programs have, and of the one that speaks the new revision."""
    calls = [*RIGHT, *((name, given) for name, given, _ in WRONG), ("burn", {})]
    way = {"command": bridge(served)} if over == "bridge" else {"socket": str(served.socket_path)}
    asked = {"modules": str(fetch.folder()), "sdk": sdk, "era": era, "calls": calls, **way}
    script = Path(__file__).with_name("conformance.mjs")
    async with started([fetch.node(), script, json.dumps(asked)]) as program:
        seen = await conversation(program, house, embedder)

    assert (seen["server"]["name"], seen["server"]["version"]) == ("pi-rag", __version__)
    assert seen["revision"] == ERAS[era]
    *answers, unknown = seen["calls"]
    check(seen["tools"], answers)
    assert "burn" in json.dumps(unknown)
    assert TEXT in seen["read"]["contents"][0]["text"]
    assert seen["templates"][0]["uriTemplate"].startswith("pi-rag://document/")
    assert seen["waited"]["structuredContent"]["finished"] is True
    assert seen["heard"] >= 1
    assert "thrown" in seen["cancelled"]
    assert not seen["after"].get("isError")


async def conversation(program: Program, house: House, embedder: FakeEmbedder) -> Any:
    """See to it that there is something to wait for, where the script wants to hear progress or to cancel."""
    places = house.waiting._value
    while True:
        said = await program.hear()
        if said["event"] in ("progress wanted", "cancel wanted"):
            embedder.broken = EmbedderUnavailable("none")
            await program.say()
        elif said["event"] == "progress":
            embedder.broken = None
        elif said["event"] == "sent":
            await until(lambda: house.waiting._value < places)
            await program.say()
        elif said["event"] == "cancelled":
            await until(lambda: house.waiting._value == places)
            embedder.broken = None
            await program.say()
        else:
            return said["seen"]


@asynccontextmanager
async def relay(settings: Settings) -> AsyncIterator[str]:
    """The socket at a port of this machine's own, for a client that knows no other address."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at, to = await asyncio.open_unix_connection(str(settings.socket_path))

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            except ConnectionError:
                pass
            finally:
                sink.close()

        await asyncio.gather(copy(reader, to), copy(at, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


async def inspect(target: list[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, what MCP Inspector shows, and what it complains of."""
    inspector = (
        fetch.folder() / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    )
    command = [fetch.node(), inspector, "--cli", *target, *arguments]
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=ROOT,
        env=plain_environ(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, json.loads(out) if out.strip() else None, err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("over", ["bridge", "socket"])
@pytest.mark.usefixtures("typescript")
async def test_mcp_inspector(served: Settings, over: str, long_form: bool) -> None:
    """Its command line lists the tools without a complaint and calls them. In the long form it calls each and
    shows a document.
    """
    async with relay(served) as address:
        target = bridge(served) if over == "bridge" else [address, "--transport", "http"]
        code, listed, complaints = await inspect(target, "--method", "tools/list", "--strict")
        assert code == 0, complaints
        assert [tool["name"] for tool in listed["tools"]] == TOOLS
        for name, given in RIGHT if long_form else RIGHT[:1]:
            answer = await inspected(target, name, given)
            assert isinstance(answer["structuredContent"], dict), answer
        for name, given, error in WRONG if long_form else WRONG[:1]:
            answer = await inspected(target, name, given)
            assert answer["content"][0]["text"].startswith(f"{error}: ")
        if long_form:
            code, read, complaints = await inspect(
                target, "--method", "resources/read", "--uri", "pi-rag://document/1"
            )
            assert code == 0, complaints
            assert TEXT in read["contents"][0]["text"]


async def inspected(target: list[str], tool: str, given: dict[str, Any]) -> Any:
    """What it shows of a call."""
    words = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()
    ]
    arguments = ["--tool-arg", *words] if words else []
    _, answer, _ = await inspect(target, "--method", "tools/call", "--tool-name", tool, *arguments)
    return answer


@pytest.mark.parametrize("era", ERAS)
async def test_the_bridge_says_of_the_service_what_that_says(served: Settings, era: str) -> None:
    """What it answers while the service is away is of the same shape: the client keeps it from then on."""
    async with python_client(served, era) as client:
        capabilities = client.server_capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert client.server_info is not None
        assert client.server_info.name == "pi-rag"

    method = "initialize" if era == "legacy" else "server/discover"
    away = messages.welcome(messages.Request(1, method, {}, b""))["result"]
    assert set(away["capabilities"]) == set(capabilities)
