"""Documents of several kinds and sizes, each in several versions, and what a service makes of each of them.

What is right is what a service has made of the same bytes while nobody disturbed it: text, passages, vectors.
It is all read over the socket, from an export.
"""

from __future__ import annotations

import base64
import json
import random
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_rag.client import Client
from pi_rag.stress.making import SUFFIXES, written
from pi_rag.stress.workload import ACTS, THINGS, marker

VERSIONS = 3
LINES = (1, 1, 4, 12, 80)
"""From one passage to some ten."""
ALIKE_MIN = 0.999
"""Of two vectors of one text: their cosine. What was in a batch with it may change the last digits."""


@dataclass(frozen=True)
class Paper:
    """One version of a document."""

    name: str
    number: int
    data: bytes

    def given(self, source: str) -> dict[str, str]:
        """As a request has it: what can be sent as text half of the time as such."""
        if self.number % 2 and not self.name.endswith(".pdf"):
            return {"source": source, "title": self.name, "text": self.data.decode()}
        content = base64.b64encode(self.data).decode()
        return {"source": source, "title": self.name, "content_base64": content}


def papers(seed: int, names: int) -> Iterator[Paper]:
    """`VERSIONS` of each of `names` documents; the same seed gives the same ones."""
    dice = random.Random(seed)
    for count in range(names):
        suffix = SUFFIXES[count % len(SUFFIXES)]
        for number in range(1, VERSIONS + 1):
            mark = marker(seed, count * VERSIONS + number)
            said = [
                f"The {dice.choice(THINGS)} number {line} was {dice.choice(ACTS)} by {mark}."
                for line in range(dice.choice(LINES))
            ]
            yield Paper(f"paper-{count}{suffix}", number, written(suffix, said))


@dataclass(frozen=True)
class Whole:
    """A document as the service has it, with all its passages and their vectors."""

    kind: str
    text: str
    passages: tuple[tuple[Any, ...], ...]
    vectors: tuple[array[float], ...]

    def is_as(self, other: Whole) -> bool:
        """The same text, cut into the same passages, with the same vectors but for their last digits."""
        if (self.kind, self.text, self.passages) != (other.kind, other.text, other.passages):
            return False
        return all(_cosine(*pair) > ALIKE_MIN for pair in zip(self.vectors, other.vectors, strict=True))


def _cosine(one: array[float], other: array[float]) -> float:
    """Of two vectors of unit length. Vectors of two sizes are not alike."""
    if len(one) != len(other):
        return 0.0
    return sum(a * b for a, b in zip(one, other, strict=True))


def exported(client: Client, *, vectors: bool = False) -> Iterator[dict[str, Any]]:
    """Every document, as an export tells it; lines of other kinds are passed over."""
    lines = (json.loads(line) for line in client.export(vectors=vectors))
    return (line for line in lines if "source" in line)


def stored(client: Client) -> dict[str, Whole]:
    """Every document by its source."""
    return {line["source"]: whole_of(line) for line in exported(client, vectors=True)}


def whole_of(line: dict[str, Any]) -> Whole:
    """A document of an export."""
    parts = line["passages"]
    return Whole(
        line["kind"],
        line["text"],
        tuple((each["start"], each["end"], each["heading"], each["page"], each["tokens"]) for each in parts),
        tuple(array("f", base64.b64decode(each["vector"])) for each in parts),
    )


class Pool:
    """All papers, and what is right of each."""

    def __init__(self, seed: int, names: int) -> None:
        self.all = {(each.name, each.number): each for each in papers(seed, names)}
        self.right: dict[tuple[str, int], list[Whole]] = {}
        """Sent, and as a file of a folder: they differ in their title, and so in their vectors."""

    @property
    def names(self) -> list[str]:
        """Of the documents, without versions."""
        return sorted({name for name, _ in self.all})

    def calm_sources(self, folder: Path) -> Iterable[tuple[Paper, str, Path]]:
        """Each paper with the two sources under which it is stored while nobody disturbs."""
        for (name, number), paper in self.all.items():
            yield paper, f"calm-{number}/{name}", folder / str(number) / name

    def learn(self, found: dict[str, Whole], folder: Path) -> None:
        """What was made of them is right. Raises KeyError when one is not there."""
        for paper, sent, path in self.calm_sources(folder):
            self.right[paper.name, paper.number] = [found[sent], found[str(path)]]

    def version(self, source: str, whole: Whole) -> tuple[str, int]:
        """Which version of its paper a stored document is, passage by passage; -1, when it is none."""
        name = Path(source).name
        numbers = range(1, VERSIONS + 1)
        matching = (n for n in numbers if any(each.is_as(whole) for each in self.right.get((name, n), [])))
        return name, next(matching, -1)
