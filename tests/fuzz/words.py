"""What people and agents type into a search, wrong: through the words' desk, into a real full-text index."""

from __future__ import annotations

import random

from pi_rag.config import StoreSettings
from pi_rag.errors import PiRagError
from pi_rag.store import Connection, by_words, connection, identity, migrations
from pi_rag.types import Match, Scope
from tests.fuzz.driving import Target
from tests.fuzz.frames import sound
from tests.fuzz.mutating import STRANGE, Mutator
from tests.store.making import FINGERPRINT, put

MATCHES: tuple[Match, ...] = ("any", "all", "phrase")

PIECES = (
    "tea", "kettle", "NEAR", "NEAR(", "AND", "OR", "NOT", "-", "+", "*", "^", ":", '"', "'", "(", ")",
    "{", "}", "title:",
    "chunks_fts", "rowid", "; DROP", "--", "/*", "\\", "\0", "日本語", "ก็", "é", "e\u0301", "ß", "İ",
    "don't", "C++", "a.b.c",
    "192.168.0.1", "2026-03-31", "x" * 300, "tea " * 50, "👩‍👩‍👧", "\u200d", "\ud800", "%", "_", "~",
    "@", "#1", "$(id)", "½",
)  # fmt: skip

SEEDS = (
    '"hot tea" kettle',
    "tea -milk",
    "how do I descale the kettle?",
    "title:tea AND kettle*",
    "日本語 の 本",
    "C++ 17",
)


def database() -> Connection:
    """One in RAM with a few passages."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    put(
        made,
        "a",
        ["hot tea in a kettle", "multi agent 日本語 の 本", "C++ don't a.b.c 192.168.0.1"],
        title="Tea",
    )
    return made


def query(dice: random.Random) -> bytes:
    """A match and a query."""
    match dice.randrange(3):
        case 0:
            text = dice.choice(("", " ")).join(dice.choices(PIECES, k=dice.randint(1, 8)))
        case 1:
            text = "".join(str(each) for each in dice.choices(STRANGE, k=dice.randint(1, 3)))[:4000]
        case _:
            text = (
                Mutator(dice)
                .spoilt(dice.choice(SEEDS).encode(), dice.choice(SEEDS).encode())
                .decode("utf-8", "replace")
            )
    return bytes([dice.randrange(len(MATCHES))]) + text[:8000].encode("utf-8", "surrogatepass")


def targets() -> tuple[Target, ...]:
    """One, over a database of its own."""
    db = database()

    def search(data: bytes) -> str:
        asked = data[1:].decode("utf-8", "surrogatepass")
        try:
            found = by_words.by_words(
                db, asked, 5, Scope(), 1.0, 1.0, match=MATCHES[(data[0] if data else 0) % len(MATCHES)]
            )
        except PiRagError as error:
            return sound(error)
        assert len(found) <= 5 and all(score > 0 for _, score in found)
        return "found" if found else "nothing"

    return (Target("words", "a query for the full-text index", query, search, 60),)
