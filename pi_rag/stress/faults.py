"""Every fault that can be done to a service, by name: what it is, what it needs, what may be seen of it.

A fault lasts as long as its block; leaving it mends what was broken, and the service runs as before. All of
it is done to the service that the harness started itself, to its files and to its socket. What needs another
machine than this one says why (`lacking`), and is not done.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pi_rag.errors import PiRagError
from pi_rag.host.memory import available_mib
from pi_rag.stress import family, jumping, rude, spoiling, truth
from pi_rag.stress.naming import named
from pi_rag.stress.patience import until
from pi_rag.stress.running import COMMAND, RunningService
from pi_rag.stress.signals import kill_one, stopped
from pi_rag.stress.types import Stage

WHOLE = frozenset({""})
"""Searches are answered with everything."""
ANSWERED = frozenset({"", "degraded"})
"""With everything, or with less and saying so."""
DEGRADED = frozenset({"degraded"})
"""By words alone: a whole answer would be wrong."""
AWAY = frozenset({"", "service_down", "deadline_exceeded"})
"""Nobody answers; the guest is told so, in time."""

DAMAGED = AWAY | {"degraded", "store_damaged", "store_error", "internal"}
"""What a damaged database still gives, or why it gives nothing; that it is told of is looked at besides."""

TAKEN = frozenset({""})
MODEL_REFUSED = frozenset({"model_mismatch", "model_corrupt", "model_unsupported"})
NOTHING: frozenset[str] = frozenset()
ANY = frozenset({"", "memory_short", "busy", "deadline_exceeded"})

YEAR_S = 365 * 86_400.0
GUESTS = 150
"""Of those with bad manners, at once: fewer than `service.connections_max`."""
LOOK_S = 0.02
PIPE_BYTES = 4096
BALLAST_MIB_MAX, BALLAST_SHARE_MAX = 1024, 0.25
"""What a process of ours takes to squeeze, and the most of it as a part of what is free."""
NOTICED_S_MAX = 15.0
ORPHANS_S_MAX = 10.0
THERE_S_MAX = 10.0
"""So long somebody is waited for to whom a fault is to be done."""


class NotDone(Exception):
    """The fault could not be done this time, and says why."""


def nothing() -> str:
    """What can be done anywhere lacks nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a service."""

    name: str
    about: str
    hurt: Callable[[Stage], AbstractContextManager[str]]
    """Inside its block the fault is there; it gives a detail to tell, or nothing."""
    searches: frozenset[str] = ANSWERED
    """What may become of a search meanwhile: codes as in `Answer`."""
    adds: frozenset[str] = TAKEN
    """What may become of adding a document meanwhile. Empty: nothing is to be added."""
    normal_s_max: float = 15.0
    """After the block, everything is as before within this time."""
    lacking: Callable[[], str] = nothing
    """Why it cannot be done here; empty where it can."""


@contextmanager
def _kill(role: str, stage: Stage) -> Iterator[str]:
    yield f"pid {_killed(stage, role)}"


def _killed(stage: Stage, role: str) -> int:
    """One of this role met its end. Raises NotDone when nobody was there."""
    killed: set[int | None] = set()

    def is_met() -> bool:
        killed.add(kill_one(stage.service.pid, role, stage.dice))
        return killed != {None}

    if not until(is_met, THERE_S_MAX, LOOK_S):
        raise NotDone(f"nobody was there: no {role} within {THERE_S_MAX:g} s")
    return max(pid for pid in killed if pid)


@contextmanager
def _kill_reader(stage: Stage) -> Iterator[str]:
    with _reader_at_work(stage):
        yield f"pid {_killed(stage, 'reader')}"


@contextmanager
def _kill_supervisor(stage: Stage) -> Iterator[str]:
    """Somebody starts it again afterwards, as systemd would."""
    everybody = family.begun(family.all_of(stage.service.pid))
    stage.service.kill()
    left = family.left_after(everybody, ORPHANS_S_MAX)
    try:
        stage.check("kill-supervisor leaves nobody", "no process left", f"{len(left)} left", not left)
        truth.kill_left(everybody)
        yield ""
    finally:
        stage.service.start()


@contextmanager
def _stop(role: str, stage: Stage) -> Iterator[str]:
    pid = _somebody(stage, role)
    with stopped([pid]):
        if not until(lambda: family.state(pid) == "T", THERE_S_MAX, LOOK_S):
            raise NotDone(f"nobody was there: the {role} has not stood still")
        yield f"pid {pid}"
        stage.pause(1.0 if stage.is_quick else 12.0)


def _somebody(stage: Stage, role: str) -> int:
    """One of this role. Raises NotDone when nobody was there."""

    def those() -> list[int]:
        return family.family(stage.service.pid).get(role, [])

    if until(those, THERE_S_MAX, LOOK_S) and (pids := those()):
        return stage.dice.choice(pids)
    raise NotDone(f"nobody was there: no {role} within {THERE_S_MAX:g} s")


@contextmanager
def _stop_reader(stage: Stage) -> Iterator[str]:
    with _reader_at_work(stage), _stop("reader", stage) as detail:
        yield detail


@contextmanager
def _reader_at_work(stage: Stage) -> Iterator[None]:
    """A page is being read, which takes a while; it is stored in the end."""
    page = "<p>The lamp was lit.</p>" * 6_000
    given = {"source": "fault-page.html", "text": f"<html><body>{page}{stage.dice.random()}</body></html>"}
    job = stage.service.client.add_documents([given])["job"]["id"]
    yield
    done = until(lambda: stage.service.client.job(job)["job"]["state"] == "done", 60.0)
    stage.check("a page that is read meanwhile", "stored", "stored" if done else "not within 60 s", done)


@contextmanager
def _guests(come: Callable[[Path, int], AbstractContextManager[int]], stage: Stage) -> Iterator[str]:
    with come(stage.service.socket, GUESTS) as count:
        if not count:
            raise NotDone("nobody was let in")
        yield f"{count} guests"
        stage.pause(0.5 if stage.is_quick else 10.0)


@contextmanager
def _garbage(stage: Stage) -> Iterator[str]:
    count = 40 if stage.is_quick else 400
    heard = rude.nonsense(stage.service.socket, count, stage.dice)
    stage.check("garbage is answered or hung up on", f"all {count}", str(heard), heard == count)
    yield f"{count} guests"


@contextmanager
def _disk_full(stage: Stage) -> Iterator[str]:
    service = stage.service
    with _restarted_after(stage), spoiling.small_disk(service) as disk:
        service.start()
        try:
            with spoiling.full(disk):
                yield str(disk)
        finally:
            service.stop()


@contextmanager
def _disk_read_only(stage: Stage) -> Iterator[str]:
    service = stage.service
    with _restarted_after(stage), spoiling.read_only(service.data):
        service.start()
        try:
            yield str(service.data)
        finally:
            service.stop()


@contextmanager
def _memory_squeeze(stage: Stage) -> Iterator[str]:
    """The service wants some memory of the machine left free, and another process takes half of that."""
    free_mib = available_mib() or 0.0
    taken_mib = min(BALLAST_MIB_MAX, int(free_mib * BALLAST_SHARE_MAX))
    wanted_mib = int(free_mib - taken_mib / 2)
    environ = {"PI_RAG_MEMORY_AVAILABLE_MIB_MIN": str(wanted_mib), "PI_RAG_MEMORY_CALM_S": "1"}
    with _other_start(stage, environ=environ), spoiling.ballast(taken_mib):
        noticed = until(lambda: _memory_step(stage) != "normal", NOTICED_S_MAX)
        step = _memory_step(stage)
        stage.check("memory-squeeze is noticed", f"within {NOTICED_S_MAX:g} s", step, noticed)
        yield f"{taken_mib} MiB taken of {free_mib:.0f}"


@contextmanager
def _clock_jumps(stage: Stage) -> Iterator[str]:
    clock = stage.folder / "clock"
    jumping.jump(clock, 0.0)
    with _other_start(stage, environ={"STRESS_CLOCK": str(clock)}, under=jumping.UNDER):
        jumping.jump(clock, YEAR_S)
        _add_one(stage, "fault-in-a-year")
        jumping.jump(clock, -YEAR_S)
        _add_one(stage, "fault-a-year-ago")
        years = (_years_off(stage, "fault-in-a-year"), _years_off(stage, "fault-a-year-ago"))
        stage.check("clock-jumps is seen", "documents of +1 and -1 year", f"{years}", years == (1, -1))
        yield "a year on, then two back"


@contextmanager
def _model_corrupt(stage: Stage) -> Iterator[str]:
    model = Path(stage.service.client.status()["model"]["path"])
    copy = spoiling.corrupted(model, stage.folder / "corrupt" / model.name, stage.dice)
    with _other_start(stage, environ={"PI_RAG_MODEL": str(copy)}, ready=False):
        embedder = stage.service.client.status()["embedder"]
        noticed = embedder["state"] != "ready"
        stage.check("model-corrupt is noticed", "no vector of it", str(embedder["reason"]), noticed)
        yield str(embedder["reason"])
    copy.unlink()


@contextmanager
def _database_damaged(stage: Stage) -> Iterator[str]:
    service = stage.service
    with _restarted_after(stage), spoiling.kept(service) as data:
        pages = spoiling.damage(data / "pi-rag.db", stage.dice)
        said_bytes = service.log_bytes()
        try:
            told, seen = _start_or_reason(stage)
            told = told or _damage_told(stage)
            is_kept = bool(told) and "Traceback" not in service.log_text(said_bytes)
            stage.check("database-damaged is noticed", "told, by its name", told or seen, is_kept)
            yield f"{pages} pages: {told or seen}"
        finally:
            service.stop()


@contextmanager
def _permissions(stage: Stage) -> Iterator[str]:
    """First the socket may not be used, then the database may not be opened."""
    service = stage.service
    with spoiling.closed(service.socket):
        refused = _as_owner(service, "search", "lamp")
    is_told = "may not use" in refused.stderr + refused.stdout
    stage.check(
        "permissions of the socket are told", "refused, and why", refused.stderr.strip()[:200], is_told
    )
    with _restarted_after(stage), spoiling.closed(service.data / "pi-rag.db"):
        said_bytes = service.log_bytes()
        try:
            told, seen = _start_or_reason(stage, under=spoiling.as_owner())
            is_kept = bool(told) and "Traceback" not in service.log_text(said_bytes)
            stage.check(
                "permissions of the database are told", "a start that says why", told or seen, is_kept
            )
            yield told or seen
        finally:
            service.stop()


@contextmanager
def _journal_frozen(stage: Stage) -> Iterator[str]:
    """Nobody reads what it logs, and no more fits."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        environ = {"PI_RAG_SERVICE_LOG_LEVEL": "debug", "PI_RAG_SERVICE_LOG_TEXTS": "on"}
        with _other_start(stage, environ=environ, stderr=writing):
            if not until(lambda: _search(stage) and _waiting_bytes(reading) > PIPE_BYTES * 3 // 4, 60.0):
                raise NotDone(f"the pipe was not full: {_waiting_bytes(reading)} of {PIPE_BYTES} bytes")
            yield f"{_waiting_bytes(reading)} of {PIPE_BYTES} bytes wait to be read"
    finally:
        os.close(writing)
        os.close(reading)


@contextmanager
def _restarted_after(stage: Stage) -> Iterator[None]:
    """The service is stopped inside it, or may be; afterwards it runs as it did before."""
    stage.service.stop()
    try:
        yield
    finally:
        stage.service.start()


@contextmanager
def _other_start(
    stage: Stage,
    *,
    environ: Mapping[str, str] | None = None,
    under: tuple[str, ...] | None = None,
    stderr: int | None = None,
    ready: bool | None = None,
) -> Iterator[None]:
    """Inside it the service runs otherwise."""
    with _restarted_after(stage):
        stage.service.start(environ=environ, under=under, stderr=stderr, ready=ready)
        try:
            yield
        finally:
            stage.service.stop()


def _start_or_reason(stage: Stage, *, under: tuple[str, ...] | None = None) -> tuple[str, str]:
    """Start it: why it refused to, in its own words, empty where it has not said; and what was seen of it."""
    service, said_bytes = stage.service, stage.service.log_bytes()
    try:
        service.start(under=under, ready=False)
    except RuntimeError:
        return _last_words(service, said_bytes)
    return "", "it started, and said nothing"


def _last_words(service: RunningService, said_bytes: int) -> tuple[str, str]:
    """Of a start that failed, after so much that was said before it.

    One that a signal has ended, or that hangs, has given no reason, whatever stands in its log.
    """
    code = service.process.poll() if service.process else None
    if code is None:
        service.kill()
        return "", "it neither started nor ended"
    lines = reversed(service.log_text(said_bytes).splitlines())
    said = next((line[:300] for line in lines if line.startswith("pi-rag:")), "")
    return said if code >= 0 else "", f"ended with {code}, and said {said or 'nothing'}"


def _as_owner(service: RunningService, *words: str) -> subprocess.CompletedProcess[str]:
    """A command by somebody to whom permissions mean something."""
    words = (*spoiling.as_owner(), *COMMAND, *words)
    return subprocess.run(
        words, env=service.environ, capture_output=True, text=True, timeout=60.0, check=False
    )


def _damage_told(stage: Stage) -> str:
    """What a service that runs says of its damaged database; empty when it says nothing, or is not there."""
    try:
        store = stage.service.client.status(check=True)["store"]
    except PiRagError as error:
        return "" if error.code in AWAY else error.code
    return str(store["writer"]["damage"] or "; ".join(store["problems"])[:200])


def _memory_step(stage: Stage) -> str:
    return str(stage.service.client.status()["memory"]["step"])


def _add_one(stage: Stage, name: str) -> None:
    """A document that is stored before long."""
    stage.service.client.add_documents([{"source": name, "text": f"the lamp of {name} is lit"}], wait=True)


def _years_off(stage: Stage, name: str) -> int:
    """When a document says it was stored, as years from now."""
    found = [
        each for each in stage.service.client.documents(limit=1000)["documents"] if each["source"] == name
    ]
    return round((found[0]["created_at"] - time.time()) / YEAR_S) if found else 0


def _search(stage: Stage) -> bool:
    stage.service.client.search(f"which lamp is lit, {stage.dice.random()}")
    return True


def _waiting_bytes(pipe: int) -> int:
    """What lies in a pipe and nobody has read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


ALL: tuple[Fault, ...] = (
    Fault("kill-worker", "kill -9 of a process that makes vectors", partial(_kill, "worker"), WHOLE),
    Fault("kill-reader", "kill -9 of the reading child, on a page", _kill_reader, WHOLE),
    Fault("kill-nursery", "kill -9 of the parent of those that make vectors", partial(_kill, "nursery")),
    Fault("kill-supervisor", "kill -9 of the service itself", _kill_supervisor, searches=AWAY, adds=AWAY),
    Fault("stop-worker", "SIGSTOP of a process that makes vectors, later SIGCONT", partial(_stop, "worker")),
    Fault("stop-reader", "SIGSTOP of the reading child, on a page", _stop_reader, WHOLE),
    Fault("stop-nursery", "SIGSTOP of the parent of those that make vectors", partial(_stop, "nursery")),
    Fault(
        "stop-supervisor",
        "SIGSTOP of the service itself",
        partial(_stop, "supervisor"),
        searches=AWAY,
        adds=AWAY,
    ),
    Fault("half-frames", "many guests who stop in the middle of a request", partial(_guests, rude.halves)),
    Fault("slow-guests", "many guests who send a byte a second", partial(_guests, rude.crawling)),
    Fault("half-open", "many guests who connect and say nothing", partial(_guests, rude.silent)),
    Fault("garbage", "noise, TLS, HTTP/2 and broken requests on the socket", _garbage, WHOLE),
    Fault(
        "disk-full",
        "not a byte more fits on the disk of the data",
        _disk_full,
        WHOLE,
        frozenset({"disk_full"}),
        lacking=spoiling.may_mount,
    ),
    Fault(
        "disk-read-only",
        "the disk of the data cannot be written, as a worn-out card",
        _disk_read_only,
        WHOLE,
        frozenset({"store_read_only"}),
        lacking=spoiling.may_mount,
    ),
    Fault("memory-squeeze", "another process takes memory that is wanted free", _memory_squeeze, adds=ANY),
    Fault("clock-jumps", "the wall clock jumps by years, on and back", _clock_jumps, WHOLE),
    Fault("model-corrupt", "the model's file is damaged", _model_corrupt, DEGRADED, MODEL_REFUSED),
    Fault(
        "database-damaged", "noise over pages of the stopped database", _database_damaged, DAMAGED, NOTHING
    ),
    Fault(
        "permissions",
        "the socket and the database may not be opened",
        _permissions,
        lacking=spoiling.may_close,
        searches=AWAY | {"store_unusable"},
        adds=NOTHING,
    ),
    Fault("journal-frozen", "nobody reads the log: its pipe is full", _journal_frozen, WHOLE),
)

BY_NAME = {fault.name: fault for fault in ALL}


def by_name(name: str) -> Fault:
    """Raises RequestInvalid, with the names that there are."""
    return named(BY_NAME, name, "fault")
