"""One mail as text: who wrote to whom, when and about what, and then what was written.

Of several forms of the same words the plain one is taken. Attachments are named and not read. It parses
what strangers wrote, so it is for the reading child alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from pi_rag.text.decode import decode
from pi_rag.types import Reading

HEADER_CHARS_MAX = 2000
"""A longer list of people tells nobody anything."""

_SHOWN = ("From", "To", "Cc", "Date", "Subject")


def read_mail(data: bytes, page_text: Callable[[bytes], str]) -> Reading:
    """The mail in `data`, RFC 5322. `page_text` makes text of the bytes of a web page.

    Raises DocumentRefused kinds, and whatever Python's own parser raises over a broken one.
    """
    mail = message_from_bytes(data, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    head = {name: _header(mail, name) for name in _SHOWN}
    lines = [f"{name}: {value}" for name, value in head.items() if value]
    if names := [name for part in mail.iter_attachments() if (name := part.get_filename())]:
        lines.append(f"Attachments: {', '.join(names)[:HEADER_CHARS_MAX]}")
    text = "\n".join(lines) + "\n\n" + _body(mail, page_text).strip() + "\n"
    known = {"author": head["From"], "created": _date(head["Date"])}
    metadata = {key: value for key, value in known.items() if value}
    return Reading(text, head["Subject"], "mail", (), metadata)


def _header(mail: EmailMessage, name: str) -> str:
    """A header on one line; empty when there is none or it is no header."""
    try:
        value = str(mail.get(name) or "")
    except (ValueError, LookupError, AttributeError):  # what Python makes of some broken ones
        return ""
    return " ".join(value.split())[:HEADER_CHARS_MAX]


def _body(mail: EmailMessage, page_text: Callable[[bytes], str]) -> str:
    part = mail.get_body(("plain", "html"))
    if part is None:
        return ""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    text = decode(data, part.get_content_charset())
    if part.get_content_type() != "text/html":
        return text
    return page_text(text.encode("utf-8", "replace"))


def _date(written: str) -> str:
    """A date as ISO 8601 has it; empty when it is none."""
    try:
        date: datetime = parsedate_to_datetime(written)
    except ValueError:
        return ""
    return date.isoformat()
