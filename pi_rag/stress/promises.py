"""What was asked for and what was acknowledged, and from that: what may be stored now, and what must be.

Of each source there are versions, so that it is also known when an old one comes back. It knows neither
service nor database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[str, int]
"""Of a document, a fact or an event by its name; `GONE` stands for none."""

GONE: Version = ("", 0)


@dataclass
class Promises:
    """Of each source the versions that may be there, and those one of which must be there in the end."""

    may: defaultdict[str, set[Version]] = field(default_factory=lambda: defaultdict(lambda: {GONE}))
    must: defaultdict[str, set[Version]] = field(default_factory=lambda: defaultdict(lambda: {GONE}))
    jobs: dict[int, int] = field(default_factory=dict)
    """How many documents each acknowledged job has."""
    open: defaultdict[str, set[int | None]] = field(default_factory=lambda: defaultdict(set))
    """The jobs of each source since all was quiet; None: one that was never acknowledged."""

    def asked(self, wanted: Mapping[str, Version]) -> None:
        """A request is on its way: from now on it may have happened."""
        for source, version in wanted.items():
            self.must[source].add(version)
            self.may[source].add(version)

    def acknowledged(self, wanted: Mapping[str, Version], job: int) -> None:
        """It will happen, once."""
        self.jobs[job] = len(wanted)
        for source, version in wanted.items():
            self.must[source] = {version}
            self.open[source].add(job)

    def unanswered(self, wanted: Mapping[str, Version]) -> None:
        """Nobody knows whether it will."""
        for source in wanted:
            self.open[source].add(None)

    def done(self, source: str, version: Version) -> None:
        """It is so at once: nothing of this source was under way."""
        self.must[source], self.may[source], self.open[source] = {version}, {version}, set()

    def settled(self, found: Mapping[str, Version]) -> list[str]:
        """Nothing is under way any more: what is not as it must be, also of what nobody ever asked for.

        From now on only what is there may be.
        """
        sources = sorted({*found, *self.must})
        wrong = [
            f"{source} ends as {found.get(source, GONE)}, and not as one of {sorted(self.must[source])}"
            for source in sources
            if found.get(source, GONE) not in self.must[source]
        ]
        for source in sources:
            self.must[source] = {found.get(source, GONE)}
            self.may[source] = set(self.must[source])
        self.open.clear()
        self.jobs.clear()
        return wrong

    def strange(self, found: Mapping[str, Version]) -> list[str]:
        """What is there or not there now and could not be so."""
        return [
            f"{source} is {found.get(source, GONE)}, and not one of {sorted(self.may[source])}"
            for source in sorted({*found, *self.must})
            if found.get(source, GONE) not in self.may[source]
        ]
