"""Have this machine and model measured by a process of its own, whose memory ends with it.

It knows how to start that process, to wait for it and to bury it; what is measured is `tuning.py`'s to say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.tuned import Measured, measured_of
from pi_rag.errors import EmbedderUnavailable, from_wire
from pi_rag.processes.child import ONE_THREAD_ENVIRON, Child
from pi_rag.processes.frames import FrameError, read_frame
from pi_rag.types import ModelCard

MODULE = "pi_rag.embedder.tuning"

MESSAGE_BYTES_MAX = 64 * 1024

NICE_BEHIND_ALL = 19

CODE_S_MAX = 1.0

HINT = "Until it is measured, the service works with a guess. Run: pi-rag tune"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What to measure, and how far to step back meanwhile."""

    card: ModelCard
    settings: EmbedderSettings
    nice: int = 0

    def to_argument(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Assignment:
        """Back from the command line."""
        tree = json.loads(argument)
        return cls(ModelCard(**tree["card"]), EmbedderSettings(**tree["settings"]), tree["nice"])


async def measure(
    assignment: Assignment,
    told: Callable[[str], None] = lambda part: None,
    *,
    begun: Callable[[Child], None] = lambda child: None,
    module: str = MODULE,
) -> Measured:
    """The figures, within `tune_s_max` of the settings; `told` hears of each part as it begins.

    `begun` is given the process that measures, which may be killed at any moment. From the main thread only.
    Raises ModelMissing, ModelCorrupt, ModelUnsupported; EmbedderUnavailable when the measuring process died,
    hung or made no sense. Cancelled, it leaves no process behind.
    """
    settings = assignment.settings
    try:
        child = Child.spawn(module, [assignment.to_argument()], environ=ONE_THREAD_ENVIRON)
    except OSError as error:
        raise EmbedderUnavailable(f"No measurement can be started: {error.strerror}.", hint=HINT) from error
    begun(child)
    limit_s = settings.boot_s_max + settings.tune_s_max
    try:
        async with asyncio.timeout(limit_s):
            return await _heard(child, told)
    except TimeoutError:
        raise EmbedderUnavailable(f"The measurement did not end within {limit_s:g} s.", hint=HINT) from None
    except (FrameError, ValueError, TypeError, KeyError) as error:
        code = await child.wait(CODE_S_MAX)
        raise EmbedderUnavailable(
            f"The measurement died or made no sense (code {code}).", hint=HINT
        ) from error
    finally:
        child.kill()


async def _heard(child: Child, told: Callable[[str], None]) -> Measured:
    """Listen until the figures come."""
    reader, writer = await asyncio.open_unix_connection(sock=child.sock)
    try:
        while True:
            message: dict[str, Any] = json.loads(await read_frame(reader, MESSAGE_BYTES_MAX))
            if "measured" in message:
                return measured_of(message["measured"])
            if "failed" in message:
                raise from_wire(message["failed"])
            told(str(message["doing"]))
    finally:
        writer.close()
