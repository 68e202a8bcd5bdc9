"""Signs of life from every loop that works, and telling systemd that all is well only while that is so.

A loop beats from itself, so a beat says that it works, not that a process exists. The store has nothing to do
at times; then it is given a read and a write that change nothing. The heart lives on the event loop and
nowhere else: no thread goes on telling good news of a loop that stands still. Only the monotonic clock
counts. It does not know what the loops do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pi_rag import log
from pi_rag.clock import Clock, tick_s
from pi_rag.config import HealthSettings
from pi_rag.errors import PiRagError

LOOKS_PER_INTERVAL = 4
"""A ping that was due and withheld goes out soon after what it waited for has come."""

_log = log.logger("health")


class Beat:
    """One loop's sign of life: the loop calls it. From any thread."""

    def __init__(self, clock: Clock, silence_s_max: float, *, from_first: bool) -> None:
        self._clock = clock
        self.silence_s_max = silence_s_max
        self.count = 0
        self.longest_s = 0.0
        """The longest silence so far, the present one left out."""
        self._last_s = None if from_first else clock.monotonic_s()

    def __call__(self) -> None:
        """The loop works."""
        now_s = self._clock.monotonic_s()
        if self._last_s is not None:
            self.longest_s = max(self.longest_s, now_s - self._last_s)
        self._last_s = now_s
        self.count += 1

    @property
    def is_expected(self) -> bool:
        """False before the first beat of a loop that begins at a time of its own."""
        return self._last_s is not None

    @property
    def silent_s(self) -> float:
        """How long it has been silent."""
        return 0.0 if self._last_s is None else self._clock.monotonic_s() - self._last_s

    def rest(self) -> None:
        """Nothing is expected until the next beat: somebody has stopped the loop on purpose."""
        self._last_s = None


class Beats:
    """Everybody who beats, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beats: dict[str, Beat] = {}

    def expect(self, name: str, silence_s_max: float, *, from_first: bool = False) -> Beat:
        """The beat of a loop that is expected from now on, or from its first beat on."""
        beat = self._beats[name] = Beat(self._clock, silence_s_max, from_first=from_first)
        return beat

    def forget(self, name: str) -> None:
        """The loop has ended in good order."""
        self._beats.pop(name, None)

    def __getitem__(self, name: str) -> Beat:
        return self._beats[name]

    def silent(self) -> list[str]:
        """Who has been silent for longer than may be."""
        return [name for name, each in self._beats.items() if each.silent_s > each.silence_s_max]

    def status(self) -> dict[str, dict[str, float]]:
        """As /v1/status shows them: how long each has been silent, how long it may be, and was at most."""
        return {
            name: {
                "silent_s": round(each.silent_s, 1),
                "silence_s_max": each.silence_s_max,
                "longest_s": round(each.longest_s, 1),
            }
            for name, each in self._beats.items()
        }


@dataclass(slots=True)
class Pings:
    """Decides when systemd is told that all is well. Pure.

    A ping goes out once `interval_s` has passed since the last one, and only when every vital loop has beaten
    since then. So a loop that stops is followed by at most the ping that is due.
    """

    beats: Beats
    vital: Sequence[str]
    interval_s: float
    _pinged_s: float
    _counts: dict[str, int]

    @classmethod
    def of(cls, beats: Beats, vital: Sequence[str], interval_s: float, now_s: float) -> Pings:
        """One that has just pinged."""
        return cls(beats, vital, interval_s, now_s, {name: beats[name].count for name in vital})

    def lacks(self) -> list[str]:
        """The vital loops that have not beaten since the last ping."""
        found = ((name, self.beats[name]) for name in self.vital)
        return [name for name, beat in found if beat.is_expected and beat.count == self._counts[name]]

    def is_due(self, now_s: float) -> bool:
        """Whether the interval has passed."""
        return now_s - self._pinged_s >= self.interval_s

    def takes(self, now_s: float) -> bool:
        """Whether to ping now. If so, it counts as done."""
        if not self.is_due(now_s) or self.lacks():
            return False
        self._pinged_s, self._counts = now_s, {name: self.beats[name].count for name in self.vital}
        return True


class Heart:
    """Looks who has beaten, has the store take its turn, and pings. One for the life of the service."""

    def __init__(
        self,
        beats: Beats,
        settings: HealthSettings,
        clock: Clock,
        *,
        turns: Mapping[str, Callable[[], Awaitable[None]]],
        words: Callable[[], int | None],
        watchdog_s: float | None,
        ping: Callable[[], object],
    ) -> None:
        """`turns` has, by the name of its beat, what gives a part of the store something to do.

        `words` is another number whenever a worker has been heard, None while none is to be. `watchdog_s` is
        after how long without a ping systemd ends the service; None: it does not.
        """
        self.beats = beats
        self._settings = settings
        self._clock = clock
        self._turns = turns
        self._words, self._heard = words, words() or 0
        self._ping = ping
        self._loop = beats.expect("loop", settings.loop_silence_s_max)
        # Workers begin, and may be missing, at a time of their own: a restart for a model that was never
        # there would be followed by another (docs/decisions/0001).
        self._embedder = beats.expect("embedder", settings.embedder_silence_s_max, from_first=True)
        interval_s = watchdog_s / 2 if watchdog_s else None
        looks = [settings.look_s] + ([interval_s / LOOKS_PER_INTERVAL] if interval_s else [])
        self._look_s = min(looks)
        self._turn_s = min([settings.turn_s] + ([interval_s / LOOKS_PER_INTERVAL] if interval_s else []))
        self._pings: Pings | None = None
        self._interval_s = interval_s
        self._said: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> asyncio.Task[None]:
        """Begin to beat. The task ends only by a fault of ours."""
        if self._interval_s:
            vital = ("loop", "embedder", *self._turns)
            self._pings = Pings.of(self.beats, vital, self._interval_s, self._clock.monotonic_s())
        beating = asyncio.create_task(self._keep(), name="heart")
        turning = (asyncio.create_task(self._take_turns(name), name=f"turns-{name}") for name in self._turns)
        self._tasks = [beating, *turning]
        return beating

    async def stop(self) -> None:
        """Beat no more. Twice is harmless."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def look(self) -> bool:
        """One look. Returns whether systemd was told that all is well."""
        self._loop()
        self._listen()
        pings, now_s = self._pings, self._clock.monotonic_s()
        if pings is None:
            return False
        self._say(pings.lacks() if pings.is_due(now_s) else [])
        if well := pings.takes(now_s):
            self._ping()
        return well

    def _listen(self) -> None:
        """What workers have said since the last look, if anything, is the embedder's beat."""
        words = self._words()
        if words is None:
            # Until somebody is heard again; what was heard last is kept, since to be called back is no word.
            self._embedder.rest()
            return
        if words != self._heard:
            self._embedder()
        self._heard = words

    def _say(self, lacks: list[str]) -> None:
        """Once when pings begin to be withheld, and once when they go on."""
        if lacks != self._said:
            if lacks:
                _log.error("ping_withheld", lacks=lacks)
            else:
                _log.warning("ping_goes_on", lacked=self._said)
            self._said = lacks

    async def _keep(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(tick_s(self._clock, self._look_s))

    async def _take_turns(self, name: str) -> None:
        """Whoever has had real work since the last time needs none from us."""
        while True:
            seen = self.beats[name].count
            await asyncio.sleep(tick_s(self._clock, self._turn_s))
            if self.beats[name].count == seen:
                await self._take_turn(name)

    async def _take_turn(self, name: str) -> None:
        """One that is busy, closing or without its disk says so by itself; here only silence counts."""
        try:
            await self._turns[name]()
        except PiRagError:
            pass
        except Exception:
            # Without turns a store at rest would look dead, and nobody would know why.
            _log.exception("turn_fault", room=name)
