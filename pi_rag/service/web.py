"""The web server on a socket that already listens, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from pi_rag.config import ServiceSettings
from pi_rag.service.doorman import Doorman, Refuses, all_are_welcome
from pi_rag.service.protocol import bounded

STOP_SHARE = 0.25
"""The part of `service.stop_s_max` that requests in progress get once the queue has been brought to rest."""


@contextlib.asynccontextmanager
async def web(
    app: ASGIApp, settings: ServiceSettings, sock: socket.socket, refuses: Refuses = all_are_welcome
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve `app` inside the block; at its end take no more requests and finish those in progress.

    `refuses` says who is turned away before `app` hears of them. Gives the serving task, which ends early
    only by a fault.
    """
    config = uvicorn.Config(
        app,
        http=bounded(settings),
        lifespan="off",
        log_config=None,
        log_level="error",  # what cannot be read is answered; a line for each would fill the log of a board
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # nobody stands in front of a local socket, and who asks is not to be believed
        timeout_graceful_shutdown=max(1, round(settings.stop_s_max * STOP_SHARE)),
    )
    server = _Server(config, sock, refuses)
    task = asyncio.create_task(server.serve(), name="web")
    try:
        yield task
    finally:
        server.end()
        await task


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, since the supervisor has its own, and without its clock: that
    would look ten times a second whether it should end, half of all that woke the service at rest.

    It has no listening socket of its own: the doorman brings it the guests.
    """

    def __init__(self, config: uvicorn.Config, sock: socket.socket, refuses: Refuses) -> None:
        super().__init__(config)
        self._doorman = Doorman(sock, refuses, self._protocol)
        self._ended = asyncio.Event()

    def _protocol(self) -> asyncio.Protocol:
        """Of a guest who comes in."""
        made: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to let guests in."""
        await super().startup(sockets=[])
        self._doorman.begin()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, and finish what is in progress."""
        await self._doorman.end()
        await super().shutdown()

    def end(self) -> None:
        """Take no more requests and finish those in progress."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """Until it should end."""
        await self.on_tick(0)
        await self._ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
