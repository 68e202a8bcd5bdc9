"""What the service and its reading child say to each other: one document a frame, one answer a frame.

First the child says that it is ready: an empty frame. A request is a line of JSON and then the bytes of the
document as they are. An answer is JSON: a reading, or the error that says why there is none. It does not know
how the frames travel.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from pi_rag.config import IngestSettings
from pi_rag.errors import DocumentRefused, InternalError, PiRagError, from_wire
from pi_rag.ingest.archive import Bounds, Unpacked
from pi_rag.types import Kind, Reading

MIB = 1024 * 1024

READY = b""
"""What the child says first, when it has given up all it can and needs its folder no more."""

NAME_CHARS_MAX = 4096

HEADER_BYTES_MAX = 64 * 1024
"""A character of the name is at most twelve bytes of ASCII JSON."""

WIRE_BYTES_PER_CHAR_MAX = 6
"""A control character is six bytes of JSON; all else is at most four."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the child is allowed. It gets them once, as its argument."""

    memory_mib_max: int
    cpu_s_max: int
    """Processor time for one document."""
    chars_max: int
    request_bytes_max: int
    answer_bytes_max: int
    ocr_languages: str
    archive: Bounds

    @classmethod
    def of(cls, settings: IngestSettings) -> Terms:
        """The terms that follow from the settings."""
        return cls(
            memory_mib_max=settings.reader_memory_mib_max,
            # The wall clock ends a child first, unless nobody is left to look at it.
            cpu_s_max=math.ceil(settings.read_s_max) + 1,
            chars_max=settings.document_chars_max,
            request_bytes_max=settings.document_mib_max * MIB + HEADER_BYTES_MAX,
            answer_bytes_max=MIB
            + max(
                settings.document_chars_max * WIRE_BYTES_PER_CHAR_MAX,
                settings.archive_mib_max * MIB + settings.archive_members_max * HEADER_BYTES_MAX,
            ),
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


def answer(said: Reading | PiRagError) -> bytes:
    """The frame that answers with a reading, or with why there is none."""
    if isinstance(said, PiRagError):
        return _json({"error": said.to_wire()})
    return _json(
        {
            "text": said.text,
            "title": said.title,
            "pages": said.pages,
            "metadata": dict(said.metadata),
            "unread": said.unread,
        }
    )


def unpacked_answer(said: Unpacked) -> bytes:
    """The frame that answers with the members of an archive: a line about them, and then their bytes."""
    about = {
        "members": [(path, len(data)) for path, data in said.members],
        "refused": [(path, error.to_wire()) for path, error in said.refused],
    }
    return b"".join([_json(about), b"\n", *(data for _, data in said.members)])


def unpacked(frame: bytes) -> Unpacked:
    """What an answer says of an archive. Raises as `reading` does."""
    head, _, rest = frame.partition(b"\n")
    try:
        said = json.loads(head)
        if "error" in said:
            error = from_wire(said["error"])
        else:
            found, at = Unpacked(), 0
            for path, size in said["members"]:
                found.members.append((str(path), rest[at : at + int(size)]))
                at += int(size)
            refusals = [(str(path), from_wire(wire)) for path, wire in said["refused"]]
            found.refused = [(path, each) for path, each in refusals if isinstance(each, DocumentRefused)]
            return found
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise InternalError("The reading child sent an answer of the wrong shape.") from failure
    raise error if isinstance(error, DocumentRefused) else InternalError(error.message)


def reading(frame: bytes, kind: Kind) -> Reading:
    """What an answer says, as a reading or raised. Raises DocumentRefused kinds, InternalError.

    The child may be in the hands of the file it read, so nothing but the shape we know is taken from it.
    """
    try:
        said = json.loads(frame)
        if "error" in said:
            error = from_wire(said["error"])
        else:
            pages = tuple((int(offset), int(number)) for offset, number in said["pages"])
            metadata = {str(key): str(value) for key, value in said["metadata"].items()}
            unread = tuple(int(number) for number in said["unread"])
            return Reading(str(said["text"]), str(said["title"]), kind, pages, metadata, unread)
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise InternalError("The reading child sent an answer of the wrong shape.") from failure
    raise error if isinstance(error, DocumentRefused) else InternalError(error.message)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
