"""What was acknowledged and what may have happened besides: from that, what must be stored in the end.

It knows no service. Sources that were removed again are forgotten, so that hours of adding and removing take
no more room than what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

What = Literal["added", "unsure", "removed", "dropped"]

Entry = tuple[What, str, str]
"""What happened to a source, and the hash of its text. `unsure`: a request about it had no answer. `dropped`:
it is looked for no more."""

GONE_MAX = 20_000
"""So many of the newest removals are remembered, to see that they stay removed."""


@dataclass
class Ledger:
    """Of each source the hash of the text that was acknowledged, and which nobody can be sure of."""

    must: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    gone: dict[str, None] = field(default_factory=dict)
    """What was removed, in its order."""

    def take(self, entries: Iterable[Entry]) -> None:
        """Note what happened, in its order."""
        for what, source, digest in entries:
            self.must.pop(source, None)
            self.gone.pop(source, None)
            self.unsure.discard(source)
            if what == "added":
                self.must[source] = digest
            elif what == "unsure":
                self.unsure.add(source)
            elif what == "removed":
                self._removed(source)

    def _removed(self, source: str) -> None:
        self.gone[source] = None
        if len(self.gone) > GONE_MAX:
            del self.gone[next(iter(self.gone))]

    def lost(self, found: Collection[str]) -> list[str]:
        """Acknowledged, and not there."""
        return sorted(self.must.keys() - set(found))

    def risen(self, found: Collection[str]) -> list[str]:
        """There, though it was removed."""
        return sorted(self.gone.keys() & set(found))

    def changed(self, found: Mapping[str, str]) -> list[str]:
        """There with another text than was acknowledged."""
        return sorted(source for source, digest in self.must.items() if found.get(source, digest) != digest)
