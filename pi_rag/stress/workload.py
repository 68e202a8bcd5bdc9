"""Seeded traffic: documents whose text says which they are, and questions that only one of them answers."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

THINGS = "boiler roof garden cellar lamp oven fence pump window stair kettle shelf bicycle ladder".split()
ACTS = "repaired painted bought measured cleaned sold moved lent tested replaced opened closed".split()
_TIMES = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January June October".split()


def documents(seed: int) -> Iterator[dict[str, str]]:
    """Endless documents; the same seed gives the same ones. Each holds a word that no other has."""
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        mark = marker(seed, number)
        lines = [
            f"The {dice.choice(THINGS)} was {dice.choice(ACTS)} on {dice.choice(_TIMES)} by {mark}."
            for _ in range(dice.randint(1, 12))
        ]
        yield {"source": f"{mark}.txt", "title": f"Note {number}", "text": "\n".join(lines)}


def marker(seed: int, number: int) -> str:
    """A word of letters that names one document."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    value, word = seed * 1_000_003 + number, ""
    while value:
        value, rest = divmod(value, 26)
        word += letters[rest]
    return f"zq{word}x"


def questions(seed: int) -> Iterator[str]:
    """Endless questions, no two alike, so that no cache answers them."""
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        yield f"when was the {dice.choice(THINGS)} {dice.choice(ACTS)} for the {number}th time"


def facts(seed: int) -> Iterator[str]:
    """Endless statements for agents to keep, each about another number, so that none is taken for another."""
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        yield (
            f"The {dice.choice(THINGS)} number {number} was {dice.choice(ACTS)} on {dice.choice(_TIMES)} "
            f"by {marker(seed, number)}."
        )


def digest(text: str) -> str:
    """Stands for a text in a ledger."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
