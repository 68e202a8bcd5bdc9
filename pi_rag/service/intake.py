"""From requests to what the desks take: the items of a job, a question. Pure; nothing is read from disk."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pi_rag.errors import RequestInvalid
from pi_rag.ingest import exported
from pi_rag.ingest.web import is_url
from pi_rag.query import Question
from pi_rag.service.schemas import (
    SOURCE_CHARS_MAX,
    DocumentGiven,
    DocumentsRequest,
    ImportRequest,
    SearchRequest,
)
from pi_rag.text.clean import clean
from pi_rag.types import NewItem, Scope

METADATA_OF_ALL_KIB_MAX = 64
"""They are kept with each file below a folder. What describes 100,000 files alike is short."""


def question(request: SearchRequest) -> Question:
    """What a search asks. The desk says whether it can be asked."""
    scope = Scope(
        request.collection, request.filter, request.under, request.kind, request.since, request.until
    )
    return Question(
        request.query,
        request.k,
        request.mode,
        scope,
        match=request.match,
        diversity=request.diversity,
        recency_half_life_days=request.recency_half_life_days,
        per_document_max=request.per_document_max,
        unique=request.unique,
        join=request.join,
        neighbours=request.neighbours,
    )


def items(request: DocumentsRequest) -> Sequence[NewItem]:
    """The items of a job, in the order given. Raises RequestInvalid."""
    if bool(request.documents) == bool(request.paths):
        raise RequestInvalid("Send either `documents` or `paths`, and at least one of them.")
    if len(json.dumps(request.metadata)) > METADATA_OF_ALL_KIB_MAX * 1024:
        raise RequestInvalid(
            f"The metadata of all are larger than {METADATA_OF_ALL_KIB_MAX} KiB.", param="metadata"
        )
    taken = [_from_path(path) for path in request.paths]
    taken += [_from_document(each) for each in request.documents]
    return [replace(each, metadata={**request.metadata, **each.metadata}) for each in taken]


def imported(request: ImportRequest) -> Sequence[NewItem]:
    """Lines of an export as the items of a job. Each is judged when its turn comes. Raises RequestInvalid."""
    made_by = request.made_by.model_dump() if request.made_by else None
    return [_from_line(each, made_by) for each in request.documents]


def _from_line(line: dict[str, Any], made_by: dict[str, Any] | None) -> NewItem:
    source = line.get("source")
    if not isinstance(source, str) or not 1 <= len(source) <= SOURCE_CHARS_MAX:
        raise RequestInvalid(f"A line has no `source` of 1 to {SOURCE_CHARS_MAX} characters.")
    try:
        payload = exported.payload(line, made_by)
    except (ValueError, RecursionError):
        raise RequestInvalid(f"The line of {source!r} has numbers or a depth that JSON has not.") from None
    return NewItem(kind="export", source=clean(source), payload=payload)


def _from_path(path: str) -> NewItem:
    if is_url(path):
        return NewItem(kind="url", source=path)
    if not Path(path).is_absolute() or "\0" in path:
        raise RequestInvalid(
            f"{path!r} is not an absolute path.",
            hint="The service does not know the folder you are in: send the whole path.",
        )
    return NewItem(kind="path", source=path)


def _from_document(given: DocumentGiven) -> NewItem:
    if (given.text is None) == (given.content_base64 is None):
        raise RequestInvalid(f"{given.source!r} must have either `text` or `content_base64`.")
    payload = _decoded(given) if given.text is None else given.text.encode()
    return NewItem(
        kind="bytes" if given.text is None else "text",
        source=given.source,
        title=given.title,
        payload=payload,
        metadata=given.metadata,
    )


def _decoded(given: DocumentGiven) -> bytes:
    try:
        return base64.b64decode(given.content_base64 or "", validate=True)
    except (binascii.Error, ValueError):
        raise RequestInvalid(f"`content_base64` of {given.source!r} is not base64.") from None
