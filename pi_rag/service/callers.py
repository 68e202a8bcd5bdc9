"""Who asks: what the desk of agents' memory is told of a guest, made from the connection and its headers.

The kernel says which user it is, and the address by which door they came; how the guest's program calls
itself is for people to read, and decides nothing. The header of scopes takes away and never gives: without it
a guest may see all.
"""

from __future__ import annotations

from fastapi import Request

from pi_rag.errors import ScopeInvalid
from pi_rag.memory.scopes import checked
from pi_rag.memory_types import Caller, Door
from pi_rag.text.clean import clean

SCOPES_HEADER = "x-pi-rag-scopes"
"""The only scopes that this guest may see or change, separated by commas."""

CLIENT_CHARS_MAX = 100


def caller_of(request: Request, *, door: Door = "person", client: str | None = None) -> Caller:
    """The guest behind a request. `client`: what it says of itself elsewhere than in its User-Agent.

    Raises ScopeInvalid when it is to be bound to what is no scope: it must not be bound to nothing instead.
    """
    peer = getattr(request.state, "peer", None)
    name = request.headers.get("user-agent", "") if client is None else client
    return Caller(
        door=door,
        uid=None if peer is None else peer.uid,
        client=" ".join(clean(name).split())[:CLIENT_CHARS_MAX],
        scopes=_bound_to(request.headers.getlist(SCOPES_HEADER)),
    )


def _bound_to(given: list[str]) -> tuple[str, ...] | None:
    """Of several headers only what all of them name is left."""
    if not given:
        return None
    named = [dict.fromkeys(checked(each.strip()) for each in header.split(",")) for header in given]
    common = tuple(scope for scope in named[0] if all(scope in others for others in named))
    if not common:
        raise ScopeInvalid(f"Several headers {SCOPES_HEADER} have no scope in common.")
    return common
