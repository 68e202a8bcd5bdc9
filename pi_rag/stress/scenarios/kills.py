"""kill -9 of one random process after another, on one database, while documents, facts and events come in.

After each start the service may hold only what it may; whenever all is quiet, it holds what it must, each
document whole.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence

from pi_rag.memory_client import MemoryClient
from pi_rag.stress import ending, family, neighbours, signals, truth
from pi_rag.stress.papers import Pool
from pi_rag.stress.torn import Torn, learned, quiet
from pi_rag.stress.types import Scenario, Stage

KINDS = "documents", "facts", "events", "removals", "forgotten"
"""Of what is acknowledged."""

KILLS, KILLS_QUICK = 1000, 100
NAMES, NAMES_QUICK = 20, 6
QUIET_EACH, QUIET_EACH_QUICK = 100, 50
"""After so many kills, all that was acknowledged is waited for; until then it piles up."""
BETWEEN_S_MAX, BETWEEN_QUICK_S_MAX = 0.5, 0.3
"""Kills come at random moments, this far apart at most."""
READY, READY_S_MAX = "READY soon after a kill", 5.0
"""Promised of 99 starts of 100."""
QUIET_S_MAX = 240.0
"""Far more than the work takes, and far less than `ingest.lease_s`, which nobody is to wait for."""
ORPHANS_S_MAX = 10.0
"""Far more than the end of a process takes, on a machine that is busy too."""
LOOK_S = 0.1
VERIFIED_SHARE = 0.25
"""Of the databases that lie there after a kill, so many are read whole, in a copy, before they are mended."""
NAMED_MAX = 5
OF_THE_END = {"lost", "jobs"}
"""What only shows when all that was acknowledged is done."""
ROLES = {"supervisor", "nursery", "worker", "reader"}
"""Each is to be met. A child that is just being made has not yet got its own, and is met at times."""

ENVIRON = {
    # Kills are none of the documents' fault here, and none is to be given up for them.
    "PI_RAG_INGEST_ATTEMPTS_MAX": "100",
    "PI_RAG_INGEST_STARTS_FAILED_MAX": "100",
    "PI_RAG_INGEST_RETRY_S_MIN": "0.1",
    # So that kills fall within checkpoints, and within saving the RAM index.
    "PI_RAG_STORE_WAL_MIB_MAX": "1",
    "PI_RAG_INDEX_SNAPSHOT_CHANGES": "20",
}


def run(stage: Stage) -> None:
    """Learn what is right, kill, look, and say what was seen."""
    pool = Pool(stage.seed, NAMES_QUICK if stage.is_quick else NAMES)
    client = MemoryClient(stage.service.socket)
    stage.mark("calm", "what is right is learned")
    torn = Torn(stage.service.socket, stage.folder / "files", pool, stage.seed)
    kills = _Kills(stage, torn)
    if learned(stage, client, pool, stage.folder / "calm", QUIET_S_MAX):
        stage.mark("kills")
        with torn:
            kills.all()
    kills.tell()


class _Kills:
    """What was done and what was seen of it."""

    def __init__(self, stage: Stage, torn: Torn) -> None:
        self.stage, self.torn = stage, torn
        self.killed: Counter[str] = Counter()
        self.ready_s: list[float] = []
        self.stolen_s: list[float] = []
        """What other guests of the host took of each: so much of it at most was not the service's doing."""
        self.quiet_s: list[float] = []
        self.others: list[float] = []
        """What others used of the processors while the service was not there."""
        self.wrong: dict[str, list[str]] = {"lost": [], "by half": [], "jobs": [], "damaged": []}
        self.orphans = self.fell = self.verified = 0
        self.wanted = KILLS_QUICK if stage.is_quick else KILLS
        self._between_s_max = BETWEEN_QUICK_S_MAX if stage.is_quick else BETWEEN_S_MAX
        self._each = QUIET_EACH_QUICK if stage.is_quick else QUIET_EACH
        self._is_cut = False
        """There was no time to see what became of what was acknowledged last."""

    @property
    def count(self) -> int:
        """kill -9 that met a living process."""
        return self.killed.total()

    def all(self) -> None:
        """As many as are wanted, or as there is time for; some is kept to see what came of them."""
        last_s = ending.last_s(self.stage, QUIET_S_MAX)
        while self.count < self.wanted and self.stage.left_s() > last_s:
            self.one()
        # On a slow machine the queue is never empty among kills, and nothing is removed that is in it.
        while not all(self._acknowledged().values()) and self.stage.left_s() > last_s:
            self.stage.pause(self._between_s_max)
        self.quiet()

    def _acknowledged(self) -> dict[str, int]:
        """How many of each kind."""
        return {what: self.torn.seen[what] for what in KINDS}

    def one(self) -> None:
        """At a random moment, of a random process."""
        self.stage.pause(self.stage.dice.uniform(0.0, self._between_s_max))
        # Now, and not right after the kill before: a supervisor may take a moment to fall.
        self._see_whether_it_stands()
        roles = family.family(self.stage.service.pid)
        everybody = [(role, pid) for role, pids in sorted(roles.items()) for pid in pids]
        if not everybody:
            return  # it fell just now, and is found so the next time
        role, pid = self.stage.dice.choice(everybody)
        if role == "supervisor":
            self._kill_all({pid for _, pid in everybody})
        elif signals.kill(pid):
            self.killed[role] += 1
        if self.killed.total() % self._each == 0:
            self.quiet()

    def _kill_all(self, everybody: set[int]) -> None:
        """kill -9 of the supervisor takes everybody along; then it is started again, as systemd would."""
        self.stage.mark("kill-supervisor")
        self.killed["supervisor"] += 1
        begun = family.begun(everybody)
        self.stage.service.kill()
        self.orphans += len(family.left_after(everybody, ORPHANS_S_MAX))
        # The next start is to meet none of them, and nor is the next count.
        truth.kill_left(begun)
        self.others.append(neighbours.share(LOOK_S))
        if self.stage.dice.random() < VERIFIED_SHARE:
            self._verify()
        self._start()

    def _see_whether_it_stands(self) -> None:
        """Only its own kill may end a supervisor."""
        process = self.stage.service.process
        if process is not None and process.poll() is not None:
            self.fell += 1
            self._start()

    def _start(self) -> None:
        began_s, before = time.monotonic(), neighbours.times()
        self.stage.service.start()
        self.ready_s.append(time.monotonic() - began_s)
        self.stolen_s.append(neighbours.times().stolen_s_since(before))
        with self.torn.lock:
            found = self.torn.found()
            self.wrong["lost"] += self.torn.promises.strange(found)
        self._note_halves(found)

    def _note_halves(self, found: dict[str, tuple[str, int]]) -> None:
        self.wrong["by half"] += [source for source, (_, number) in found.items() if number < 0]

    def _verify(self) -> None:
        """A copy of what lies there, so that the service itself has to mend what there is to mend."""
        copy = self.stage.folder / "copy"
        shutil.copytree(self.stage.service.data, copy)
        ended = self.stage.service.run("verify", str(copy / "pi-rag.db"), "--json")
        shutil.rmtree(copy)
        self.verified += 1
        if ended.returncode != 0:
            self.wrong["damaged"].append((ended.stdout + ended.stderr)[-300:])

    def quiet(self) -> None:
        """All that was acknowledged is done, once, and nothing else is there, whole."""
        self._see_whether_it_stands()
        with self.torn.lock:
            began_s = time.monotonic()
            client = MemoryClient(self.stage.service.socket)
            is_quiet = quiet(self.stage, client, QUIET_S_MAX)
            self._is_cut = is_quiet is None
            if self._is_cut:
                return
            if not is_quiet:
                self.wrong["jobs"].append(f"not worked off within {QUIET_S_MAX:g} s")
            self.quiet_s.append(time.monotonic() - began_s)
            self.wrong["jobs"] += self.torn.jobs_wrong()
            found = self.torn.found()
            self.wrong["lost"] += self.torn.promises.settled(found)
            self.wrong["damaged"] += client.status(check=True)["store"]["problems"]
        self._note_halves(found)
        self.stage.mark("quiet")

    def tell(self) -> None:
        """Figures and promises."""
        stage = self.stage
        done = ", ".join(f"{count} {role}" for role, count in sorted(self.killed.items()))
        stage.figure("kills", self.count)
        for role, count in self.killed.items():
            stage.figure(f"kills_{role}", count)
        acknowledged = self._acknowledged()
        for what, count in acknowledged.items():
            stage.figure(f"acknowledged_{what}", count)
        happened = all(acknowledged.values()) and self.killed.keys() >= ROLES
        asked = f"{self.wanted} kills, every role, every kind"
        # With fewer the time was over: there is nobody to blame.
        is_enough = happened if self.count >= self.wanted else None
        stage.check("enough happened to tell", asked, f"{done}; {acknowledged}", is_enough)
        self._promise("0 acknowledged writes lost", "lost")
        self._promise("0 documents by half", "by half")
        self._promise("acknowledged jobs end once", "jobs")
        self._promise("the database is sound after each look", "damaged")
        told = sum(self.torn.errors.values())
        said = f"{told}: {self.torn.errors.most_common(3)}" if told else "0"
        stage.check(
            "writers are told of an absence, and nothing else", "0 other errors", said, self._kept(not told)
        )
        left, fell = self.orphans, self.fell
        stage.check("no process left of a killed service", "0", str(left), self._kept(not left, "supervisor"))
        stage.check("a supervisor outlives its children", "0 fell", str(fell), self._kept(not fell))
        self._tell_times()

    def _kept(self, is_well: bool, role: str = "") -> bool | None:
        """None: it is well, and nobody was killed, or nobody in this role."""
        return (True if (self.killed[role] if role else self.count) else None) if is_well else False

    def _promise(self, name: str, which: str) -> None:
        wrong = self.wrong[which]
        self.stage.figure(which.replace(" ", "_"), len(wrong))
        seen = f"{len(wrong)}: {wrong[:NAMED_MAX]}" if wrong else "none"
        if self._is_cut and which in OF_THE_END and not wrong:
            self.stage.check(name, "none", f"{seen}, when {ending.why(self.stage)}", None)
            return
        self.stage.check(name, "none", seen, self._kept(not wrong))

    def _tell_times(self) -> None:
        stage = self.stage
        stage.figure("databases_verified", self.verified)
        if self.quiet_s:
            stage.figure("worked_off_s_max", max(self.quiet_s))
        if not self.ready_s:
            stage.check(READY, "some start", "none happened", None)
            return
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
            stage.figure(f"ready_{name}_s", percentile(self.ready_s, percent))
        self._judge_starts(sum(self.others) / max(1, len(self.others)))

    def _judge_starts(self, others: float) -> None:
        """By the whole time. Where it was too long only by what others of the host took, nobody knows."""
        own_s = [ready_s - stolen_s for ready_s, stolen_s in zip(self.ready_s, self.stolen_s, strict=True)]
        p99_s, own_p99_s = percentile(self.ready_s, 99), percentile(own_s, 99)
        self.stage.figure("others_share", others)
        self.stage.figure("ready_own_p99_s", own_p99_s)
        seen = f"{p99_s:.2f} s of {len(own_s)} starts"
        seen, is_kept = neighbours.judged(p99_s <= READY_S_MAX, seen, others)
        if is_kept is False and own_p99_s <= READY_S_MAX:
            seen, is_kept = f"{seen}, {own_p99_s:.2f} s without what other guests of the host took", None
        self.stage.check(READY, f"p99 at most {READY_S_MAX:g} s", seen, is_kept)


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(percent) // 100) - 1)]


SCENARIO = Scenario(
    name="kills",
    about="kill -9 of a thousand random processes: nothing acknowledged is lost, nothing is there by half",
    minutes=90.0,
    quick_minutes=15.0,
    run=run,
    environ=ENVIRON,
)
