"""A reading child that behaves as badly as the name of the document asks it to."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from pi_rag.ingest.reader_wire import READY, Request, Terms, answer
from pi_rag.processes.child import attach
from pi_rag.processes.frames import recv_frame, send_frame
from pi_rag.types import Reading

KEPT: list[bytearray] = []


def main() -> None:
    """Answer with the own pid as text, unless asked for worse."""
    sock, (given, _) = attach(sys.argv[1:])
    terms = Terms.from_argument(given)
    with sock:
        send_frame(sock, READY, len(READY))
        while (frame := recv_frame(sock, terms.request_bytes_max)) is not None:
            asked = Request.from_frame(frame)
            fine = Reading(str(os.getpid()), asked.name, asked.kind)
            send_frame(sock, _said(asked.name.removesuffix(".html"), fine, sock), 1 << 20)


def _said(how: str, fine: Reading, sock: socket.socket) -> bytes:
    match how:
        case "hang":
            time.sleep(600)
        case "exit":
            os._exit(3)
        case "keeps much":
            KEPT.append(bytearray(b"x" * (64 << 20)))
        case "garbage":
            return b"\xff{"
        case "wrong shape":
            return b'{"title": "x"}\nx'
        case "wrong error":
            return b'{"error": {"code": "busy", "message": "wait"}}\n'
        case "endless":
            sock.sendall(b"\xff\xff\xff\xff")
            time.sleep(600)
        case _ if how.startswith("killed once "):
            mark = Path(how.removeprefix("killed once "))
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case _ if how.startswith("SIG"):
            os.kill(os.getpid(), signal.Signals[how])
    return answer(fine)


if __name__ == "__main__":
    main()
