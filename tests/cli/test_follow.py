"""Waiting for a job, with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from pi_rag import errors
from pi_rag.cli.follow import ASK_S_MAX, AWAY_S_MAX, REFUSED_S_MAX, follow, handed_over
from pi_rag.client import Client

Said = dict[str, Any] | errors.PiRagError


class Clock:
    """Time passes only by pausing."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []

    def monotonic_s(self) -> float:
        """Now."""
        return self.now_s

    def wall_s(self) -> float:
        """Nobody should ask."""
        raise AssertionError

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.now_s += seconds


class Service:
    """Answers about one job in order; the last one again and again."""

    for_s = 60.0
    asked_status = 0
    left = 1010
    is_behind = False

    def __init__(self, *said: Said, waiting_for: str | None = None, stuck: Sequence[str] = ()) -> None:
        self._said = list(said)
        self._waiting_for = waiting_for
        self._stuck = stuck

    def job(self, job_id: int) -> dict[str, Any]:
        """What comes next."""
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(said, errors.PiRagError):
            raise said
        return {"job": said}

    def jobs(self, *, limit: int) -> dict[str, Any]:
        """An older one, which gets on."""
        self.left -= 1
        return {"jobs": [{"id": 0, "state": "running", "items_total": self.left}] if self.is_behind else []}

    def status(self) -> dict[str, Any]:
        """What holds it up."""
        self.for_s += 10.0
        self.asked_status += 1
        stuck = [{"mount": mount, "for_s": self.for_s, "threads": 1} for mount in self._stuck]
        return {"ingest": {"waiting_for": self._waiting_for, "disks_stuck": stuck}}


def job(state: str, done: int = 0) -> dict[str, Any]:
    """A job of ten documents."""
    return {"id": 1, "state": state, "items_total": 10, "items_done": done, "chunks": done}


def followed(service: Service, clock: Clock) -> dict[str, Any]:
    """The job when it is done."""
    return follow(cast(Client, service), job("queued"), clock=clock, pause=clock.pause)


def test_questions_come_less_often_when_it_takes_longer() -> None:
    """A tenth of a second at first, never more than half a second."""
    clock = Clock()
    assert followed(Service(*[job("running")] * 8, job("done", 10)), clock) == job("done", 10)
    assert clock.pauses[0] == 0.1
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[-1] == ASK_S_MAX


def test_a_job_that_is_done_at_once_is_not_asked_for() -> None:
    """Nothing to wait for."""
    clock = Clock()
    follow(cast(Client, Service(errors.InternalError("asked"))), job("done"), clock=clock, pause=clock.pause)
    assert clock.pauses == []


def test_a_restart_of_the_service_is_waited_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A short absence, a stopping and a busy service are no reason to give up: the job goes on. That it is
    waited for is said once.
    """
    away = [errors.ServiceDown("Away."), errors.ServiceDown("Away."), errors.Busy("Busy.")]
    assert followed(Service(*away, job("done", 10)), Clock()) == job("done", 10)
    assert capsys.readouterr().err == "Waiting for the service, up to 30 s: Away.\n"


def test_a_service_that_stays_away_is_given_up_and_the_job_named() -> None:
    """The error says that the job is kept, and how to see it later."""
    clock = Clock()
    with pytest.raises(errors.ServiceDown, match="went away") as raised:
        followed(Service(errors.ServiceDown("Nothing answers.")), clock)
    assert "pi-rag jobs 1" in raised.value.hint
    assert AWAY_S_MAX <= clock.now_s - 100 <= AWAY_S_MAX + 2


def test_missing_rights_do_not_come_by_waiting() -> None:
    """They are told at once."""
    clock = Clock()
    with pytest.raises(errors.SocketForbidden):
        followed(Service(errors.SocketForbidden("No.")), clock)
    assert len(clock.pauses) == 1


def pieces(*said: Said) -> Callable[[], Said]:
    """Sends a piece: each time what comes next, the last one again and again."""
    service = Service(*said)
    return lambda: service.job(1)["job"]


def test_the_next_piece_waits_for_its_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """A service short of memory, full or away takes the rest of a folder later; why it waits is said once."""
    clock = Clock()
    refused = [errors.MemoryShort("Short."), errors.Busy("Full."), errors.ServiceDown("Away.")]
    said = pieces(*refused, job("queued"))
    assert handed_over(said, is_first=False, clock=clock, pause=clock.pause) == job("queued")
    assert clock.pauses[0] == refused[0].retry_after_ms / 1000  # type: ignore[operator]
    assert capsys.readouterr().err.count("Waiting for the service") == 1


@pytest.mark.parametrize(
    "error, s_max",
    [
        (errors.MemoryShort("Short."), REFUSED_S_MAX),
        (errors.ServiceDown("Away."), AWAY_S_MAX),
        (errors.SocketForbidden("No."), 0),
        (errors.DiskFull("Full."), 0),
    ],
)
def test_a_piece_that_is_never_taken_is_given_up(error: errors.PiRagError, s_max: float) -> None:
    """After the time for what may pass, and at once for what does not pass by waiting."""
    clock = Clock()
    with pytest.raises(type(error)):
        handed_over(pieces(error), is_first=False, clock=clock, pause=clock.pause)
    assert s_max <= clock.now_s - 100 <= s_max + 11


def test_the_first_piece_is_refused_at_once() -> None:
    """Nothing is there by half yet, and who waits for a prompt wants to know."""
    clock = Clock()
    with pytest.raises(errors.MemoryShort):
        handed_over(pieces(errors.MemoryShort("Short.")), is_first=True, clock=clock, pause=clock.pause)
    assert clock.pauses == []


def test_what_holds_a_still_job_up_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """After a while without movement the service is asked why; it is said once, not again and again."""
    service = Service(*[job("running")] * 100, job("done", 10), waiting_for="disk_full")
    followed(service, Clock())
    said = [line for line in capsys.readouterr().err.splitlines() if "disk is full" in line]
    assert len(said) == 1


@pytest.mark.parametrize("state", ["queued", "paused"])
def test_what_holds_back_a_job_that_has_not_begun_is_said_at_once(
    capsys: pytest.CaptureFixture[str], state: str
) -> None:
    """Who adds while all is paused would else look at a command that seems to hang."""
    service, clock = Service(job(state), job("done", 10), waiting_for="paused"), Clock()
    followed(service, clock)
    assert "is paused. Let it go on with: pi-rag jobs resume" in capsys.readouterr().err
    assert len(clock.pauses) == 2


def test_a_job_that_has_not_begun_and_one_that_runs_are_asked_about_at_their_own_pace() -> None:
    """The status costs the service more than a look at the job."""
    for state, asked in (("queued", 6), ("running", 1)):
        service = Service(*[job(state)] * 30, job("done", 10))
        followed(service, Clock())
        assert (state, service.asked_status) == (state, asked)


@pytest.mark.parametrize(
    ("state", "waiting_for", "stuck", "says"),
    [
        ("paused", None, [], "Job 1 is paused. Let it go on with: pi-rag jobs resume 1"),
        ("running", "paused", [], "Adding is paused. Let it go on with: pi-rag jobs resume"),
        ("running", "safe_mode", [], "Adding is in safe mode. Let it go on with: pi-rag jobs resume"),
        ("running", None, ["/mnt/nas"], "No answer from /mnt/nas; what lies there has to wait. See: df -h"),
    ],
)
def test_what_holds_a_job_up_is_said_with_what_to_type(
    capsys: pytest.CaptureFixture[str], state: str, waiting_for: str | None, stuck: list[str], says: str
) -> None:
    """A pause of this job or of all, safe mode, a mount that gives no answer: each once, however long."""
    service = Service(*[job(state)] * 200, job("done", 10), waiting_for=waiting_for, stuck=stuck)
    followed(service, Clock())
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "documents" not in line] == [says]


def test_a_job_that_waits_for_its_turn_says_behind_what(capsys: pytest.CaptureFixture[str]) -> None:
    """A line when that has a tenth left, and not for each of its documents."""
    service = Service(*[job("queued")] * 200, job("done", 10))
    service.is_behind = True
    followed(service, Clock())
    lines = [line for line in capsys.readouterr().err.splitlines() if "behind job 0" in line]
    assert [line.split()[8] for line in lines] == ["1,009", "999"]
