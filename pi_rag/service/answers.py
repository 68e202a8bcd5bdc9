"""From the inner values to the JSON shapes of `schemas.py`, errors included."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from pi_rag.errors import PiRagError
from pi_rag.query import Answer, Hit
from pi_rag.service.schemas import (
    DocumentAnswer,
    DocumentNamed,
    DocumentWithText,
    DuplicateAnswer,
    HitAnswer,
    OriginalAnswer,
    SearchAnswer,
)
from pi_rag.types import DocumentRow, SharedText


def error_response(error: PiRagError, *, close: bool = False) -> JSONResponse:
    """The one shape of an error. `close` ends the connection, since an unread body may follow on it."""
    headers = _headers(error) | ({"connection": "close"} if close else {})
    return JSONResponse(error_body(error), status_code=error.http_status, headers=headers)


def error_bytes(error: PiRagError) -> bytes:
    """The same as it goes over the wire, for whom no web framework answers: the connection ends with it."""
    body = json.dumps(error_body(error)).encode()
    told = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}\r\n" for name, value in (_headers(error) | told).items()]
    phrase = HTTPStatus(error.http_status).phrase
    return f"HTTP/1.1 {error.http_status} {phrase}\r\n{''.join(lines)}\r\n".encode() + body


def _headers(error: PiRagError) -> dict[str, str]:
    if error.retry_after_ms is not None:
        return {"retry-after": str(math.ceil(error.retry_after_ms / 1000))}
    # OpenAI's clients send again after any 5xx, unless they are told that it will not help.
    return {"x-should-retry": "false"}


def error_body(error: PiRagError) -> dict[str, Any]:
    """The body of every error. `type` and `param` are there for clients of OpenAI's interface."""
    kind = "invalid_request_error" if error.http_status < 500 else "server_error"
    return {"error": error.to_wire() | {"type": kind, "param": error.param}}


def search_answer(answer: Answer, *, now_s: float, explain: bool) -> SearchAnswer:
    """A search's answer. `now_s` is wall time; an age is never below zero, even when the clock has jumped."""
    return SearchAnswer(
        hits=[_hit(hit, now_s) for hit in answer.hits],
        degraded=list(answer.degraded),
        unknown_fields=answer.explain.get("unknown_fields", {}),
        fitting_none=answer.explain.get("fitting_none", []),
        candidates=dict(answer.explain["candidates"]),
        took_ms=dict(answer.took_ms),
        explain=dict(answer.explain) if explain else None,
    )


def _hit(hit: Hit, now_s: float) -> HitAnswer:
    passage = hit.passage
    return HitAnswer(
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        collection=passage.collection,
        source=passage.source,
        title=passage.title,
        heading=passage.heading,
        page=passage.page,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        chunk_ids=list(hit.chunk_ids),
        before=hit.before,
        after=hit.after,
        score=round(hit.score, 6),
        scores=_scores(hit),
        duplicate_of=OriginalAnswer(**asdict(hit.duplicate_of)) if hit.duplicate_of else None,
        duplicates=hit.duplicates,
        age_s=round(max(0.0, now_s - passage.updated_at), 1),
        metadata=dict(passage.metadata),
    )


def _scores(hit: Hit) -> dict[str, int | float]:
    """Every number that had a part in a hit's place."""
    fused = hit.fused
    numbers: dict[str, int | float] = {name: round(score, 6) for name, score in fused.scores.items()}
    numbers |= {f"{name}_rank": rank for name, rank in fused.ranks.items()}
    later = {"fused": round(fused.score, 6), "recency": hit.recency, "likeness": hit.likeness}
    return numbers | {name: number for name, number in later.items() if number is not None}


def document_answer(row: DocumentRow) -> DocumentAnswer:
    """A document without its text."""
    return DocumentAnswer(**{name: value for name, value in asdict(row).items() if name != "text"})


def document_with_text(row: DocumentRow) -> DocumentWithText:
    """A document with its text."""
    return DocumentWithText(**asdict(row))


def duplicate_answer(pair: SharedText) -> DuplicateAnswer:
    """A pair of documents that share passages."""
    return DuplicateAnswer(
        document=DocumentNamed(id=pair.document_id, collection=pair.collection, source=pair.source),
        of=DocumentNamed(id=pair.of_document_id, collection=pair.of_collection, source=pair.of_source),
        passages=pair.passages,
        share=round(pair.passages / pair.chunk_count, 4),
        similarity=round(pair.similarity, 4),
    )
