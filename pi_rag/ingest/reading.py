"""Reading one document, from the side of the service.

Text, Markdown and code are decoded here. All other formats go to a child process that has no more rights
than it needs: it is killed when it takes too long, and whatever becomes of it is one document's refusal.
It does not know how the formats are read, nor what becomes of the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from pi_rag.clock import Clock
from pi_rag.config import IngestSettings
from pi_rag.errors import (
    DocumentDamaged,
    DocumentRefused,
    DocumentTooSlow,
    InternalError,
    PiRagError,
    ReaderKilled,
    ReaderUnavailable,
)
from pi_rag.host.memory import private_mib
from pi_rag.ingest.reader_wire import READY, Request, Terms, Unpacked, reading, unpacked
from pi_rag.ingest.recognition import counted, languages_missing, needs_ocr, with_pages
from pi_rag.processes.child import ONE_THREAD_ENVIRON, Child
from pi_rag.processes.frames import FrameError, FrameTooLarge, read_frame, write_frame
from pi_rag.processes.scratch import scratch
from pi_rag.text.decode import as_seen, decode
from pi_rag.text.front_matter import front_matter
from pi_rag.text.kinds import HEAD_BYTES, kind_of
from pi_rag.text.markup import as_markdown
from pi_rag.text.titles import title_of
from pi_rag.types import TEXT_KINDS, Kind, Reading

Said = TypeVar("Said")

MIB = 1024 * 1024

THREAD_BYTES_MIN = 256 * 1024
"""Smaller texts are decoded at once: handing one to a thread takes longer."""

LIBRARY_BYTES_MAX = 32 * MIB
"""What the child writes of its library before it begins; it has 8 MiB."""

START_S_MAX = 60.0
"""A start takes a second. One that takes so long waits for a disk, and is no document's fault."""

END_GRACE_S = 1.0

ATTEMPTS_MAX = 2
"""How often a document is begun whose reader is killed from outside, which says nothing of the document."""

CHILD_MODULE = "pi_rag.ingest.reader_child"

CHILD_ENVIRON = {
    **ONE_THREAD_ENVIRON,
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of the child's address space
}

CHILD_INHERITS = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH"})
"""What it needs of the service's environment, in which there may be tokens."""


class Reader:
    """Turns the bytes of one document after another into text. One child at most, and only when needed."""

    def __init__(
        self, settings: IngestSettings, clock: Clock, *, nice: int = 0, module: str = CHILD_MODULE
    ) -> None:
        """`nice`: how far the child steps back behind queries, when both want the processor."""
        self._settings = settings
        self._nice = nice
        self._terms = Terms.of(settings)
        self._clock = clock
        self._module = module
        self._turn = asyncio.Lock()
        self._line: _Line | None = None
        self._used_at_s = 0.0
        self._idle: asyncio.Task[None] | None = None
        self._is_given_up = False

    @property
    def pid(self) -> int | None:
        """The reading child, while there is one."""
        return self._line.child.pid if self._line is not None else None

    async def read(self, name: str, data: bytes, moves: Callable[[], None] = lambda: None) -> Reading:
        """The text of a document called `name`. `moves` is called at each step that it is waited for.

        Raises DocumentRefused kinds; ReaderUnavailable when no child starts; ReaderKilled when one is ended
        from outside.

        From the main thread only: it may have to spawn the child. The caller bounds what goes in and what is
        kept of what comes out; only what the child unpacks is bounded here.
        """
        kind = kind_of(name, data[:HEAD_BYTES])
        if kind not in TEXT_KINDS:
            said = await self._read_by_child(Request(name, kind, data), moves)
            return counted(await self._with_pictures(said, name, data, moves)) if said.unread else said
        if len(data) < THREAD_BYTES_MIN:
            return _read_text(name, kind, data)
        return await asyncio.to_thread(_read_text, name, kind, data)

    async def unpack(self, name: str, data: bytes, moves: Callable[[], None] = lambda: None) -> Unpacked:
        """The files in an archive. Raises as `read` does."""
        return await self._by_child(
            Request(name, "text", data, unpack=True), partial(unpacked, terms=self._terms), moves
        )

    def give_up(self) -> None:
        """End the child now, for its memory. What it is on ends as ReaderKilled and is begun later."""
        if self._line is not None:
            self._is_given_up = True
            self._line.child.process.kill()

    async def stop(self) -> None:
        """End the child; a document that it is on is given up first by whoever waits for it."""
        async with self._turn:
            if self._idle:
                self._idle.cancel()
                await asyncio.gather(self._idle, return_exceptions=True)
            await self._end_child(END_GRACE_S)

    async def _with_pictures(
        self, said: Reading, name: str, data: bytes, moves: Callable[[], None]
    ) -> Reading:
        """A reading of which some pages are pictures, with what these say where that can be told.

        One page at a time, between which other documents have their turn. The first page that is too much
        for the child is the last one, so that no document holds it for hours. Raises DocumentNeedsOcr.
        """
        missing = None
        if self._settings.ocr == "on":
            missing = await asyncio.to_thread(languages_missing, self._settings.ocr_languages)
        if missing != []:
            if not said.text.strip():
                raise needs_ocr(len(said.unread), missing)
            return said
        read: dict[int, str] = {}
        try:
            for page in said.unread[: self._settings.ocr_pages_max]:
                found = await self._read_by_child(Request(name, said.kind, data, page), moves)
                read |= {page: found.text} if found.text.strip() else {}
        except DocumentRefused:
            if not read and not said.text.strip():
                raise
        return with_pages(said, read)

    async def _read_by_child(self, asked: Request, moves: Callable[[], None]) -> Reading:
        return await self._by_child(asked, partial(reading, kind=asked.kind, terms=self._terms), moves)

    async def _by_child(
        self, asked: Request, understood: Callable[[bytes], Said], moves: Callable[[], None]
    ) -> Said:
        """One document, or a page of it, through the child; through another when that is killed over it."""
        code, frame = None, asked.to_frame()
        for _ in range(ATTEMPTS_MAX):
            async with self._turn:
                moves()
                line = await self._ready_line()
                moves()
                try:
                    return await self._asked(line, frame, understood)
                except FrameError:
                    try:
                        code = await line.child.wait(END_GRACE_S)
                    finally:
                        await self._end_child(0.0)
            if code != -signal.SIGKILL or self._is_given_up:
                break
        raise _died(code, self._terms)

    async def _asked(self, line: _Line, asked: bytes, understood: Callable[[bytes], Said]) -> Said:
        """What the child says of a document; it ends when that takes too long or makes no sense."""
        try:
            async with asyncio.timeout(self._settings.read_s_max):
                answer = await line.ask(asked)
            self._used_at_s = self._clock.monotonic_s()
            await self._end_grown_child(line.child.pid)
            return understood(answer)
        except TimeoutError:
            await self._end_child(0.0)
            raise DocumentTooSlow(f"It took longer than {self._settings.read_s_max:g} s to read.") from None
        except (InternalError, FrameTooLarge) as error:
            await self._end_child(0.0)
            raise DocumentDamaged("Its reader gave an answer that makes no sense.") from error
        except asyncio.CancelledError:  # the child is in the middle of something that nobody waits for
            await self._end_child(0.0)
            raise

    async def _ready_line(self) -> _Line:
        if self._line is not None and not self._line.child.alive:
            await self._end_child(0.0)
        if self._line is None:
            self._is_given_up = False
            self._line = await _Line.open(self._module, self._terms, self._nice)
            self._used_at_s = self._clock.monotonic_s()
        if self._idle is None or self._idle.done():
            self._idle = asyncio.create_task(self._end_when_idle(), name="reader-idle")
        return self._line

    async def _end_grown_child(self, pid: int) -> None:
        """What a large document took is seldom given back; the next child begins small."""
        own_mib = await asyncio.to_thread(private_mib, pid)
        if own_mib is not None and own_mib > self._settings.reader_grown_mib_max:
            await self._end_child(0.0)

    async def _end_child(self, grace_s: float) -> None:
        line, self._line = self._line, None
        if line:
            await line.close(grace_s)

    async def _end_when_idle(self) -> None:
        """Give the child's memory back some time after its last document."""
        while True:
            async with self._turn:
                left_s = self._used_at_s + self._settings.reader_idle_s_max - self._clock.monotonic_s()
                if left_s <= 0:
                    return await self._end_child(END_GRACE_S)
            await asyncio.sleep(left_s)


class _Line:
    """A child and the stream that leads to it."""

    def __init__(
        self,
        child: Child,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        terms: Terms,
    ) -> None:
        self.child = child
        self._reader = reader
        self._writer = writer
        self._terms = terms

    @classmethod
    async def open(cls, module: str, terms: Terms, nice: int) -> _Line:
        """Spawn a child under these terms, and wait until it is ready. Raises ReaderUnavailable."""
        try:
            with scratch(LIBRARY_BYTES_MAX) as folder:
                arguments = [terms.as_argument(), folder]
                child = Child.spawn(
                    module, arguments, environ=CHILD_ENVIRON, inherits=CHILD_INHERITS, nice=nice
                )
                try:
                    reader, writer = await asyncio.open_connection(sock=child.sock, limit=MIB)
                except BaseException:
                    child.kill()
                    raise
                line = cls(child, reader, writer, terms)
                try:
                    await line._ready()
                except BaseException:
                    await line.close(0.0)
                    raise
                return line
        except OSError as error:
            raise ReaderUnavailable(f"No reader can be started now: {error.strerror}.") from error

    async def _ready(self) -> None:
        """Until the child has given up what it can. If it does not, that is no document's fault."""
        try:
            async with asyncio.timeout(START_S_MAX):
                await read_frame(self._reader, len(READY))
        except TimeoutError:
            raise ReaderUnavailable(f"A reader took longer than {START_S_MAX:g} s to start.") from None
        except FrameError as error:
            code = await self.child.wait(END_GRACE_S)
            raise ReaderUnavailable(f"A reader ended when it started, with {_end(code)}.") from error

    async def ask(self, asked: bytes) -> bytes:
        """Send a document, wait for what is said of it. Raises FrameError when the child is gone."""
        await write_frame(self._writer, asked, self._terms.request_bytes_max)
        return await read_frame(self._reader, self._terms.answer_bytes_max)

    async def close(self, grace_s: float) -> None:
        """Close the stream, which asks the child to end, and kill it when it does not."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self.child.end(grace_s)


def _died(code: int | None, terms: Terms) -> PiRagError:
    """What the end of the child says about the document it was on."""
    if code == -signal.SIGXCPU:
        return DocumentTooSlow(f"It took more than {terms.cpu_s_max} s of processor time.")
    if code == -signal.SIGABRT:
        return DocumentDamaged(
            f"Its reader gave up, most often for want of memory (ingest.reader_memory_mib_max is "
            f"{terms.memory_mib_max})."
        )
    if code == -signal.SIGKILL:
        return ReaderKilled(f"Its reader was killed {ATTEMPTS_MAX} times (SIGKILL), as when memory runs out.")
    return DocumentDamaged(f"Its reader ended with {_end(code)}.")


def _end(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"code {code}"


def _read_text(name: str, kind: Kind, data: bytes) -> Reading:
    text = decode(data) if kind == "code" else as_seen(decode(data))
    said: Mapping[str, object] = front_matter(text) if kind == "markdown" else {}
    if kind == "markup":
        text, said = as_markdown(name, text)
    title = title_of(kind, name, text, str(said.get("title") or ""))
    return Reading(text, title, kind, (), {key: value for key, value in said.items() if key != "title"})
