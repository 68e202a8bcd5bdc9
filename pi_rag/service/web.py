"""The web server on a socket that already listens, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from pi_rag.config import ServiceSettings
from pi_rag.service.protocol import bounded

STOP_SHARE = 0.25
"""The part of `service.stop_s_max` that requests in progress get once the queue has been brought to rest."""


@contextlib.asynccontextmanager
async def web(
    app: ASGIApp, settings: ServiceSettings, sock: socket.socket
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve `app` inside the block; at its end take no more requests and finish those in progress.

    Gives the serving task, which ends early only by a fault.
    """
    config = uvicorn.Config(
        app,
        http=bounded(settings),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=max(1, round(settings.stop_s_max * STOP_SHARE)),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="web")
    try:
        yield task
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the supervisor has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
