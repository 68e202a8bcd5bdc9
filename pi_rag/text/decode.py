"""From bytes to text, without being told the encoding.

What says its encoding by a mark is believed. Then UTF-8, whole or with a few broken places, since nearly all
text is UTF-8 and text in another encoding is almost never valid UTF-8 by chance. Then UTF-16 without a mark,
which shows by its zero bytes. Only then is the encoding guessed from a sample.
It does not know what kind of document the bytes are.
"""

from __future__ import annotations

import codecs
import re

from pi_rag.errors import DocumentBinary
from pi_rag.text import western

SAMPLE_BYTES = 64 * 1024
"""Guessing looks at this much: it tries some forty encodings, so all of a large file would take a minute."""

CONTROL_SHARE_MAX = 0.03
"""Text has a few control characters at most. Random bytes have one in ten, machine code more."""

ZERO_SHARE_MAX = 0.3
"""Records that end in a zero byte are text with dirt in it; a third of zeros is a table of numbers."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\)|[()][0-9A-B])")
"""Colours, movements of the cursor, titles of windows and addresses of links, as ECMA-48 has them."""

_LONE_RETURN = re.compile(r"\r(?!\n)")
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def decode(data: bytes, declared: str | None = None) -> str:
    """The text of a file, without its byte order mark. What cannot be read becomes U+FFFD.

    `declared` is what the document itself names as its encoding; it is tried when the bytes are not UTF-8.
    Raises DocumentBinary when it is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    wide = _wide_encoding(data)
    if wide:
        return data.decode(wide, "replace")
    if not looks_like_text(data[:SAMPLE_BYTES]):
        raise DocumentBinary("It is not text.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_cut_off(data, error):
            return data.decode("utf-8", "replace")
    for attempt in (_decode_declared(data, declared), _decode_surrogates(data)):
        if attempt is not None:
            return attempt
    return data.decode(_likeliest(data[:SAMPLE_BYTES]), "replace")


def looks_like_text(head: bytes) -> bool:
    """Whether the beginning of a file could be text in some encoding. An empty one could."""
    if not head or any(head.startswith(mark) for mark, _ in _MARKS) or _wide_encoding(head):
        return True
    if head.count(0) > ZERO_SHARE_MAX * len(head):
        return False
    return len(_CONTROL.findall(head)) <= CONTROL_SHARE_MAX * len(head)


def as_seen(text: str) -> str:
    """What a program wrote for a terminal, as it was to be seen there: `^[[31mERROR` is no word.

    A carriage return by itself ends a line, as on old Macs.
    """
    text = _SEQUENCE.sub("", text) if "\x1b" in text else text
    return _LONE_RETURN.sub("\n", text) if "\r" in text else text


def as_utf8(head: bytes) -> bytes:
    """The beginning of a file without its mark, and with ASCII where ASCII is meant; nothing is guessed."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace").encode()
    wide = _wide_encoding(head)
    return head.decode(wide, "replace").encode() if wide else head


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a mark: nearly every second byte of Western text is zero, and no other is."""
    sample = data[: SAMPLE_BYTES & ~1]
    if len(sample) < 8 or b"\0" not in sample:
        return None
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.6 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.6 * half and odd < 0.02 * half:
        return "utf-16-be"
    return None


def _is_cut_off(data: bytes, error: UnicodeDecodeError) -> bool:
    """Whether only the last character is incomplete. After ASCII alone, one byte may be an accent."""
    is_told = len(data) - error.start > 1 or not data[: error.start].isascii()
    return error.reason == "unexpected end of data" and is_told


def _decode_declared(data: bytes, declared: str | None) -> str | None:
    try:
        return data.decode(declared, "strict") if declared else None
    except (LookupError, ValueError):
        return None


def _decode_surrogates(data: bytes) -> str | None:
    """UTF-8 made from UTF-16 by halves (CESU-8), as some databases and Java programs write it."""
    try:
        halves = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _likeliest(sample: bytes) -> str:
    """UTF-8 when sound characters beyond ASCII outnumber broken places, as they never do in Latin-1."""
    text = sample.decode("utf-8", "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    sound = sum(1 for char in text if char > "\x7f") - broken
    return "utf-8" if broken <= sound else _guess(sample)


def _guess(sample: bytes) -> str:
    if western.is_western(sample):
        return western.ENCODING
    from charset_normalizer import from_bytes  # loads much; nearly no file needs it

    best = from_bytes(sample).best()
    return best.encoding if best is not None else "utf-8"
