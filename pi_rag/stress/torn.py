"""Traffic that goes on while its service is torn down and started again, and what must be left of it.

Documents are added as they are and as files of a folder, replaced by other versions and removed; facts are
remembered one in place of another; events are logged and forgotten. Who finds nobody asks again.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pi_rag.errors import PiRagError, ServiceDown
from pi_rag.memory_client import MemoryClient
from pi_rag.stress import ending
from pi_rag.stress.papers import VERSIONS, Pool, stored
from pi_rag.stress.promises import GONE, Promises, Version
from pi_rag.stress.types import Stage
from pi_rag.stress.workload import ACTS, THINGS, marker

TOPICS = 20
BREATH_S = 0.05
"""Between two requests: more is not worked off between two kills."""
QUEUED_MAX = 12
"""Documents under way, above which nothing more is added: what waits must be done in the end."""
JOBS_ASKED_MAX = 1000
ABSENT = frozenset({"service_down", "stopping", "busy"})
"""What who asks is told of a service that is just not there, or that has just come back."""


class Torn:
    """One guest who writes down what was promised. `lock` is held while a request is under way."""

    def __init__(self, socket: Path, folder: Path, pool: Pool, seed: int) -> None:
        self.promises = Promises()
        self.lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        """What a writer was told that is no absence, also when it may come again: it was not served."""
        self._client = MemoryClient(socket, answer_s_max=20.0)
        self._folder, self._pool, self._seed = folder, pool, seed
        self._dice = random.Random(f"torn/{seed}")
        self._events: dict[str, int] = {}
        self._number = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name="torn")

    def __enter__(self) -> Torn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _live(self) -> None:
        ways = (
            self._add,
            self._add,
            self._add_folder,
            self._remove,
            self._remember,
            self._event,
            self._forget,
        )
        while not self._done.wait(BREATH_S):
            with self.lock:
                try:
                    self._dice.choice(ways)()
                except Exception as error:
                    # Also one that nobody thought of: a guest who ends unseen would promise nothing more.
                    self._note(error)

    def _note(self, error: Exception) -> None:
        code = error.code if isinstance(error, PiRagError) else type(error).__name__
        if code in ABSENT:
            self.seen["nobody there"] += 1
        else:
            self.errors[f"{code}: {error}"] += 1

    def _add(self) -> None:
        """Some documents, new ones or new versions of old ones."""
        if self._is_enough():
            return
        wanted = {name: self._some_version(name) for name in self._names(self._dice.randint(1, 4))}
        given = [self._pool.all[each].given(source) for source, each in wanted.items()]
        self._queue(wanted, lambda: int(self._client.add_documents(given)["job"]["id"]))

    def _add_folder(self) -> None:
        """Files of a folder. There are few folders, so that they come again with other files in them."""
        if self._is_enough():
            return
        place = self._folder / f"folder-{self._dice.randrange(4)}"
        if any(
            source.startswith(f"{place}/") and self.promises.open[source] for source in [*self.promises.must]
        ):
            return  # its files are being read: to change them now would be another fault
        place.mkdir(parents=True, exist_ok=True)
        wanted = {}
        for name in self._names(3):
            wanted[str(place / name)] = version = self._some_version(name)
            (place / name).write_bytes(self._pool.all[version].data)
        paths = list(wanted)
        self._queue(wanted, lambda: int(self._client.add_paths(paths)["job"]["id"]))

    def _is_enough(self) -> bool:
        return int(self._client.status()["counts"]["items_queued"]) > QUEUED_MAX

    def _names(self, count: int) -> list[str]:
        return self._dice.sample(self._pool.names, count)

    def _some_version(self, name: str) -> Version:
        return name, self._dice.randint(1, VERSIONS)

    def _queue(self, wanted: Mapping[str, Version], ask: Callable[[], int]) -> None:
        with self._asking(wanted):
            job = ask()
        self.seen["documents"] += len(wanted)
        self.promises.acknowledged(wanted, job)

    @contextlib.contextmanager
    def _asking(self, wanted: Mapping[str, Version]) -> Iterator[None]:
        """A request: when it has no answer, nobody knows whether it was carried out."""
        self.promises.asked(wanted)
        try:
            yield
        except Exception:
            self.promises.unanswered(wanted)
            raise

    def _at_once(self, source: str, version: Version, ask: Callable[[], object]) -> None:
        """What is so as soon as it is acknowledged."""
        with self._asking({source: version}):
            ask()
        self.promises.done(source, version)

    def _remove(self) -> None:
        """Of what nothing is under way: what is queued behind a removal is stored all the same."""
        sources = [each for each in self.promises.must if Path(each).name in self._pool.names]
        if not sources:
            return
        source = self._dice.choice(sorted(sources))
        if any(job is None or self._is_open(job) for job in self.promises.open[source]):
            return
        self._at_once(source, GONE, lambda: self._client.remove_source(source))
        self.seen["removals"] += 1

    def _is_open(self, job: int) -> bool:
        return bool(self._client.job(job)["job"]["state"] != "done")

    def _remember(self) -> None:
        """In place of what was remembered on this topic before."""
        topic = f"torn/{self._dice.randrange(TOPICS)}"
        name, text = self._new_text()
        self._at_once(f"fact {topic}", (name, 1), lambda: self._client.remember(text, topic=topic))
        self.seen["facts"] += 1

    def _event(self) -> None:
        name, text = self._new_text()
        told: list[int] = []
        self._at_once(
            f"event {name}", (name, 1), lambda: told.append(self._client.log_event(text)["memory"]["id"])
        )
        self._events[name] = told[0]
        self.seen["events"] += 1

    def _forget(self) -> None:
        """An event."""
        if not self._events:
            return
        name = self._dice.choice(sorted(self._events))
        number = self._events.pop(name)
        self._at_once(f"event {name}", GONE, lambda: self._client.forget({"ids": [number]}))
        self.seen["forgotten"] += 1

    def _new_text(self) -> tuple[str, str]:
        """A word that nothing else has, and a sentence with it as its first."""
        self._number += 1
        mark = marker(self._seed, self._number)
        said = f"{self._dice.choice(THINGS)} number {self._number} was {self._dice.choice(ACTS)}"
        return mark, f"{mark} says that the {said}."

    def found(self) -> dict[str, Version]:
        """What the service has now: each document as the version it is, passage by passage; facts; events."""
        found = {source: self._pool.version(source, whole) for source, whole in stored(self._client).items()}
        for line in self._client.export_memories():
            told = json.loads(line)
            if "type" in told:
                name = str(told["text"]).split(" ", 1)[0]
                source = f"fact {told['topic']}" if told["type"] == "fact" else f"event {name}"
                found[source] = (name, 1)
        return found

    def jobs_wrong(self) -> list[str]:
        """Acknowledged jobs that have not ended with all their documents, once."""
        wrong = []
        for job, items in list(self.promises.jobs.items())[-JOBS_ASKED_MAX:]:
            row = self._client.job(job)["job"]
            if row["state"] != "done" or row["items_done"] + row["items_unchanged"] != items:
                wrong.append(f"job {job}: {row['state']}, {row['items_done']} of {items}")
        return wrong


def learned(stage: Stage, client: MemoryClient, pool: Pool, folder: Path, quiet_s_max: float) -> bool:
    """Have the service make everything once while nobody disturbs it, and forget it again.

    Whether there was time for it. Raises ServiceDown when it took too long.
    """
    made = list(pool.calm_sources(folder))
    for paper, _, path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(paper.data)
    client.add_documents([paper.given(sent) for paper, sent, _ in made])
    client.add_paths([str(folder)])
    is_quiet = quiet(stage, client, quiet_s_max)
    if is_quiet is None:
        ending.give_up(client)
        return False
    if not is_quiet:
        raise ServiceDown(f"{len(made)} documents were not stored within {quiet_s_max:g} s.")
    pool.learn(stored(client), folder)
    for _, sent, path in made:
        client.remove_source(sent)
        client.remove_source(str(path))
    return True


def quiet(stage: Stage, client: MemoryClient, seconds: float) -> bool | None:
    """Whether nothing waits any more, within so many seconds; None: the run's time was over."""
    return ending.seen(stage, lambda: client.status()["counts"]["items_queued"] == 0, seconds, BREATH_S)
