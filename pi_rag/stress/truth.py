"""What must be so after anything that was done to a service: seen from its door, and of its processes.

What was acknowledged is there, whole and findable; what was removed is gone; the database is sound; a stop
takes its bounded time and leaves no process. Each is a check in the record.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.memory_client import MemoryClient
from pi_rag.stress import family, workload
from pi_rag.stress.running import RunningService

if TYPE_CHECKING:
    from pi_rag.stress.runner import Running

LOST = "nothing acknowledged is lost"
QUIET_S_MAX = 120.0
"""So long the queue may take to empty after the last request."""

END_S_MAX = 10.0
"""What systemd gives the service, and what it promises to need at most (`service.stop_s_max`)."""

VERIFY_S_MAX = 1800.0
"""All of the database is read, and compared with itself."""

NAMED_MAX = 3


def looked_over(stage: Running) -> None:
    """Everything that must be so at the end of any scenario. It ends the service."""
    service = stage.service
    if service.process is None or service.process.poll() is not None:
        service.start()
    quiet = until(lambda: _is_quiet(service.client), QUIET_S_MAX)
    stage.check("what waits is worked off", f"within {QUIET_S_MAX:g} s", _waiting(service.client), quiet)
    _check_ledger(stage)
    _check_end(stage)
    problems = _problems(service)
    stage.check("the database is sound", "no problem", _named(problems, "none found"), not problems)


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for it; whether it came true in time."""
    end_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


def stored(client: MemoryClient) -> dict[str, str]:
    """A digest of each document's text by source, and of each fact and event by the ledger's name for it."""
    found = {}
    for line in client.export():
        told = json.loads(line)
        if "source" in told:
            found[str(told["source"])] = workload.digest(told["text"])
    for line in client.export_memories():
        told = json.loads(line)
        if told.get("type") == "fact":
            found[f"fact {told['scope']} {told['topic']}"] = workload.digest(told["text"])
        elif "type" in told:
            found[f"event {told['id']}"] = workload.digest(told["text"])
    return found


def _check_ledger(stage: Running) -> None:
    ledger = stage.ledger
    found = stored(MemoryClient(stage.service.socket))
    lost, changed = ledger.lost(found), ledger.changed(found)
    stage.figure("acknowledged_at_end", len(ledger.must))
    stage.figure("acknowledged_lost", len(lost))
    seen = _named(lost, f"all of {len(ledger.must)} there")
    stage.check(LOST, "0 lost", seen, not lost if ledger.must else None)
    stage.check(
        "nothing is there by half", "each text as it was sent", _named(changed, "all whole"), not changed
    )
    risen = ledger.risen(found)
    stage.check("what was removed is gone", "0 left", _named(risen, "none left"), not risen)


def _problems(service: RunningService) -> list[str]:
    """What `pi-rag verify` finds in the data of the service, which has ended."""
    done = service.run("verify", "--deep", "--json", timeout_s=VERIFY_S_MAX)
    told = json.loads(done.stdout)
    if "error" in told:
        return [f"it could not be looked at: {told['error']['code']}"]
    problems = [str(each) for each in told["problems"]]
    return problems if told["ok"] else problems or ["pi-rag verify says so, and not why"]


def _check_end(stage: Running) -> None:
    """It ends when asked, in time, and nobody of it stays."""
    service = stage.service
    everybody = family.all_of(service.pid)
    began_s = time.monotonic()
    code = end(service)
    took_s = time.monotonic() - began_s
    stage.check(
        "it ends when it is asked to",
        f"exit code 0 within {END_S_MAX:g} s",
        f"{code} after {took_s:.1f} s",
        code == 0 and took_s <= END_S_MAX,
    )
    left = family.left_after(everybody, 2.0)
    stage.check("no process is left", "0", str(len(left)), not left)


def end(service: RunningService) -> int | None:
    """Ask the service to end; one that does not is killed, whatever state it is in. None: it had to be."""
    if service.process is None:
        return 0
    try:
        return service.stop()
    except subprocess.TimeoutExpired:
        service.kill()
        return None


def kill_left(pids: Iterable[int]) -> None:
    """Whoever of a service is still there after its supervisor has gone. There should be nobody."""
    for pid in family.left_after(pids, 2.0):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_quiet(client: Client) -> bool:
    with suppress(PiRagError):
        status = client.status()
        return bool(status["counts"]["items_queued"] == 0 and status["ready"])
    return False


def _waiting(client: Client) -> str:
    with suppress(PiRagError):
        return f"{client.status()['counts']['items_queued']} waiting"
    return "no answer"


def _named(wrong: list[str], otherwise: str) -> str:
    """How many, and the first of them."""
    if not wrong:
        return otherwise
    more = ", ..." if len(wrong) > NAMED_MAX else ""
    return f"{len(wrong)}: {', '.join(wrong[:NAMED_MAX])}{more}"
