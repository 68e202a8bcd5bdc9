"""What the service and its reading child say to each other: one document a frame, one answer a frame.

First the child says that it is ready: an empty frame. Requests and answers are a line of JSON and then bytes
as they are: of the document, of its text, of what was in an archive. It does not know how the frames travel.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pi_rag.config import IngestSettings
from pi_rag.errors import DocumentRefused, InternalError, PiRagError, from_wire
from pi_rag.text.clean import clean
from pi_rag.types import Kind, Reading

MIB = 1024 * 1024

READY = b""
"""What the child says first, when it has given up all it can and needs its folder no more."""

NAME_CHARS_MAX = 4096

HEADER_BYTES_MAX = 64 * 1024
"""A character of the name is at most twelve bytes of ASCII JSON."""

PATH_CHARS_MAX = 1000
"""Of a file's path in an archive."""

UTF8_BYTES_PER_CHAR_MAX = 4

MEMBER_BYTES_MAX = 8 * 1024
"""What an answer says of one file in an archive: its path, each character at most six bytes of JSON, and why
it is not taken."""

CLAIMS_MAX = 32
CLAIM_CHARS_MAX = 400
"""What a document says of itself, its title too, goes out with every hit of it."""

REASON_CHARS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may unpack to."""

    members_max: int
    bytes_max: int
    ratio_max: int


@dataclass(slots=True)
class Unpacked:
    """What was in an archive."""

    members: list[tuple[str, bytes]] = field(default_factory=list)
    refused: list[tuple[str, DocumentRefused]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the child is allowed. It gets them once, as its argument."""

    memory_mib_max: int
    cpu_s_max: int
    """Processor time for one document."""
    chars_max: int
    request_bytes_max: int
    head_bytes_max: int
    """Of an answer's line of JSON."""
    answer_bytes_max: int
    ocr_languages: str
    archive: Bounds

    @classmethod
    def of(cls, settings: IngestSettings) -> Terms:
        """The terms that follow from the settings."""
        head_bytes_max = MIB + settings.archive_members_max * MEMBER_BYTES_MAX
        data_bytes_max = max(
            settings.document_chars_max * UTF8_BYTES_PER_CHAR_MAX, settings.archive_mib_max * MIB
        )
        return cls(
            memory_mib_max=settings.reader_memory_mib_max,
            # The wall clock ends a child first, unless nobody is left to look at it.
            cpu_s_max=math.ceil(settings.read_s_max) + 1,
            chars_max=settings.document_chars_max,
            request_bytes_max=settings.document_mib_max * MIB + HEADER_BYTES_MAX,
            head_bytes_max=head_bytes_max,
            answer_bytes_max=head_bytes_max + data_bytes_max,
            ocr_languages=settings.ocr_languages,
            archive=Bounds(
                settings.archive_members_max, settings.archive_mib_max * MIB, settings.archive_ratio_max
            ),
        )

    def as_argument(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Terms:
        """What `as_argument` made."""
        given = json.loads(argument)
        return cls(**given | {"archive": Bounds(**given["archive"])})


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked: a document, or what its pictures say on one page."""

    name: str
    kind: Kind
    data: bytes
    page: int = 0
    """0 is the whole document, as text."""
    unpack: bool = False
    """Whether it is an archive, and its members are asked for."""

    def to_frame(self) -> bytes:
        """The frame that asks for it."""
        about = {
            "name": self.name[-NAME_CHARS_MAX:],
            "kind": self.kind,
            "page": self.page,
            "unpack": self.unpack,
        }
        return json.dumps(about).encode("ascii") + b"\n" + self.data

    @classmethod
    def from_frame(cls, frame: bytes) -> Request:
        """What `to_frame` made."""
        head, _, data = frame.partition(b"\n")
        return cls(data=data, **json.loads(head))


def answer(said: Reading | Unpacked | PiRagError) -> bytes:
    """The frame that answers with what was read, or with why there is nothing."""
    data: list[bytes] = []
    if isinstance(said, PiRagError):
        about: dict[str, object] = {"error": said.to_wire()}
    elif isinstance(said, Unpacked):
        data = [member for _, member in said.members]
        about = {
            "members": [(path, len(member)) for path, member in said.members],
            "refused": [(path, error.to_wire()) for path, error in said.refused],
        }
    else:
        data = [said.text.encode("utf-8", "replace")]
        claims = list(said.metadata.items())[:CLAIMS_MAX]
        about = {
            "title": said.title[:CLAIM_CHARS_MAX],
            "pages": said.pages,
            "metadata": {key[:CLAIM_CHARS_MAX]: str(value)[:CLAIM_CHARS_MAX] for key, value in claims},
            "unread": said.unread,
        }
    return b"".join([json.dumps(about, ensure_ascii=False).encode("utf-8", "replace"), b"\n", *data])


def reading(frame: bytes, kind: Kind, terms: Terms) -> Reading:
    """What an answer says, as a reading or raised. Raises DocumentRefused kinds, InternalError.

    The child may be in the hands of the file it read, so nothing but what we know is taken from it: no shape,
    size or number beyond the terms.
    """
    with _believed():
        said, data = _parts(frame, terms)
        text = str(data, "utf-8")
        _expect(len(text) <= terms.chars_max)
        pages = tuple((_whole(offset), _whole(number)) for offset, number in said["pages"])
        offsets = [offset for offset, _ in pages]
        _expect(offsets == sorted(offsets) and (not offsets or offsets[-1] <= len(text)))
        claims = said["metadata"].items()
        _expect(len(claims) <= CLAIMS_MAX)
        metadata = {_words(key, CLAIM_CHARS_MAX): _words(value, CLAIM_CHARS_MAX) for key, value in claims}
        unread = tuple(_whole(number) for number in said["unread"])
        return Reading(text, _words(said["title"], CLAIM_CHARS_MAX), kind, pages, metadata, unread)


def unpacked(frame: bytes, terms: Terms) -> Unpacked:
    """What an answer says of an archive. Raises as `reading` does."""
    with _believed():
        said, data = _parts(frame, terms)
        members = [(_words(path, PATH_CHARS_MAX), _whole(size)) for path, size in said["members"]]
        refused = [(_words(path, PATH_CHARS_MAX), _refusal(wire)) for path, wire in said["refused"]]
        _expect(not any(path.startswith("/") or ".." in path.split("/") for path, _ in members))
        _expect(len(members) + len(refused) <= terms.archive.members_max)
        _expect(sum(size for _, size in members) == len(data) <= terms.archive.bytes_max)
        ends = itertools.accumulate(size for _, size in members)
        found = [
            (path, bytes(data[end - size : end])) for (path, size), end in zip(members, ends, strict=True)
        ]
        return Unpacked(found, refused)


@contextlib.contextmanager
def _believed() -> Iterator[None]:
    """Whatever comes of an answer that is not as ours are is one thing. Raises InternalError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as failure:
        raise InternalError("The reading child sent an answer of the wrong shape.") from failure


def _parts(frame: bytes, terms: Terms) -> tuple[dict[str, Any], memoryview]:
    """The line of an answer, which alone is parsed, so that it cannot become much more; and what follows it.

    Raises DocumentRefused kinds when it says that there is nothing.
    """
    end = frame.index(b"\n", 0, terms.head_bytes_max)
    said = json.loads(frame[:end])
    if "error" in said:
        raise _refusal(said["error"])
    return said, memoryview(frame)[end + 1 :]


def _refusal(wire: Mapping[str, Any]) -> DocumentRefused:
    """A refusal of a document: the child has nothing to say about the service."""
    error = from_wire(wire)
    if not isinstance(error, DocumentRefused):
        raise InternalError(error.message[:REASON_CHARS_MAX])
    return type(error)(clean(error.message[:REASON_CHARS_MAX]), hint=clean(error.hint[:REASON_CHARS_MAX]))


def _words(value: object, chars_max: int) -> str:
    _expect(isinstance(value, str) and len(value) <= chars_max)
    return clean(str(value))


def _whole(value: object) -> int:
    """A number that SQLite can hold."""
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _expect(what: bool) -> None:
    if not what:
        raise ValueError
