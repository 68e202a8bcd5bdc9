"""The pool's ends of the sockets: to the nursery, and to each worker. It does not know calls or lanes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from pi_rag.embedder import wire
from pi_rag.embedder.order import CONTROL_BYTES_MAX, FORK, Order
from pi_rag.embedder.silence import Silence
from pi_rag.errors import EmbedderUnavailable, ModelUnsupported, VectorInvalid, from_wire
from pi_rag.processes import right_of_way
from pi_rag.processes.child import ONE_THREAD_ENVIRON, Child
from pi_rag.processes.frames import FrameError, FrameTooLarge, FrameTruncated, packed, read_frame

NURSERY = "pi_rag.embedder.nursery"


CODE_S_MAX = 1.0
"""How long a batch waits to hear how its worker ended. The nursery says it in milliseconds, or never."""


STACK_S_MAX = 1.0
"""How long a silent worker has to write down its stack. One that is stopped cannot, and is killed then."""


class LinkLost(Exception):
    """A worker is gone, or was never there."""


class WorkerSilent(Exception):
    """A worker has neither answered nor beaten for too long."""


class WorkerLink:
    """A worker that has greeted."""

    def __init__(
        self,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        dimensions: int,
        bytes_max: int,
        silence_s_max: float,
    ) -> None:
        """Raises ProcessLookupError when it has died since."""
        # A descriptor instead of a number: by the time we kill, the number may be somebody else's.
        self._pidfd = os.pidfd_open(pid)
        self.pid = pid
        self._reader = reader
        self._writer = writer
        self.dimensions = dimensions
        self._bytes_max = bytes_max
        self._silence_s_max = silence_s_max
        self._silence = Silence(silence_s_max, self._miss_word)
        self.on_word: Callable[[], None] = lambda: None
        """Called for every frame, beats included."""
        self.speaking = self._listen()
        """The next frame it sends, or the error that ended it. An idle worker has no reason to be done."""
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its return code, negative for a signal, once the nursery has reaped it and said so."""

    async def ask(self, payload: bytes) -> bytes:
        """The answer to a frame.

        Raises LinkLost when the worker is gone, WorkerSilent when it says nothing for too long, VectorInvalid
        when its answer is larger than it may be.
        """
        try:
            # Not drained: one frame is all that can be on its way, and who has stopped would never take it.
            self._writer.write(packed(payload, self._bytes_max))
        except ConnectionError as error:
            raise LinkLost(str(error)) from error
        self._silence.begin()  # whenever it has beaten last, all of the time is for this
        await asyncio.wait({self.speaking})
        return self.heard()

    def heard(self) -> bytes:
        """What it has said by now. Raises as `ask` does."""
        try:
            payload = self.speaking.result()
        except FrameTooLarge as error:
            raise VectorInvalid(str(error)) from error
        except FrameTruncated as error:
            raise LinkLost(str(error)) from error
        self.speaking = self._listen()
        return payload

    async def tell_its_stack(self) -> None:
        """Have a silent worker write its stack to the log and end: SIGABRT, which faulthandler answers."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGABRT)
        await asyncio.wait({self.code}, timeout=STACK_S_MAX)

    async def was_killed(self) -> bool:
        """Of a worker that is gone: did a person or the kernel kill it? True too when nobody can say.

        Anything else, an abort or a fault in memory, is the work of what it was working on.
        """
        await asyncio.wait({self.code}, timeout=CODE_S_MAX)
        return not self.code.done() or self.code.result() == -signal.SIGKILL

    def kill(self) -> None:
        """End it at once; who listens to it hears that it is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Kill it and let go of everything. It holds nothing that would need an orderly end."""
        self.kill()
        os.close(self._pidfd)
        self._silence.end()
        self.speaking.cancel()
        self._writer.close()

    def _listen(self) -> asyncio.Task[bytes]:
        task = asyncio.create_task(self._next_word())
        # asyncio complains about an error that nobody looked at; a worker that is closed has no reader left.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _next_word(self) -> bytes:
        """The next frame that is more than a beat."""
        self._silence.begin()
        try:
            while True:
                payload = await read_frame(self._reader, self._bytes_max)
                self.on_word()
                if payload != wire.BEAT:
                    return payload
                self._silence.begin()
        finally:
            self._silence.end()

    def _miss_word(self) -> None:
        self._reader.set_exception(WorkerSilent(f"It has been silent for {self._silence_s_max:g} s."))


class NurseryLink:
    """A nursery that has booted."""

    def __init__(
        self, child: Child, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: Order
    ) -> None:
        self.pid = child.pid
        self._child = child
        self._reader = reader
        self._writer = writer
        self._order = order
        self._workers: dict[int, WorkerLink] = {}
        self.given_up = False
        """True once it was killed: nobody need ask it for another worker."""
        self.canary: tuple[float, ...] = ()
        """The vector of order.CANARY, as the nursery computed it at boot."""
        self.engine: dict[str, str] | None = None
        """Which llama.cpp it has loaded, as llama.linked tells."""

    @classmethod
    async def boot(cls, order: Order, dimensions: int, boot_s_max: float) -> NurseryLink:
        """Spawn a nursery and wait until its model is loaded.

        Raises ModelMissing, ModelCorrupt, ModelUnsupported; EmbedderUnavailable when it died or was slow.
        """
        try:
            child = Child.spawn(NURSERY, [order.to_argument()], environ=ONE_THREAD_ENVIRON)
        except OSError as error:
            raise EmbedderUnavailable(f"The embedder cannot be started: {error.strerror}.") from error
        nursery = await cls._of(child, order)
        try:
            async with asyncio.timeout(boot_s_max):
                await nursery._booted(dimensions)
        except TimeoutError:
            nursery._bury()
            raise EmbedderUnavailable(f"The model did not load within {boot_s_max:g} s.") from None
        except BaseException:
            nursery._bury()
            raise
        return nursery

    async def fork(self, silence_s_max: float) -> WorkerLink:
        """A new worker that has greeted.

        Raises LinkLost, TimeoutError when it stays silent, OSError.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._child.sock, [FORK], [theirs.fileno(), right_of_way.ours().descriptor])
            except OSError as error:
                ours.close()
                raise LinkLost(f"The nursery cannot be asked: {error}.") from error
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        try:
            async with asyncio.timeout(silence_s_max):
                pid = wire.parsed_hello(await read_frame(reader, self._order.frame_bytes_max))
            worker = self._workers[pid] = WorkerLink(
                pid,
                reader,
                writer,
                dimensions=len(self.canary),
                bytes_max=self._order.frame_bytes_max,
                silence_s_max=silence_s_max,
            )
            return worker
        except (FrameError, VectorInvalid, ProcessLookupError) as error:
            writer.close()
            raise LinkLost("A worker ended before it was ready.") from error
        except BaseException:
            writer.close()
            raise

    async def listen(self, on_ended: Callable[[int, int], None]) -> None:
        """Until the nursery is gone; `on_ended(pid, code)` for every worker that ended before it."""
        with contextlib.suppress(FrameError, ValueError, KeyError):
            while True:
                message = await self._message()
                pid, code = int(message["ended"]), int(message["code"])
                worker = self._workers.pop(pid, None)
                if worker is not None:
                    worker.code.set_result(code)
                on_ended(pid, code)

    def kill(self) -> None:
        """End it at once, since it is of no use. `listen` then returns, and `end` reaps it."""
        self.given_up = True
        self._child.process.kill()

    async def end(self, grace_s: float) -> int:
        """Ask it to end, kill it after `grace_s`, reap it. Its workers end with it. Returns its code."""
        self._writer.close()
        return await self._child.end(grace_s)

    @classmethod
    async def _of(cls, child: Child, order: Order) -> NurseryLink:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=child.sock)
        except BaseException:
            child.kill()
            raise
        return cls(child, reader, writer, order)

    def _bury(self) -> None:
        self._writer.close()
        self._child.kill()

    async def _booted(self, dimensions: int) -> None:
        try:
            message = await self._message()
        except (FrameError, ValueError) as error:
            code = await self._child.wait(1)
            raise EmbedderUnavailable(f"The embedder died while it started (code {code}).") from error
        if "failed" in message:
            raise from_wire(message["failed"])
        found = message["booted"]["dimensions"]
        self.canary = tuple(message["booted"]["canary"])
        self.engine = message["booted"].get("engine")
        if found != dimensions:
            raise ModelUnsupported(
                f"{self._order.path} makes vectors of {found} numbers; {dimensions} were expected."
            )

    async def _message(self) -> dict[str, Any]:
        message = json.loads(await read_frame(self._reader, CONTROL_BYTES_MAX))
        if not isinstance(message, dict):
            raise ValueError("A message of the nursery is not an object.")
        return message
