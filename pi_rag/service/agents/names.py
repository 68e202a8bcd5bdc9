"""Under what name an agent goes, without anything being kept of it between two of its requests.

In the older revisions an agent introduces itself once, and shows a session id from then on. Here that id is
made of its name, so the service need not remember it: `pi-rag.RANDOM.NAME`, the name in base64url. It proves
nothing, and nothing is decided by it; it is what a person reads later as the one who said something.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any, Final

SESSION_HEADER: Final = "mcp-session-id"
MARK: Final = "pi-rag"
NAME_CHARS_MAX: Final = 100


def session_of(client_info: Any) -> str:
    """A session id for an agent that introduces itself so: {name, version}, or whatever it has sent."""
    name = name_in(client_info).encode()
    return f"{MARK}.{secrets.token_hex(16)}.{base64.urlsafe_b64encode(name).decode().rstrip('=')}"


def name_in(client_info: Any) -> str:
    """NAME/VERSION, at most `NAME_CHARS_MAX` characters; '' for what is no introduction."""
    if not isinstance(client_info, dict):
        return ""
    parts = [client_info.get("name"), client_info.get("version")]
    return "/".join(each for each in parts if isinstance(each, str) and each)[:NAME_CHARS_MAX]


def name_of(session: str) -> str | None:
    """The name that a session id carries; None when it carries none."""
    mark, _, rest = session.partition(".")
    _, _, encoded = rest.partition(".")
    if mark != MARK or not encoded:
        return None
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()[:NAME_CHARS_MAX] or None
    except (binascii.Error, ValueError):
        return None
