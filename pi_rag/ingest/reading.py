"""Reading one document, from the side of the service.

Text, Markdown and code are decoded here. HTML, PDF and DOCX go to a child process that has no more rights
than it needs: it is killed when it takes too long, and whatever becomes of it is one document's refusal.
It does not know how the formats are read, nor what becomes of the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import math
import os
import signal
import stat
from pathlib import Path

from pi_rag.clock import Clock
from pi_rag.config import IngestSettings
from pi_rag.errors import (
    DocumentDamaged,
    DocumentLinkLoop,
    DocumentRefused,
    DocumentTooLarge,
    DocumentTooSlow,
    DocumentUnreadable,
    DocumentUnsupported,
    InternalError,
    PathNotFound,
    PiRagError,
    from_wire,
)
from pi_rag.processes.child import ONE_THREAD_ENVIRON, Child
from pi_rag.processes.frames import FrameError, read_frame, write_frame
from pi_rag.text.decode import decode
from pi_rag.text.kinds import HEAD_BYTES, kind_of
from pi_rag.text.titles import title_of
from pi_rag.types import Kind, Reading

MIB = 1024 * 1024

READ_BYTES = MIB
"""A file is read in pieces of this, so that one that grows under our hands is noticed."""

THREAD_BYTES_MIN = 256 * 1024
"""Smaller texts are decoded at once: handing one to a thread takes longer."""

HEADER_BYTES_MAX = 64 * 1024

WIRE_BYTES_PER_CHAR_MAX = 6
"""A control character is six bytes of JSON; all else is at most four."""

END_GRACE_S = 1.0

CHILD_MODULE = "pi_rag.ingest.reader_child"

CHILD_ENVIRON = {
    **ONE_THREAD_ENVIRON,
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of the child's address space
}


def read_file(path: Path, mib_max: int) -> bytes:
    """The bytes of a regular file of at most `mib_max` MiB.

    A link that was named is followed; one that is put in its place meanwhile is not. Raises PathNotFound,
    DocumentTooLarge, DocumentUnsupported, DocumentUnreadable, DocumentLinkLoop.
    """
    try:
        fd = _open(os.path.realpath(path, strict=True))
        try:
            return _read(fd, mib_max * MIB)
        finally:
            os.close(fd)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise _of_path(error) from error


def _open(path: str) -> int:
    """Open without following and without waiting; to open a device at all may do something, so look first."""
    _check_regular(os.lstat(path))
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_regular(os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, a pipe or a socket"
        raise DocumentUnsupported(f"It is {what}, not a file.")


def _read(fd: int, bytes_max: int) -> bytes:
    if os.fstat(fd).st_size > bytes_max:
        raise _too_large(bytes_max)
    parts: list[bytes] = []
    total = 0
    while part := os.read(fd, READ_BYTES):
        parts.append(part)
        total += len(part)
        if total > bytes_max:
            raise _too_large(bytes_max)
    return b"".join(parts)


def _too_large(bytes_max: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"It is larger than {bytes_max // MIB} MiB.")


def _of_path(error: OSError | ValueError) -> PiRagError:
    """What the operating system says about a path, in our words."""
    number = getattr(error, "errno", None)
    if number == errno.ELOOP:
        return DocumentLinkLoop("It is a link that leads back to itself, or through too many others.")
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, None):
        return PathNotFound("There is no such file or folder.")
    if number == errno.ENXIO:
        return DocumentUnsupported("It is a device, a pipe or a socket, not a file.")
    return DocumentUnreadable(f"It cannot be read: {os.strerror(number)}.")


class Reader:
    """Turns the bytes of one document after another into text. One child at most, and only when needed."""

    def __init__(self, settings: IngestSettings, clock: Clock, *, module: str = CHILD_MODULE) -> None:
        self._settings = settings
        self._clock = clock
        self._module = module
        self._turn = asyncio.Lock()
        self._line: _Line | None = None
        self._used_at_s = 0.0
        self._idle: asyncio.Task[None] | None = None

    async def read(self, name: str, data: bytes) -> Reading:
        """The text of a document called `name`. Raises DocumentRefused kinds.

        From the main thread only: it may have to spawn the child.
        """
        kind = kind_of(name, data[:HEAD_BYTES])
        if kind in ("html", "pdf", "docx"):
            async with self._turn:
                reading = await self._read_by_child(name, kind, data)
        elif len(data) < THREAD_BYTES_MIN:
            reading = _read_text(name, kind, data)
        else:
            reading = await asyncio.to_thread(_read_text, name, kind, data)
        length, most = len(reading.text), self._settings.document_chars_max
        if length > most:
            hint = "Split it, or raise ingest.document_chars_max."
            raise DocumentTooLarge(f"It has {length} characters; at most {most} are taken.", hint=hint)
        return reading

    async def stop(self) -> None:
        """End the child; a document that it is on is given up first by whoever waits for it."""
        async with self._turn:
            if self._idle:
                self._idle.cancel()
                await asyncio.gather(self._idle, return_exceptions=True)
            await self._end_child()

    async def _read_by_child(self, name: str, kind: Kind, data: bytes) -> Reading:
        """One document through the child, which is replaced when it did not come out of it well."""
        request = _request(name, kind, data)
        line = await self._ready_line()
        try:
            async with asyncio.timeout(self._settings.read_s_max):
                answer = await line.ask(request)
            self._used_at_s = self._clock.monotonic_s()
            return _reading(answer, kind)
        except TimeoutError:
            await self._drop_child()
            raise DocumentTooSlow(f"It took longer than {self._settings.read_s_max:g} s to read.") from None
        except FrameError as error:
            raise await self._autopsy() from error
        except DocumentRefused:
            raise
        except BaseException:  # cancelled, or an answer that is none: the child is in the middle of something
            await self._drop_child()
            raise

    async def _ready_line(self) -> _Line:
        if self._line is not None and not self._line.child.alive:
            await self._drop_child()
        if self._line is None:
            self._line = await _Line.open(self._module, self._settings)
            self._used_at_s = self._clock.monotonic_s()
            self._idle = asyncio.create_task(self._end_when_idle(), name="reader-idle")
        return self._line

    async def _autopsy(self) -> PiRagError:
        """What the end of the child says about the document it was on."""
        line = self._line
        code = await line.child.wait(END_GRACE_S) if line else None
        await self._drop_child()
        if code == -signal.SIGXCPU:
            return DocumentTooSlow(f"It took more than {_cpu_s_max(self._settings)} s of processor time.")
        if code == -signal.SIGABRT:
            return DocumentDamaged(
                f"Its reader gave up, most often for want of memory (ingest.reader_memory_mib_max is "
                f"{self._settings.reader_memory_mib_max})."
            )
        end = signal.Signals(-code).name if code is not None and code < 0 else f"code {code}"
        return DocumentDamaged(f"Its reader ended with {end}.")

    async def _drop_child(self) -> None:
        line, self._line = self._line, None
        if self._idle and self._idle is not asyncio.current_task():
            self._idle.cancel()
        self._idle = None
        if line:
            await line.close(0.0)

    async def _end_child(self) -> None:
        line, self._line = self._line, None
        self._idle = None
        if line:
            await line.close(END_GRACE_S)

    async def _end_when_idle(self) -> None:
        """Give the child's memory back some time after its last document."""
        while True:
            async with self._turn:
                left_s = self._used_at_s + self._settings.reader_idle_s_max - self._clock.monotonic_s()
                if left_s <= 0:
                    return await self._end_child()
            await asyncio.sleep(left_s)


class _Line:
    """A child and the stream that leads to it."""

    def __init__(
        self,
        child: Child,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: IngestSettings,
    ) -> None:
        self.child = child
        self._reader = reader
        self._writer = writer
        self._settings = settings

    @classmethod
    async def open(cls, module: str, settings: IngestSettings) -> _Line:
        """Spawn a child with the limits of the settings."""
        child = Child.spawn(module, [json.dumps(_terms(settings))], environ=CHILD_ENVIRON)
        try:
            reader, writer = await asyncio.open_connection(sock=child.sock, limit=MIB)
        except BaseException:
            child.kill()
            raise
        return cls(child, reader, writer, settings)

    async def ask(self, request: bytes) -> bytes:
        """Send a document, wait for what is said of it. Raises FrameError when the child is gone."""
        await write_frame(self._writer, request, _request_bytes_max(self._settings))
        return await read_frame(self._reader, _answer_bytes_max(self._settings))

    async def close(self, grace_s: float) -> None:
        """Close the stream, which asks the child to end, and kill it when it does not."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self.child.end(grace_s)


def _read_text(name: str, kind: Kind, data: bytes) -> Reading:
    text = decode(data)
    return Reading(text, title_of(kind, name, text), kind)


def _request(name: str, kind: Kind, data: bytes) -> bytes:
    """A line of JSON, then the bytes as they are."""
    head = json.dumps({"name": name[-HEADER_BYTES_MAX // 16 :], "kind": kind}).encode("ascii")
    return head + b"\n" + data


def _reading(answer: bytes, kind: Kind) -> Reading:
    """What the child said, as a reading or raised. Raises DocumentRefused kinds, InternalError.

    The child may be in the hands of the file it read, so nothing but the shape we know is taken from it.
    """
    try:
        said = json.loads(answer)
        if "error" in said:
            error = from_wire(said["error"])
        else:
            found = said["reading"]
            pages = tuple((int(offset), int(number)) for offset, number in found["pages"])
            metadata = {str(key): str(value) for key, value in found["metadata"].items()}
            return Reading(str(found["text"]), str(found["title"]), kind, pages, metadata)
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise InternalError("The reading child sent an answer of the wrong shape.") from failure
    raise error if isinstance(error, DocumentRefused) else InternalError(error.message)


def _terms(settings: IngestSettings) -> dict[str, int]:
    return {
        "memory_mib_max": settings.reader_memory_mib_max,
        "cpu_s_max": _cpu_s_max(settings),
        "chars_max": settings.document_chars_max,
        "request_bytes_max": _request_bytes_max(settings),
        "answer_bytes_max": _answer_bytes_max(settings),
    }


def _cpu_s_max(settings: IngestSettings) -> int:
    """Processor time: the wall clock ends a child first, unless nobody is left to look at it."""
    return math.ceil(settings.read_s_max) + 1


def _request_bytes_max(settings: IngestSettings) -> int:
    return settings.document_mib_max * MIB + HEADER_BYTES_MAX


def _answer_bytes_max(settings: IngestSettings) -> int:
    return settings.document_chars_max * WIRE_BYTES_PER_CHAR_MAX + MIB
