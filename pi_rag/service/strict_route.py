"""Routes that refuse what they do not know behind an address's question mark.

A misspelt `?colection=` that was passed over would make a removal wider than was meant. It knows no route by
name: what one takes, its own signature says.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.responses import Response
from fastapi.routing import APIRoute

from pi_rag.errors import RequestInvalid


class StrictRoute(APIRoute):
    """A route that raises RequestInvalid for a query parameter that its function has no argument for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request, with the look at the address before it."""
        handler = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        known = sorted(
            each.alias for each in fields if getattr(each.field_info, "in_", None) is ParamTypes.query
        )

        async def strict(request: Request) -> Response:
            # Nearly every request has nothing there, and pays nothing for this.
            if request.scope["query_string"]:
                _refuse_unknown(request, known)
            return await handler(request)

        return strict


def _refuse_unknown(request: Request, known: list[str]) -> None:
    for name in request.query_params:
        if name not in known:
            raise RequestInvalid(
                f"{request.method} {request.url.path} knows no parameter {name!r}.",
                hint=_hint(name, known),
                param=name,
            )


def _hint(name: str, known: list[str]) -> str:
    if near := difflib.get_close_matches(name, known, 1):
        return f"Did you mean {near[0]!r}? Nothing was done."
    return f"It takes: {', '.join(known)}." if known else "It takes none."
