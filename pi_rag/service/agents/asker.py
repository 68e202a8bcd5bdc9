"""Who calls a tool, and how the one can be told how far it is. It knows no tool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from pi_rag.errors import ReadOnlyDoor
from pi_rag.memory_types import Caller
from pi_rag.service.agents import names
from pi_rag.service.callers import caller_of

READ_ONLY_HEADER = "x-pi-rag-read-only"
"""A guest that sends it binds itself to reading. It takes away and never gives."""

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


async def silent(done: float, total: float | None, what: str | None) -> None:
    """Nobody asked how far it is."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The other side of one call."""

    caller: Caller
    read_only: bool
    until_s: float
    """When the gate would have the answer, by the loop's clock."""
    progress: Progress = silent
    wants_progress: bool = False

    @property
    def home(self) -> str:
        """The scope that is meant where none is named: of one who is bound to some, the first."""
        return self.caller.scopes[0] if self.caller.scopes else "user"

    def must_write(self, tool: str) -> None:
        """Raises ReadOnlyDoor for one who is bound to reading."""
        if self.read_only:
            raise ReadOnlyDoor(f"`{tool}` would store something, and this connection is for reading.")


def binds_to_reading(request: Request) -> bool:
    """Whether a request says that it only reads."""
    return request.headers.get(READ_ONLY_HEADER, "0") not in {"", "0"}


def asker_of(
    request: Request, name: str | None, progress: Progress = silent, *, wants_progress: bool = False
) -> Asker:
    """The guest behind a request, which calls itself `name`, or as its session or its program says.

    Raises ScopeInvalid.
    """
    said = name or names.name_of(request.headers.get(names.SESSION_HEADER, ""))
    return Asker(
        caller_of(request, door="agent", client=said),
        binds_to_reading(request),
        request.state.wait_until_s,
        progress,
        wants_progress,
    )
