"""The Model Context Protocol, by its own SDK, which only this file knows. `door.py` imports it late.

The SDK's low-level server is used: the tools' shapes are pydantic's (`tools.py`), and its high-level one
would pass over arguments that it does not know. Each message stands for itself, in the older revisions too;
what ties an agent's messages together is the id in `names.py`. It decides nothing: tools answer, desks
decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from pi_rag import __version__, log
from pi_rag.errors import DocumentNotFound, InternalError, PiRagError
from pi_rag.service.agents import answers, arguments, documents, names, tools
from pi_rag.service.agents.asker import Asker, asker_of, binds_to_reading, silent
from pi_rag.service.agents.instructions import instructions
from pi_rag.service.agents.schema import outline, schema_of
from pi_rag.service.callers import caller_of

if TYPE_CHECKING:
    from pi_rag.service.house import House

Context = ServerRequestContext[Any, Request]

HOSTS = ("localhost", "127.0.0.1", "[::1]", "pi-rag")
"""By which names the service may be asked. A web page that has its own name lead here asks by that one."""

DOCUMENT_URI = "pi-rag://document/"
RESOURCES_PAGE = 100
TOOLS_FRESH_MS = 3_600_000
"""The tools are the same until another version of the service is installed."""

CANCELLED = -32800
"""As the protocol's ancestor, LSP, calls a request that was cancelled."""

NOT_FOUND = -32002
"""Of a resource, by the older revisions of the protocol."""

_log = log.logger("service")


@dataclass(slots=True)
class Agents:
    """All agents at once. Started once, and stopped once."""

    house: House
    _underway: dict[tuple[str, str], anyio.CancelScope] = field(default_factory=dict)
    """Calls by session and request, so that an agent can stop its own."""
    _manager: StreamableHTTPSessionManager | None = None
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ready for messages when it returns."""
        # What the SDK says below an error is about its guests, with their words in it.
        logging.getLogger("mcp").setLevel(logging.ERROR)
        bytes_max = int(self.house.settings.agents.message_mib_max * 1024 * 1024)
        self._manager = StreamableHTTPSessionManager(
            self._server(), stateless=True, security_settings=_security(), max_request_body_size=bytes_max
        )
        ready = asyncio.Event()
        self._kept = asyncio.create_task(self._keep(self._manager, ready), name="mcp-keeper")
        await ready.wait()

    async def _keep(self, manager: StreamableHTTPSessionManager, ready: asyncio.Event) -> None:
        """The SDK's tasks live in a group that is entered and left by one task."""
        async with manager.run():
            ready.set()
            await self._stopped.wait()

    async def stop(self) -> None:
        """End what is still under way."""
        self._stopped.set()
        if self._kept is not None:
            await self._kept

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message over HTTP."""
        assert self._manager is not None
        await self._manager.handle_request(scope, receive, send)

    def cancel(self, session: str, request_id: Any) -> None:
        """Stop a call of an agent's own. One that is over, or another's, is passed over."""
        if session and (underway := self._underway.get((session, str(request_id)))) is not None:
            underway.cancel()

    def _server(self) -> Server[Any]:
        server: Server[Any] = Server(
            "pi-rag",
            title="pi_rag",
            version=__version__,
            description="The private memory of this house.",
            cache_hints={"tools/list": CacheHint(ttl_ms=TOOLS_FRESH_MS)},
            get_tool_input_schema=_input_schema,
            on_list_tools=_list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=_list_templates,
            on_read_resource=self._read_resource,
        )

        async def introduced(ctx: Context, call_next: Any) -> Any:
            try:
                if ctx.method in {"initialize", "server/discover"}:
                    # It is read before anything else is waited for, so two agents at once get each their own.
                    server.instructions = await self._instructions(ctx)
                return await call_next(ctx)
            except PiRagError as error:
                raise _translated(error) from error

        server.middleware = [introduced]
        return server

    async def _instructions(self, ctx: Context) -> str:
        assert ctx.request is not None
        bound = caller_of(ctx.request).scopes
        return await instructions(self.house, read_only=binds_to_reading(ctx.request), scopes=bound)

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Errors that an agent can mend are results; only a tool that does not exist is the protocol's."""
        tool = tools.named(params.name)
        try:
            with self._stoppable(ctx):
                answer = await tools.called(self.house, tool, params.arguments or {}, _asker(ctx))
                return _result(answer)
        except MCPError:
            raise
        except PiRagError as error:
            return _refused(error)
        except Exception as error:
            _log.error("request_failed", path=f"/mcp {tool.name}", exc_info=error)
            return _refused(InternalError(f"{type(error).__name__} in `{tool.name}`."))

    @contextlib.contextmanager
    def _stoppable(self, ctx: Context) -> Iterator[None]:
        """Inside it the agent can cancel. Raises MCPError when it did."""
        assert ctx.request is not None
        key = (ctx.request.headers.get(names.SESSION_HEADER, ""), str(ctx.request_id))
        with anyio.CancelScope() as scope:
            self._underway[key] = scope
            try:
                yield
            finally:
                if self._underway.get(key) is scope:
                    del self._underway[key]
        if scope.cancelled_caught:
            raise MCPError(CANCELLED, "The request was cancelled.")

    async def _list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """The documents by id, a page at a time."""
        del ctx
        cursor = params.cursor if params is not None else None
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise MCPError(types.INVALID_PARAMS, f"{cursor[:100]!r} is no cursor of this list.")
        rows = await documents.page_of_documents(self.house, RESOURCES_PAGE, int(cursor or 0))
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=f"{DOCUMENT_URI}{row.id}", name=row.source, title=row.title, mime_type="text/plain"
                )
                for row in rows
            ],
            next_cursor=str(rows[-1].id) if len(rows) == RESOURCES_PAGE else None,
        )

    async def _read_resource(
        self, ctx: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """The beginning of a document, as much as an answer may hold."""
        del ctx
        uri = str(params.uri)
        number = uri.removeprefix(DOCUMENT_URI)
        if number == uri or not (number.isascii() and number.isdigit() and len(number) < 19):
            raise MCPError(NOT_FOUND, f"{uri[:200]!r} is no {DOCUMENT_URI}ID.", {"uri": uri[:200]})
        asked = arguments.Get(
            document_id=int(number), token_budget=self.house.settings.agents.answer_tokens_max
        )
        try:
            page = await documents.document(self.house, asked)
        except DocumentNotFound as error:
            raise MCPError(NOT_FOUND, error.message, {"uri": uri}) from None
        place = {"pi-rag/trust": page.trust} | ({} if page.next is None else {"pi-rag/next": page.next})
        text = types.TextResourceContents(uri=uri, mime_type="text/plain", text=page.text, _meta=place)
        return types.ReadResourceResult(contents=[text])


def _security() -> TransportSecuritySettings:
    hosts = [*HOSTS, *(f"{host}:*" for host in HOSTS)]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[])


def _asker(ctx: Context) -> Asker:
    assert ctx.request is not None
    told = ctx.session.client_params
    name = names.name_in(told.client_info.model_dump()) if told is not None else None
    wants = ctx.meta is not None and "progress_token" in ctx.meta
    progress = ctx.session.report_progress if wants else silent
    return asker_of(ctx.request, name, progress, wants_progress=wants)


async def _list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    del params
    only_reads = ctx.request is not None and binds_to_reading(ctx.request)
    return types.ListToolsResult(tools=[_told(tool) for tool in tools.offered(read_only=only_reads)])


async def _list_templates(
    ctx: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    del ctx, params
    template = types.ResourceTemplate(
        uri_template=f"{DOCUMENT_URI}{{document_id}}",
        name="document",
        title="A stored document",
        description="The text of a document, by the document_id that `search` gives.",
        mime_type="text/plain",
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


@cache
def _schema(shape: type[Any]) -> dict[str, Any]:
    return schema_of(shape)


def _input_schema(name: str) -> dict[str, Any] | None:
    tool = tools.BY_NAME.get(name)
    return None if tool is None else _schema(tool.arguments)


def _told(tool: tools.Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=_schema(tool.arguments),
        output_schema=outline(_schema(tool.answer)),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.repeatable,
            open_world_hint=tool.reaches_out,
        ),
    )


def _result(answer: answers.Answer) -> types.CallToolResult:
    text = types.TextContent(text=tools.as_text(answer))
    return types.CallToolResult(content=[text], structured_content=answer.fields())


def _translated(error: PiRagError) -> MCPError:
    """An error of ours in the protocol's words, where there is no tool whose result could tell it."""
    guests_fault = error.http_status < 500 and error.retry_after_ms is None
    code = types.INVALID_PARAMS if guests_fault else types.INTERNAL_ERROR
    return MCPError(code, f"{error.message} {error.hint}", error.to_wire())


def _refused(error: PiRagError) -> types.CallToolResult:
    """What went wrong and what to do next, in words; the code for programs beside them."""
    told = f"{error.code}: {error.message} {error.hint}"
    if error.retry_after_ms is not None:
        told += f" Try again in {error.retry_after_ms / 1000:g} s."
    return types.CallToolResult(
        content=[types.TextContent(text=told)], is_error=True, _meta={"pi-rag/error": error.to_wire()}
    )
