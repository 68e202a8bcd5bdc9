"""Files that this user may read and the service may not: read here, sent in requests of bounded size.

It knows what a request for documents looks like, and nothing of jobs or terminals.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pi_rag.config import Settings
from pi_rag.errors import DocumentEmpty, DocumentTooLarge, PiRagError

DOCUMENTS_MAX = 500
"""Documents in one request, so that a folder of tiny files does not become one huge job."""

FRAME_BYTES = 128 * 1024
"""What a request holds beside the contents: the longest source and title are a few KiB in JSON, and the
metadata of all are at most 64."""

Document = dict[str, Any]


class Upload:
    """Turns paths into batches of documents; remembers what could not be read and why."""

    def __init__(self, settings: Settings) -> None:
        self._document_mib_max = settings.ingest.document_mib_max
        self._request_bytes_max = (settings.service.request_mib_max << 20) - FRAME_BYTES
        self._batch_bytes = settings.client.upload_mib << 20
        self._files_max = settings.ingest.walk_files_max
        self._refusals: list[Document] = []

    def refusals_taken(self) -> list[Document]:
        """The refusals since the last call, each {"source", "code", "message", "hint"}."""
        taken, self._refusals = self._refusals, []
        return taken

    def files(self, paths: Iterable[str], *, title: str | None = None) -> Iterator[list[Document]]:
        """Batches of documents from files, and from all files below folders."""
        batch: list[Document] = []
        size = 0
        for path in self._found(paths):
            document = self._read(path, title)
            if document is None:
                continue
            length = len(document["content_base64"])
            if batch and (size + length > self._batch_bytes or len(batch) >= DOCUMENTS_MAX):
                yield batch
                batch, size = [], 0
            batch.append(document)
            size += length
        if batch:
            yield batch

    def standard_input(self, source: str, *, title: str | None = None) -> Document:
        """Standard input as a document. Raises DocumentEmpty, DocumentTooLarge."""
        if sys.stdin.isatty():
            print("Type the text; end it with Ctrl-D on a line of its own.", file=sys.stderr)
        bytes_max = self._document_mib_max << 20
        data = sys.stdin.buffer.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise DocumentTooLarge(f"Standard input is larger than {self._document_mib_max} MiB.")
        if not data:
            raise DocumentEmpty(
                "Standard input is empty.", hint="Does the command before the pipe print something?"
            )
        return self._document(source, data, title)

    def _found(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            if Path(path).is_dir():
                yield from self._below(path)
            else:
                yield path

    def _below(self, folder: str) -> Iterator[str]:
        from pi_rag.ingest.walk import walk
        from pi_rag.types import Refusal

        try:
            for found in walk(Path(folder), self._files_max):
                if isinstance(found, Refusal):
                    self._refuse(found.source, found.code, found.message, found.hint)
                else:
                    yield str(found.path)
        except PiRagError as error:
            self._refuse(_shown(folder), error.code, error.message, error.hint)

    def _read(self, path: str, title: str | None) -> Document | None:
        """The file as a document; None when it was refused."""
        from pi_rag.ingest.file import read_file
        from pi_rag.ingest.walk import check_name

        source = _shown(path)
        try:
            check_name(path)
            return self._document(source, read_file(Path(path), self._document_mib_max), title)
        except PiRagError as error:
            self._refuse(source, error.code, error.message, error.hint)
            return None

    def _refuse(self, source: str, code: str, message: str, hint: str) -> None:
        self._refusals.append({"source": source, "code": code, "message": message, "hint": hint})

    def _document(self, source: str, data: bytes, title: str | None) -> Document:
        """What the interface calls a document. Raises DocumentTooLarge when no request can hold it."""
        content = base64.b64encode(data).decode("ascii")
        if len(content) > self._request_bytes_max:
            raise DocumentTooLarge(
                "It does not fit into one request.",
                hint="Give the service's user the right to read it, or raise service.request_mib_max.",
            )
        document = {"source": source, "content_base64": content}
        return document if title is None else {**document, "title": title}


def _shown(path: str) -> str:
    r"""The path as JSON can hold it, to name it in a refusal; bytes that are no UTF-8 become \xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
