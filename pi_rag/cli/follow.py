"""Waiting for a job: ask, show, wait a little, ask again.

A service that restarts meanwhile goes on with the job, so a short absence is waited out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from pi_rag.cli import held
from pi_rag.cli.progress import Pace, Progress, progress
from pi_rag.client import Client
from pi_rag.clock import Clock
from pi_rag.errors import PiRagError, ServiceDown, SocketForbidden, TryLater

ASK_S_MIN, ASK_S_MAX = 0.1, 0.5
"""Between two questions: quick for a single file, and no burden during an hour of adding."""

AWAY_S_MAX = 30.0
"""How long a service may be away, for a restart by systemd, before waiting for it is given up."""

REFUSED_S_MAX = 120.0
"""How long a service may take nothing more, before the rest of what is being handed over is given up."""

STILL_S_MAX = 10.0
"""How long nothing may move before the service is asked what holds it up."""

BEGIN_S_MAX = 2.0
"""The same of a job that has not begun. What holds that back is asked at once first, since somebody may have
paused everything long ago."""

T = TypeVar("T")


def follow(
    client: Client,
    job: dict[str, Any],
    *,
    clock: Clock,
    pause: Callable[[float], None],
    quiet: bool = False,
) -> dict[str, Any]:
    """The job when it is done. Raises ServiceDown when the service stays away; the job is kept."""
    with progress(clock, quiet=quiet) as shown:
        waiting = _Waiting(client, shown, clock, pause)
        ask_s = ASK_S_MIN
        while job.get("state") not in held.ENDED:
            shown.show(job)
            pause(ask_s)
            ask_s = min(ASK_S_MAX, ask_s * 1.5)
            job = waiting.asked(job)
    return job


def handed_over(send: Callable[[], T], *, is_first: bool, clock: Clock, pause: Callable[[float], None]) -> T:
    """What `send` gives, for a piece of what is handed over.

    When the first is refused a person is told at once. Half is no state to leave a folder in, so of the
    others the moment is waited for. They may be sent twice, so it must be the same the second time. Raises
    what `send` raises for too long.
    """
    if is_first:
        return send()
    begun_s: float | None = None
    while True:
        try:
            return send()
        except SocketForbidden:
            raise
        except (ServiceDown, TryLater) as error:
            s_max = REFUSED_S_MAX if isinstance(error, TryLater) else AWAY_S_MAX
            now_s = clock.monotonic_s()
            if begun_s is None:
                begun_s = now_s
                print(_it_waits(s_max, error), file=sys.stderr)
            if now_s - begun_s > s_max:
                raise
            pause((error.retry_after_ms or 1000 * ASK_S_MAX) / 1000)


def until_over(
    ask: Callable[[], dict[str, Any]],
    answer: dict[str, Any],
    *,
    clock: Clock,
    pause: Callable[[float], None],
    pace: Pace,
    command: str,
    quiet: bool = False,
) -> dict[str, Any]:
    """How a backup or a reindex is once it no longer runs; `command` is for whoever stops waiting.

    Raises ServiceDown when the service stays away.
    """
    away_since_s: float | None = None
    try:
        with progress(clock, quiet=quiet, pace=pace) as shown:
            while answer.get("state") == "running":
                shown.show(answer)
                pause(ASK_S_MAX)
                try:
                    answer, away_since_s = ask(), None
                except SocketForbidden:
                    raise
                except (ServiceDown, TryLater):
                    away_since_s = clock.monotonic_s() if away_since_s is None else away_since_s
                    if clock.monotonic_s() - away_since_s > AWAY_S_MAX:
                        raise
    except KeyboardInterrupt:
        print(f"\nStopped waiting. The service goes on; see it with: {command}", file=sys.stderr)
        raise
    return answer


class _Waiting:
    """Asks for a job, patiently, and notices when it stands still."""

    def __init__(self, client: Client, shown: Progress, clock: Clock, pause: Callable[[float], None]) -> None:
        self._client = client
        self._shown = shown
        self._clock = clock
        self._pause = pause
        self._moved_s = clock.monotonic_s()
        self._looked_s = float("-inf")
        self._said: list[str] = []

    def asked(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it stands now."""
        fresh = self._patiently(int(job["id"]))
        now_s = self._clock.monotonic_s()
        if _figures(fresh) != _figures(job):
            self._moved_s, self._said = now_s, []
        elif self._stands_still(fresh, now_s):
            self._looked_s = now_s
            self._say_what_holds_it_up(fresh)
        return fresh

    def _stands_still(self, job: dict[str, Any], now_s: float) -> bool:
        if job.get("state") in {"queued", "paused"}:
            return now_s - self._looked_s > BEGIN_S_MAX
        return now_s - max(self._moved_s, self._looked_s) > STILL_S_MAX

    def _patiently(self, job_id: int) -> dict[str, Any]:
        away_since_s, is_told = self._clock.monotonic_s(), False
        while True:
            try:
                job: dict[str, Any] = self._client.job(job_id)["job"]
                return job
            except SocketForbidden:
                raise
            except TryLater as error:
                self._pause((error.retry_after_ms or 1000) / 1000)
            except ServiceDown as error:
                if self._clock.monotonic_s() - away_since_s > AWAY_S_MAX:
                    raise ServiceDown(
                        f"The service went away while it was adding. {error.message}",
                        hint=f"Start it again; job {job_id} is kept and goes on. See: pi-rag jobs {job_id}",
                    ) from error
                if not is_told:
                    is_told = True
                    self._shown.say(_it_waits(AWAY_S_MAX, error))
                self._pause(ASK_S_MAX)

    def _say_what_holds_it_up(self, job: dict[str, Any]) -> None:
        reasons = held.of_these(self._client, job)
        roughly = [held.roughly(each) for each in reasons]
        for reason in reasons if roughly != self._said else []:
            self._said = roughly
            self._shown.say(reason)


def _it_waits(s_max: float, error: PiRagError) -> str:
    return f"Waiting for the service, up to {s_max:g} s: {error.message}"


def _figures(job: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in job.items() if name == "chunks" or name.startswith("items_"))
