"""Files that this user may read and the service may not: read here, bounded, in requests of bounded size.

It knows what a request for documents looks like, and nothing of jobs or terminals.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pi_rag.config import Settings
from pi_rag.errors import (
    DocumentLinkLoop,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    DocumentVanished,
    PathNotFound,
    PiRagError,
)

DOCUMENTS_MAX = 500
"""Documents in one request, so that a folder of tiny files does not become one huge job."""

FRAME_BYTES = 64 * 1024
"""What a request holds beside the contents: the longest source and title, in JSON, are a few KiB."""

Document = dict[str, Any]


class Upload:
    """Turns paths into batches of documents; remembers what could not be read and why."""

    def __init__(self, settings: Settings) -> None:
        self._document_bytes_max = settings.ingest.document_mib_max << 20
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
            document = self._document(path, title)
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
        """Standard input as a document. Raises DocumentTooLarge."""
        if sys.stdin.isatty():
            print("Type the text; end it with Ctrl-D on a line of its own.", file=sys.stderr)
        data = sys.stdin.buffer.read(self._document_bytes_max + 1)
        self._check_size(len(data), "Standard input")
        return _document(source, data, title)

    def _found(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            if stat.S_ISDIR(_mode(path)):
                yield from self._below(path)
            else:
                yield path

    def _below(self, folder: str) -> Iterator[str]:
        from pi_rag.ingest.walk import walk
        from pi_rag.types import Refusal

        for found in walk(Path(folder), self._files_max):
            if isinstance(found, Refusal):
                self._refuse(found.source, found.code, found.message, found.hint)
            else:
                yield os.fspath(found.path)

    def _document(self, path: str, title: str | None) -> Document | None:
        try:
            return _document(_shown(path), self._read(path), title)
        except PiRagError as error:
            self._refuse(_shown(path), error.code, error.message, error.hint)
            return None

    def _refuse(self, source: str, code: str, message: str, hint: str) -> None:
        self._refusals.append({"source": source, "code": code, "message": message, "hint": hint})

    def _read(self, path: str) -> bytes:
        """The bytes of a regular file. Raises DocumentRefused or PathNotFound."""
        try:
            # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                facts = os.fstat(handle)
                if not stat.S_ISREG(facts.st_mode):
                    raise DocumentUnsupported("It is not a regular file.")
                self._check_size(facts.st_size, "It")
                data = file.read(self._document_bytes_max + 1)
        except OSError as error:
            raise _refused(error) from error
        self._check_size(len(data), "It")
        return data

    def _check_size(self, size: int, what: str) -> None:
        if size > self._document_bytes_max:
            raise DocumentTooLarge(f"{what} is larger than {self._document_bytes_max >> 20} MiB.")
        if size * 4 / 3 > self._request_bytes_max:
            raise DocumentTooLarge(
                f"{what} does not fit into one request.",
                hint="Give the service's user the right to read it, or raise service.request_mib_max.",
            )


def _document(source: str, data: bytes, title: str | None) -> Document:
    document = {"source": source, "content_base64": base64.b64encode(data).decode("ascii")}
    return document if title is None else {**document, "title": title}


def _shown(path: str) -> str:
    r"""The path as a text that JSON can hold; bytes that are no UTF-8 become \xff, so that none collide."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _mode(path: str) -> int:
    """The kind of what is there; 0 for what cannot be looked at, so that reading it tells why."""
    try:
        return Path(path).stat().st_mode
    except OSError:
        return 0


def _refused(error: OSError) -> DocumentRefused | PathNotFound:
    if error.errno == errno.ENOENT:
        return PathNotFound("There is nothing of this name.")
    if error.errno == errno.ELOOP:
        return DocumentLinkLoop("The link leads back to itself.")
    if error.errno == errno.ENXIO:
        return DocumentUnsupported("It is not a regular file.")
    if error.errno == errno.ESTALE:
        return DocumentVanished("It went away while it was read.")
    return DocumentUnreadable(
        f"It cannot be read: {error.strerror}.", hint="Give yourself the right to read it."
    )
