"""One mail as text: who wrote to whom, when and about what, and then what was written.

Of several forms of the same words the plain one is taken. Attachments, and mails that were
forwarded whole, are named and not read. It parses what strangers wrote, so it is for the reading child alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
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
    if names := [name for part in mail.iter_attachments() if (name := _name(part))]:
        lines.append(f"Attachments: {', '.join(names)[:HEADER_CHARS_MAX]}")
    text = "\n".join(lines) + "\n\n" + _body(mail, page_text).strip() + "\n"
    known = {"author": head["From"], "created": _date(head["Date"])}
    metadata = {key: value for key, value in known.items() if value}
    return Reading(text, head["Subject"], "mail", (), metadata)


def page_in(data: bytes) -> bytes:
    """The page in what a browser saved with its pictures, RFC 2557; `data` where there is none in it."""
    mail = message_from_bytes(data, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    part = mail.get_body(("html",))
    if part is None:
        return data
    page = part.get_payload(decode=True)
    assert isinstance(page, bytes)
    return decode(page, part.get_content_charset()).encode("utf-8", "replace")


def _header(mail: EmailMessage, name: str) -> str:
    """A header on one line; empty when there is none or it is no header."""
    try:
        value = str(mail.get(name) or "")
    except (ValueError, LookupError, AttributeError):  # what Python makes of some broken ones
        return ""
    return " ".join(value.split())[:HEADER_CHARS_MAX]


def _name(attached: EmailMessage) -> str:
    """What a file is called, or what the mail is about that was forwarded."""
    if attached.get_content_type() == "message/rfc822":
        return _header(attached.get_content(), "Subject")
    return attached.get_filename() or ""


def _body(mail: EmailMessage, page_text: Callable[[bytes], str]) -> str:
    """What was written: as plain text, or as a page where that is blank."""
    for form in ("plain", "html"):
        part = mail.get_body((form,))
        # Python takes a part without headers for false, but it is one of plain words.
        if part is not None and (text := _words(part, page_text)).strip():
            return text
    return ""


def _words(part: MIMEPart, page_text: Callable[[bytes], str]) -> str:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    text = decode(data, part.get_content_charset())
    return page_text(text.encode("utf-8", "replace")) if part.get_content_type() == "text/html" else text


def _date(written: str) -> str:
    """A date as ISO 8601 has it; empty when it is none."""
    try:
        date: datetime = parsedate_to_datetime(written)
    except ValueError:
        return ""
    return date.isoformat()
