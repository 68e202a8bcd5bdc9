"""A measuring process that does what it is told in the model's name, instead of measuring."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from pi_rag.embedder.tuner import MESSAGE_BYTES_MAX, Assignment
from pi_rag.errors import ModelCorrupt
from pi_rag.processes.child import attach
from pi_rag.processes.frames import send_frame


def main(argv: list[str]) -> None:
    """Tell the process id, then misbehave."""
    sock, arguments = attach(argv)
    what = Assignment.from_argument(arguments[0]).card.name
    send_frame(sock, json.dumps({"doing": str(os.getpid())}).encode(), MESSAGE_BYTES_MAX)
    if what == "hang":
        time.sleep(600)
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "fail":
        error = ModelCorrupt("It is no model.").to_wire()
        send_frame(sock, json.dumps({"failed": error}).encode(), MESSAGE_BYTES_MAX)
    else:
        send_frame(sock, what.encode(), MESSAGE_BYTES_MAX)


if __name__ == "__main__":
    main(sys.argv[1:])
