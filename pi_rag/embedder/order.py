"""What the pool and the nursery agreed on: the order for a nursery, and the words on the control socket.

pool → nursery   FORK, with one end of a new worker's socketpair and the page that says whether anybody is
                 answered (SCM_RIGHTS): fork a worker for it
nursery → pool   frames of JSON: {"booted": {"dimensions", "canary", "engine"}} or {"failed": error}, once;
                 then {"ended": pid, "code": n} for every worker, a negative code being a signal
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

FORK = b"f"

CONTROL_BYTES_MAX = 64 * 1024

CANARY = "A canary was taken into the mine, since it falls silent before the miners notice anything."
"""A text whose vector is known from the nursery's boot. A worker that finds another one has lost its mind."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which model to load, how to compute with it, and how large and how quiet a worker may be."""

    path: str
    sha256: str
    tokens_max: int
    texts_per_call_max: int
    flash_tokens_min: int
    threads: int
    nice: int
    """By how much a worker steps back while it ingests; 0 to 19."""
    ingest_share: float
    """Of the time, that it computes for documents while somebody is answered; from 0 to 1."""
    aside_s_max: float
    """How long it stands aside for that, at most, over one batch."""
    beat_s: float
    frame_bytes_max: int

    def to_argument(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Order:
        """Back from the command line."""
        return cls(**json.loads(argument))
