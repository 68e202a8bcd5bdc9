"""What the pool and the nursery agreed on: the order for a nursery, and the words on the control socket.

pool → nursery   one byte, with one end of a new worker's socketpair (SCM_RIGHTS): fork a worker for it
nursery → pool   frames of JSON: {"booted": {"dimensions"}} or {"failed": error}, once;
                 then {"ended": pid, "code": n} for every worker, a negative code being a signal
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

FORK = b"f"
CONTROL_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """Which model to load, and how large the workers' calls and frames may be."""

    path: str
    sha256: str
    tokens_max: int
    sequences_max: int
    frame_bytes_max: int

    def to_argument(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Order:
        """Back from the command line."""
        return cls(**json.loads(argument))
