"""A document as one line of JSON, as it leaves this memory and comes into another.

    {"pi_rag_export": 1, "made_by": {...}}      first, where vectors come along: what made them
    {"collection": ..., "source": ..., ...}     one line for each document
    {"pi_rag_export": 1, "next": 812}           last, over HTTP only: where to go on; null when that was all

docs/export.md has every field. Whatever comes in is a stranger's, and is looked at field by field. Nothing is
read or written here but bytes in RAM.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast, get_args

from pi_rag.errors import DocumentDamaged, RequestInvalid
from pi_rag.store.export import Stored, StoredPassage
from pi_rag.store.metadata import DEPTH_MAX, to_json
from pi_rag.text.clean import clean, clean_tree
from pi_rag.types import Chunk, DocumentRow, Fingerprint, Kind, Reading

VERSION = 1
"""Fields may be added under the same number. One that changes its meaning needs another."""

MARK = "pi_rag_export"
"""A line with this key is no document."""

FIELDS = frozenset(
    (
        "collection source title kind metadata given created_at updated_at content_hash text pages passages"
    ).split()
)
GIVEN_FIELDS = frozenset({"title", "metadata"})
PASSAGE_FIELDS = frozenset("start end heading page tokens hash vector".split())

NORM_ERROR_MAX = 1e-3
"""How far from 1 a vector's length may be. Float32 rounding stays a thousand times below it."""

FAR = 2**31
"""No text has so many characters, tokens or pages."""

SECONDS_MAX = 1e11
"""A moment beyond the year 5000 is a mistake, such as milliseconds."""

_HINT = "What stands in a line is told in docs/export.md."

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Made:
    """Passages that come along with their vectors."""

    made_by: Fingerprint
    chunks: Sequence[Chunk]
    hashes: Sequence[bytes]
    """What each vector is said to be made of; empty bytes where nothing is said."""
    vectors: bytes
    """One float32 row a passage, each finite and of unit length."""

    def leaves_out(self, text: str) -> bool:
        """Whether some of the text is in no passage, or a passage is out of place."""
        done = 0
        for chunk in self.chunks:
            if chunk.end < done or chunk.end > len(text) or text[done : chunk.start].strip():
                return True
            done = chunk.end
        return bool(text[done:].strip())


@dataclass(frozen=True, slots=True)
class Given:
    """A document as its line has it."""

    reading: Reading
    content_hash: str
    """Empty where the line says nothing of it."""
    dates: tuple[float, float] | None
    """(created, updated) in Unix seconds."""
    made: Made | None
    title: str | None
    metadata: Mapping[str, Any] | None
    """What was given with the document, whatever its file says; None where the line says nothing of it."""

    def is_stored_as(self, row: DocumentRow) -> bool:
        """Whether a stored document is this one already, whenever that was."""
        new = self.reading
        said = (new.text, new.title, new.kind, new.metadata, self.content_hash or row.content_hash)
        return said == (row.text, row.title, row.kind, row.metadata, row.content_hash)


def head(made_by: Fingerprint | None) -> bytes:
    """The line that says which model made the vectors."""
    return _line({MARK: VERSION, "made_by": asdict(made_by) if made_by else None})


def end(next_id: int | None) -> bytes:
    """The line that says after which document to go on; None: there is no more."""
    return _line({MARK: VERSION, "next": next_id})


def line(stored: Stored, *, vectors: bool) -> bytes:
    """A document, with its passages where `vectors` come along."""
    row = stored.document
    fields: dict[str, Any] = {
        "collection": row.collection,
        "source": row.source,
        "title": row.title,
        "kind": row.kind,
        "metadata": dict(row.metadata),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "content_hash": row.content_hash,
        "text": row.text,
    }
    if stored.pages:
        fields["pages"] = stored.pages
    if stored.given_title or stored.given_metadata:
        fields["given"] = {"title": stored.given_title, "metadata": dict(stored.given_metadata)}
    if vectors:
        fields["passages"] = [_passage(each) for each in stored.passages]
    return _line(fields)


def _passage(stored: StoredPassage) -> dict[str, Any]:
    """Without its text, which is what stands from `start` to `end` in the document's."""
    chunk = stored.chunk
    return {
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "page": chunk.page,
        "tokens": chunk.token_count,
        "hash": stored.text_hash.hex() if stored.text_hash else None,
        "vector": base64.b64encode(stored.vector).decode("ascii"),
    }


def _line(fields: dict[str, Any]) -> bytes:
    # Metadata may hold half characters, which only an escape can write.
    try:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def payload(document: Mapping[str, Any], made_by: Mapping[str, Any] | None) -> bytes:
    """A line's document as it waits in the queue. Raises ValueError for numbers that JSON does not have."""
    fields = {"document": document, "made_by": made_by}
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def read(data: bytes) -> Given:
    """A document out of its `payload`. Raises DocumentDamaged with the field that is wrong."""
    try:
        queued = json.loads(data)
    except (ValueError, RecursionError):
        raise _wrong("It is not JSON, or nested too deep") from None
    made_by = Fingerprint(**queued["made_by"]) if queued["made_by"] else None
    return _given(queued["document"], made_by)


def _given(line: Mapping[str, Any], made_by: Fingerprint | None) -> Given:
    unknown = sorted(set(line) - FIELDS)
    if unknown:
        raise _wrong(f"There is no field {unknown[0]!r}")
    text = clean(_field(line, "text", str))
    kind = _field(line, "kind", str, "text")
    if kind not in get_args(Kind):
        raise _wrong(f"`kind` is none of: {', '.join(get_args(Kind))}")
    title, metadata = clean(_field(line, "title", str, "")), _metadata(_field(line, "metadata", dict, {}))
    reading = Reading(text, title, cast("Kind", kind), _pages(_field(line, "pages", list, [])), metadata)
    passages = _field(line, "passages", list, [])
    made = _made(text, passages, made_by) if passages and made_by else None
    hash_, told = _field(line, "content_hash", str, "")[:128], _told(line)
    return Given(reading, hash_, _dates(line), made, *told)


def _told(line: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """What was given with a document, title and metadata; None where the line says nothing of it."""
    if line.get("given") is None:
        return None, None
    told = _field(line, "given", dict)
    if unknown := sorted(set(told) - GIVEN_FIELDS):
        raise _wrong(f"There is no field {unknown[0]!r} in `given`")
    return clean(_field(told, "title", str, "")), _metadata(_field(told, "metadata", dict, {}))


def _field(line: Mapping[str, Any], name: str, kind: type[F], default: F | None = None) -> F:
    """A field of a type; null is as good as none. True is no number, whatever Python thinks."""
    value = line.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = {str: "a text", int: "a whole number", dict: "an object", list: "a list"}
        raise _wrong(f"`{name}` is not {names[kind]}")
    return value


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    try:
        to_json(value)
    except RequestInvalid as error:
        raise DocumentDamaged(error.message, hint=_HINT) from None
    return cast("dict[str, Any]", clean_tree(value, DEPTH_MAX))


def _pages(value: list[Any]) -> tuple[tuple[int, int], ...]:
    pages: list[tuple[int, int]] = []
    for each in value:
        pair = isinstance(each, list) and len(each) == 2 and all(_is_place(part) for part in each)
        if not pair or each[0] < (pages[-1][0] if pages else 0):
            raise _wrong("`pages` is not a list of [offset, page], by offset")
        pages.append((each[0], each[1]))
    return tuple(pages)


def _is_place(value: object) -> bool:
    """Whether a text could have it, and SQLite could keep it. True is no number."""
    return type(value) is int and 0 <= value < FAR


def _dates(line: Mapping[str, Any]) -> tuple[float, float] | None:
    created, updated = line.get("created_at"), line.get("updated_at")
    if created is None and updated is None:
        return None
    for each in (created, updated):
        if type(each) not in (int, float) or not 0 <= each <= SECONDS_MAX:  # type: ignore[operator]
            raise _wrong("`created_at` and `updated_at` are not both Unix seconds")
    assert created is not None and updated is not None, "both are numbers"
    return float(created), float(updated)


def _made(text: str, passages: list[Any], made_by: Fingerprint) -> Made:
    chunks, hashes, vectors = [], [], []
    for seq, each in enumerate(passages):
        if not isinstance(each, dict) or set(each) - PASSAGE_FIELDS:
            raise _wrong(f"passage {seq} is no object of {', '.join(sorted(PASSAGE_FIELDS))}")
        chunks.append(_chunk(text, seq, each))
        hashes.append(_unhexed(_field(each, "hash", str, "")))
        vectors.append(_vector(_field(each, "vector", str), made_by.dimensions))
    return Made(made_by, chunks, hashes, b"".join(vectors))


def _chunk(text: str, seq: int, passage: Mapping[str, Any]) -> Chunk:
    start, end = _field(passage, "start", int), _field(passage, "end", int)
    page = None if passage.get("page") is None else _field(passage, "page", int)
    heading = clean(_field(passage, "heading", str, ""))
    tokens = _field(passage, "tokens", int)
    if not start < end or not all(_is_place(each) for each in (start, end, tokens, page or 0)):
        raise _wrong(f"passage {seq} ends before it begins, or far beyond any text")
    return Chunk(seq, start, end, text[start:end], heading, page, tokens)


def _unhexed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _wrong("`hash` of a passage is not hexadecimal") from None


def _vector(text: str, dimensions: int) -> bytes:
    """A row of float32. Raises DocumentDamaged unless it is of unit length; what is not finite never is."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("`vector` of a passage is not base64") from None
    if len(data) != dimensions * 4:
        raise _wrong(f"`vector` of a passage is not {dimensions} numbers of float32")
    row = array("f", data)
    if not abs(math.hypot(*row) - 1.0) <= NORM_ERROR_MAX:
        raise _wrong("`vector` of a passage is not of unit length")
    return data


def _wrong(what: str) -> DocumentDamaged:
    return DocumentDamaged(f"{what}.", hint=_HINT)
