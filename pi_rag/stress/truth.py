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
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.memory_client import MemoryClient
from pi_rag.stress import family, workload
from pi_rag.stress.patience import until
from pi_rag.stress.running import RunningService
from pi_rag.stress.types import LOST

if TYPE_CHECKING:
    from pi_rag.stress.runner import Running

QUIET_S_MAX = 120.0
"""So long the queue may take to empty after the last request."""

END_S_MAX = 10.0
"""What systemd gives the service, and what it promises to need at most (`service.stop_s_max`)."""

VERIFY_S_MAX = 1800.0
"""All of the database is read, and compared with itself."""

LEFT_S_MAX = 2.0
"""So long the others of a service may take to end after its supervisor."""

NAMED_MAX = 3


def looked_over(stage: Running) -> None:
    """Everything that must be so at the end of any scenario. It ends the service."""
    service = stage.service
    _see_that_it_stood(stage)
    quiet = until(lambda: _is_quiet(service.client), QUIET_S_MAX)
    stage.check("what waits is worked off", f"within {QUIET_S_MAX:g} s", _waiting(service.client), quiet)
    _check_ledger(stage)
    _check_end(stage)
    problems = _problems(service)
    stage.check("the database is sound", "no problem", _named(problems, "none found"), not problems)


def _see_that_it_stood(stage: Running) -> None:
    """One that the scenario has stopped is started again; one that has ended by itself too, and told."""
    process = stage.service.process
    code = None if process is None else process.poll()
    seen = "it did" if process is None or code is None else f"it had ended with {code}"
    stage.check("only the harness ends the service", "it stands until then", seen, code is None)
    if process is None or code is not None:
        stage.service.start()


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
    """What guests were told, against what is there."""
    ledger, deaf = stage.ledger, stage.lost_guests()
    if deaf:
        stage.check("no process of guests is lost", "0 lost", str(deaf), is_kept=False)
    found = stored(MemoryClient(stage.service.socket))
    lost, changed, risen = ledger.lost(found), ledger.changed(found), ledger.risen(found)
    stage.figure("acknowledged_at_end", len(ledger.must))
    stage.figure("acknowledged_lost", len(lost))
    checks = (
        (LOST, "0 lost", lost, f"all of {len(ledger.must)} there", ledger.must),
        ("nothing is there by half", "each text as it was sent", changed, "all whole", ledger.must),
        ("what was removed is gone", "0 left", risen, "none left", ledger.gone),
    )
    for name, asked, wrong, otherwise, noted in checks:
        # Who has lost guests does not know what those were told last: neither good nor bad can be seen.
        is_kept = not wrong if noted and not deaf else None
        stage.check(name, asked, _named(wrong, otherwise if noted else "nothing was noted"), is_kept)


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
    everybody = family.begun(family.all_of(service.pid))
    began_s = time.monotonic()
    code = end(service)
    took_s = time.monotonic() - began_s
    stage.check(
        "it ends when it is asked to",
        f"exit code 0 within {END_S_MAX:g} s",
        f"{code} after {took_s:.1f} s",
        code == 0 and took_s <= END_S_MAX,
    )
    left = family.left_after(everybody, LEFT_S_MAX)
    stage.check("no process is left", "0", str(len(left)), not left)
    kill_left(everybody)


def end(service: RunningService) -> int | None:
    """Ask the service to end; one that does not is killed, whatever state it is in. None: it had to be."""
    if service.process is None:
        return 0
    try:
        return service.stop()
    except subprocess.TimeoutExpired:
        service.kill()
        return None


def kill_left(begun: Mapping[int, str]) -> None:
    """Whoever of a service is still there after its supervisor has gone. There should be nobody.

    A number that has gone to a stranger since is left alone: `begun` is what `family.begun` told before.
    """
    left = family.begun(family.left_after(begun, LEFT_S_MAX))
    for pid in left.keys() & begun.keys():
        if left[pid] == begun[pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_quiet(client: Client) -> bool:
    status = client.status()
    return bool(status["counts"]["items_queued"] == 0 and status["ready"])


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
