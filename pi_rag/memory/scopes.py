"""What may name a scope, and which scopes a guest may see. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pi_rag.errors import ScopeForbidden, ScopeInvalid
from pi_rag.memory_types import Caller

NAME_CHARS_MAX = 64

_SCOPE = re.compile(rf"user|(?:project|agent):[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARS_MAX - 1}}}")


def checked(scope: str) -> str:
    """The same scope. Raises ScopeInvalid."""
    if _SCOPE.fullmatch(scope) is None:
        raise ScopeInvalid(f"{scope[:100]!r} is no scope.", param="scope")
    return scope


def sees(caller: Caller, scope: str) -> bool:
    """Whether the caller may see what is in a scope."""
    return caller.scopes is None or scope in caller.scopes


def allowed(caller: Caller, scopes: Iterable[str]) -> tuple[str, ...]:
    """The same scopes, each once. Raises ScopeInvalid, or ScopeForbidden for one that the caller is not bound
    to."""
    wanted = tuple(dict.fromkeys(map(checked, scopes)))
    for scope in wanted:
        if not sees(caller, scope):
            raise ScopeForbidden(f"This client is bound to other scopes than {scope}.", param="scope")
    return wanted
