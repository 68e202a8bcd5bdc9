"""What goes between the pool and a worker: requests and answers as bytes, and their strict reading.

A request is JSON: {"id", "do", "yields", "texts"}. An answer is a header, then float32 rows, token counts
or an error. The pool trusts no answer: its id, kind, shape and every vector are checked here, and what does
not fit is VectorInvalid. It does not know sockets.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pi_rag.embedder import vectors
from pi_rag.errors import PiRagError, VectorInvalid, from_wire

if TYPE_CHECKING:
    from pi_rag.types import Text, Vectors

Task = Literal["embed", "count"]

_HEADER = struct.Struct("<cQ")
_VECTORS, _COUNTS, _ERROR = b"v", b"c", b"e"
_FLOAT = np.dtype("<f4")
_COUNT = np.dtype("<u4")

BEAT = b"b"
"""What a worker says when it has nothing to say: that it lives."""

PID_MAX = 2**22
"""The kernel's largest number of a process (PID_MAX_LIMIT)."""

REQUEST_OVERHEAD_BYTES = 80
"""More than a request takes around its texts."""


@dataclass(frozen=True, slots=True)
class Request:
    """One frame of work."""

    id: int
    task: Task
    texts: list[Text]
    yields: bool
    """Whether it steps back behind the rest of the machine while it computes."""


def encoded_text(text: Text) -> bytes:
    """A text as JSON in UTF-8, or its token ids. A lone surrogate has no UTF-8 form and becomes `?`."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")


def request(request_id: int, task: Task, encoded_texts: Sequence[bytes], *, yields: bool = False) -> bytes:
    """The payload of a request; its texts come from `encoded_text`."""
    head = f'{{"id":{request_id},"do":"{task}","yields":{json.dumps(yields)},"texts":['.encode()
    return head + b",".join(encoded_texts) + b"]}"


def parsed_request(payload: bytes) -> Request:
    """The worker's reading of it. The pool is trusted: a payload it cannot have sent raises ValueError."""
    found = json.loads(payload)
    texts = [_text(each) for each in found["texts"]]
    return Request(int(found["id"]), found["do"], texts, bool(found["yields"]))


def _text(found: Any) -> Text:
    return found if isinstance(found, str) else tuple(int(each) for each in found)


def vectors_answer(request_id: int, rows: Vectors) -> bytes:
    """The answer to `embed`."""
    return _HEADER.pack(_VECTORS, request_id) + rows.astype(_FLOAT, copy=False).tobytes()


def counts_answer(request_id: int, counts: Sequence[int]) -> bytes:
    """The answer to `count`."""
    return _HEADER.pack(_COUNTS, request_id) + np.array(counts, dtype=_COUNT).tobytes()


def error_answer(request_id: int, error: PiRagError) -> bytes:
    """The answer when a request could not be met."""
    return _HEADER.pack(_ERROR, request_id) + json.dumps(error.to_wire()).encode()


def parsed_vectors(payload: bytes, request_id: int, count: int, dimensions: int) -> Vectors:
    """`count` checked unit rows. Raises VectorInvalid, or the error that the worker answered."""
    body = _body(payload, _VECTORS, request_id, count * dimensions * _FLOAT.itemsize)
    rows = np.frombuffer(body, dtype=_FLOAT).reshape(count, dimensions).astype(np.float32, copy=False)
    vectors.check(rows, count, dimensions)
    return rows


def parsed_counts(payload: bytes, request_id: int, count: int) -> list[int]:
    """`count` token counts. Raises VectorInvalid, or the error that the worker answered."""
    body = _body(payload, _COUNTS, request_id, count * _COUNT.itemsize)
    return [int(each) for each in np.frombuffer(body, dtype=_COUNT)]


def hello(pid: int) -> bytes:
    """A worker's first frame: it is ready."""
    return json.dumps({"pid": pid}).encode()


def parsed_hello(payload: bytes) -> int:
    """The pid of a worker that is ready. Raises VectorInvalid."""
    try:
        pid = int(json.loads(payload)["pid"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise VectorInvalid("A worker began with something else than hello.") from error
    if not 0 < pid <= PID_MAX:
        raise VectorInvalid("A worker said a number that no process has.")
    return pid


def _body(payload: bytes, kind: bytes, request_id: int, bytes_due: int) -> bytes:
    if len(payload) < _HEADER.size:
        raise VectorInvalid(f"An answer of {len(payload)} bytes is too short to be one.")
    found_kind, found_id = _HEADER.unpack_from(payload)
    body = payload[_HEADER.size :]
    if found_id != request_id:
        raise VectorInvalid(f"An answer to request {found_id} came for request {request_id}.")
    if found_kind == _ERROR:
        raise _error(body)
    if found_kind != kind or len(body) != bytes_due:
        raise VectorInvalid(f"An answer of kind {found_kind!r} with {len(body)} bytes; {bytes_due} were due.")
    return body


def _error(body: bytes) -> PiRagError:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return from_wire(found) if isinstance(found, dict) else VectorInvalid("An error came back unreadable.")
