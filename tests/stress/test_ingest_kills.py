"""kill -9 at random moments of an ingest: nothing acknowledged is lost or done twice, nothing is half there.

`pytest --long -s tests/stress/test_ingest_kills.py` is the long form; `STRESS_SEED` replays a run. The
figures are printed; how long a start takes is not asserted.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL
from statistics import median

import pytest

from pi_rag.errors import ServiceDown
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.stress import faults
from tests.stress.ledger import GONE, Ledger
from tests.stress.ledger import Version as Named
from tests.stress.truth import until
from tests.stress.versions import VERSIONS, Contents, Version, Whole, contents, undisturbed, versions

pytestmark = [pytest.mark.model, pytest.mark.slow]

SEED = int(os.environ.get("STRESS_SEED", "20261121"))
KILLS, KILLS_LONG = 20, 200
NAMES = 12
QUIET_EACH = 10
"""After so many rounds all that was acknowledged is waited for; until then, it piles up."""
CUT_OFF_EACH = 5
ASKS_MAX = 5
"""Requests between two kills: no more than are worked off before long."""
QUIET_S_MAX = 240.0
"""Far more than the work takes, and far less than `ingest.lease_s`, which nobody is to wait for."""

ENVIRON = {
    # Kills are none of the documents' fault here, and none is to be given up for them.
    "PI_RAG_INGEST_ATTEMPTS_MAX": "100",
    "PI_RAG_INGEST_STARTS_FAILED_MAX": "100",
    "PI_RAG_INGEST_RETRY_S_MIN": "0.1",
    # So that kills fall within checkpoints, and within saving the RAM index.
    "PI_RAG_STORE_WAL_MIB_MAX": "1",
    "PI_RAG_INDEX_SNAPSHOT_CHANGES": "20",
}


def test_kills_during_an_ingest_lose_nothing(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """Supervisor, workers and reader are killed at random moments of adding, replacing and deleting. After
    each kill the database is sound, with every document whole; READY comes by itself; every acknowledged job
    ends exactly once, long before a lease of a dead service could have run out.
    """
    pool = list(versions(SEED, NAMES))
    (tmp_path / "calm").mkdir()
    (tmp_path / "torn").mkdir()
    with RunningService(tmp_path / "calm", ENVIRON | {"PI_RAG_MODEL": minilm.path}) as calm:
        right = undisturbed(pool, calm, tmp_path / "files")
    with RunningService(tmp_path / "torn", ENVIRON | {"PI_RAG_MODEL": minilm.path}) as service:
        run = _Run(service, pool, right, tmp_path, random.Random(SEED))
        while run.seen["supervisor"] < (KILLS_LONG if long_form else KILLS) - 1:
            run.round()
            if run.rounds % QUIET_EACH == 0:
                run.quiet()
        run.quiet()
        assert service.client.status(check=True)["store"]["problems"] == []
    print(f"\n{run.figures()}")
    happened = ("supervisor", "worker", "in hand", "indexed", "deleted")
    assert all(run.seen[each] for each in happened), f"too little happened to tell: {run.seen}"


class _Run:
    """One service, what it was asked for, and what was seen of it."""

    def __init__(
        self,
        service: RunningService,
        pool: list[Version],
        right: Mapping[Named, list[Whole]],
        folder: Path,
        dice: random.Random,
    ) -> None:
        self.service, self.right, self.folder, self.dice = service, right, folder, dice
        self.pool = {(each.name, each.number): each for each in pool}
        self.ledger = Ledger()
        self.seen: Counter[str] = Counter()
        self.ready_s: list[float] = []
        self.quiet_s: list[float] = []
        self.rounds = self.folders = 0

    @property
    def where(self) -> str:
        """What a failing assertion shows."""
        return f"round {self.rounds}, seed {SEED}"

    def round(self) -> None:
        """Traffic, a kill, a look at what lies there, and the next start, which may be cut off too."""
        self.rounds += 1
        self._traffic_until_killed()
        self._look()
        if self.rounds % CUT_OFF_EACH == 0:
            self._start_cut_off()
            self._look()
        self._start()

    def quiet(self) -> None:
        """All that was acknowledged is done, once, and nothing else is there, also after one more kill."""
        begun_s = time.monotonic()
        until(lambda: self.service.client.status()["counts"]["items_queued"] == 0, QUIET_S_MAX)
        self.quiet_s.append(time.monotonic() - begun_s)
        for job, items in self.ledger.jobs.items():
            row = self.service.client.job(job)["job"]
            assert (row["state"], row["items_total"]) == ("done", items), self.where
            assert row["items_done"] + row["items_unchanged"] == items, self.where
        self._kill_supervisor()
        assert self.ledger.settled(self._look()) == [], self.where
        self._start()

    def figures(self) -> str:
        """What was measured and done."""
        return (
            f"{self.seen['supervisor']} kills (seed {SEED}): READY after {median(self.ready_s):.2f} s in the "
            f"median and {max(self.ready_s):.2f} s at most; all acknowledged work done "
            f"{max(self.quiet_s):.1f} s later at most. {dict(sorted(self.seen.items()))}"
        )

    def _start(self) -> None:
        begun_s = time.monotonic()
        self.service.start()
        self.ready_s.append(time.monotonic() - begun_s)

    def _traffic_until_killed(self) -> None:
        pids = faults.processes(self.service.client.status())
        killer = threading.Thread(target=self._kill, args=(random.Random(self.dice.random()),))
        killer.start()
        try:
            for _ in range(self.dice.randint(1, ASKS_MAX)):
                self.dice.choice((self._add, self._add, self._add_folder, self._delete))()
            while True:  # until nobody answers
                self.service.client.status()
        except ServiceDown:
            killer.join()
        assert faults.left_after(pids, seconds=2.0) == set(), self.where

    def _kill(self, dice: random.Random) -> None:
        """Perhaps a worker or the reader, and a moment later the supervisor."""
        time.sleep(dice.uniform(0.0, 0.4))  # not waiting for anything: it is when the kill comes
        if dice.random() < 0.5:
            role = dice.choice(("worker", "reader"))
            self.seen[role] += faults.kill_one(self.service, role, dice)
            time.sleep(dice.uniform(0.0, 0.4))
        self._kill_supervisor()

    def _kill_supervisor(self) -> None:
        self.seen["supervisor"] += 1
        self.service.kill()

    def _start_cut_off(self) -> None:
        """A kill before READY, or a moment after it."""
        killer = threading.Timer(self.dice.uniform(0.2, 1.5), lambda: os.kill(self.service.pid, SIGKILL))
        killer.start()
        with contextlib.suppress(RuntimeError):  # that it ended
            self.service.start()
        killer.join()
        self._kill_supervisor()

    def _add(self) -> None:
        """Some documents, new ones or new versions of old ones."""
        wanted = {
            name: (name, self.dice.randint(1, VERSIONS)) for name in self._names(self.dice.randint(1, 4))
        }
        given = [self.pool[each].given(source) for source, each in wanted.items()]
        self._ask(wanted, lambda: self.service.client.add_documents(given)["job"]["id"])

    def _add_folder(self) -> None:
        """A new folder, which is a job of one item until its turn comes."""
        self.folders += 1
        place = self.folder / f"folder-{self.folders}"
        place.mkdir()
        wanted = {}
        for name in self._names(3):
            wanted[str(place / name)] = version = (name, self.dice.randint(1, VERSIONS))
            (place / name).write_bytes(self.pool[version].data)
        self._ask(wanted, lambda: self.service.client.add_paths([str(place)])["job"]["id"])

    def _names(self, count: int) -> list[str]:
        return self.dice.sample(sorted({name for name, _ in self.pool}), count)

    def _ask(self, wanted: Mapping[str, Named], ask: Callable[[], int]) -> None:
        self.ledger.asked(wanted)
        try:
            job = ask()
        except ServiceDown:
            self.ledger.unanswered(wanted)
            raise
        self.seen["acknowledged"] += len(wanted)
        self.ledger.acknowledged(wanted, job)

    def _delete(self) -> None:
        """Of what nothing is under way: what is queued behind a deletion is stored all the same."""
        if not self.ledger.must:
            return
        source = self.dice.choice(sorted(self.ledger.must))
        if any(job is None or self._is_open(job) for job in self.ledger.open[source]):
            return
        self.ledger.asked({source: GONE})
        try:
            self.service.client.remove_source(source)
        except ServiceDown:
            self.ledger.unanswered({source: GONE})
            raise
        self.seen["deleted"] += 1
        self.ledger.removed(source)

    def _is_open(self, job: int) -> bool:
        return bool(self.service.client.job(job)["job"]["state"] != "done")

    def _look(self) -> Mapping[str, Named]:
        """A copy of what lies on the disk, so that the service itself has to mend what there is to mend."""
        copy = self.folder / "copy"
        shutil.copytree(self.service.data, copy)
        found = contents(copy)
        shutil.rmtree(copy)
        self.seen["in hand"] += found.in_hand
        self.seen["indexed"] += found.indexed
        assert found.problems == [], self.where
        named = self._named(found)
        assert self.ledger.strange(named) == [], self.where
        return named

    def _named(self, found: Contents) -> dict[str, Named]:
        """Each document as the version it is, passage by passage; no version, when it is none."""
        return {source: self._version(source, whole) for source, whole in found.documents.items()}

    def _version(self, source: str, whole: Whole) -> Named:
        name = Path(source).name
        numbers = range(1, VERSIONS + 1)
        return name, next((n for n in numbers if any(each.is_as(whole) for each in self.right[name, n])), -1)
