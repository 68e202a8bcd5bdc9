"""What was measured of this machine and model, kept in a small file, and whether it still holds.

The file has the measurements and what they were made of; what follows from them is `choice.py`'s to say. It
does not know how anything is measured.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.config import EmbedderSettings
from pi_rag.embedder.curve import Points
from pi_rag.host.board import Board, board
from pi_rag.models.wholefile import write_whole

if TYPE_CHECKING:
    from pi_rag.types import ModelCard

FORMAT = 1

FILE_BYTES_MAX = 64 * 1024
"""Many times what a measurement takes; a larger file is none of ours."""

NEVER = "it was never measured"
DAMAGED = "what was measured cannot be read"
BUSY = "the machine was busy when it was measured"

GOT_MIN = 0.85
"""With less of the processor, workers that disturb each other cannot be told from others who disturb them."""

_CHANGED = {
    "model_sha256": "the model changed",
    "library": "llama.cpp changed",
    "board": "the board changed",
    "tokens_max": "embedder.tokens_max changed",
    "texts_per_call_max": "embedder.texts_per_call_max changed",
}


@dataclass(frozen=True, slots=True)
class Key:
    """What a measurement was made of. With another key it says nothing."""

    model_sha256: str
    library: str
    """llama-cpp-python's version, and what stands for the libraries that it was built with."""
    board: Board
    tokens_max: int
    texts_per_call_max: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Passages a second with so many workers of so many threads."""

    workers: int
    threads: int
    passages_s: float


@dataclass(frozen=True, slots=True)
class Sharing:
    """So many short texts, each alone in its call, and all in one call."""

    tokens: int
    texts: int
    alone_ms: float
    shared_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one measurement."""

    plain: Points
    flash: Points
    frame_ms: float
    speeds: tuple[Speed, ...]
    sharing: tuple[Sharing, ...]
    rounds: int
    """How often the two ways of attention were measured; the least counts."""
    got: float
    """How much of the processor it had when it wanted it: 1 on a machine that nobody else used."""
    took_s: float
    skipped: tuple[str, ...]
    """What there was no time for."""

    @property
    def calm(self) -> bool:
        """Whether the speeds of workers can be compared."""
        return self.got >= GOT_MIN


@dataclass(frozen=True, slots=True)
class Tuned:
    """A measurement and what it was made of."""

    key: Key
    measured: Measured


def key_of(card: ModelCard, settings: EmbedderSettings) -> Key:
    """What a measurement made now would be made of."""
    return Key(
        model_sha256=card.sha256,
        library=_library(),
        board=board(),
        tokens_max=min(settings.tokens_max, card.tokens_max),
        texts_per_call_max=settings.texts_per_call_max,
    )


def save(path: Path, tuned: Tuned) -> None:
    """Keep a measurement. Raises OSError."""
    tree = {"format": FORMAT, **asdict(tuned)}
    write_whole(path, json.dumps(tree, indent=1).encode() + b"\n")


def found(path: Path, key: Key) -> tuple[Tuned | None, str]:
    """The measurement that holds under this key, or None; and why it should be made anew, if it should.

    Never fails.
    """
    try:
        tuned = _parsed(_read(path))
    except FileNotFoundError:
        return None, NEVER
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None, DAMAGED
    why = _changed(tuned.key, key)
    if why:
        return None, why
    return tuned, "" if tuned.measured.calm else BUSY


def measured_of(tree: dict[str, Any]) -> Measured:
    """Back from JSON. Raises ValueError, TypeError or KeyError when it is no measurement."""
    measured = Measured(
        plain=_points(tree["plain"]),
        flash=_points(tree["flash"]),
        frame_ms=_size(tree["frame_ms"]),
        speeds=tuple(
            Speed(_count(each["workers"]), _count(each["threads"]), _size(each["passages_s"]))
            for each in tree["speeds"]
        ),
        sharing=tuple(
            Sharing(
                _count(each["tokens"]),
                _count(each["texts"]),
                _size(each["alone_ms"]),
                _size(each["shared_ms"]),
            )
            for each in tree["sharing"]
        ),
        rounds=_count(tree["rounds"]),
        got=_size(tree["got"]),
        took_s=_size(tree["took_s"]),
        skipped=tuple(str(each) for each in tree["skipped"]),
    )
    if [tokens for tokens, _ in measured.plain] != [tokens for tokens, _ in measured.flash]:
        raise ValueError("The two ways of attention were measured at other lengths.")
    return measured


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"{path} is larger than any measurement.")
    return json.loads(data)


def _parsed(tree: Any) -> Tuned:
    if tree["format"] != FORMAT:
        raise ValueError(f"The format is {tree['format']!r}.")
    given = dict(tree["key"])
    given["board"] = Board(**given["board"])
    return Tuned(Key(**given), measured_of(tree["measured"]))


def _points(found: Any) -> Points:
    """At least one, ascending: what a curve can be drawn through."""
    points = tuple((_count(tokens), _size(ms)) for tokens, ms in found)
    lengths = [tokens for tokens, _ in points]
    if not lengths or lengths != sorted(set(lengths)):
        raise ValueError("These are not the points of a curve.")
    return points


def _size(value: Any) -> float:
    if type(value) not in {int, float} or not 0 < value < math.inf:
        raise ValueError(f"{value!r} is not the size of anything.")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a count.")
    return value


def _changed(before: Key, now: Key) -> str:
    """What made a measurement void; empty when nothing did."""
    names = (each.name for each in fields(Key))
    return next((_CHANGED[name] for name in names if getattr(before, name) != getattr(now, name)), "")


def _library() -> str:
    """Which llama.cpp computes here, told without loading it: the service itself never does.

    The version alone would not do: it is built on the machine, and with other flags it is another.
    """
    versions = [each.version for each in importlib.metadata.distributions(name="llama-cpp-python")]
    spec = importlib.util.find_spec("llama_cpp")
    digest = hashlib.blake2b(digest_size=6)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        # Each library is there under several names of which one is short.
        for path in sorted(Path(folder, "lib").glob("*.so")):
            digest.update(path.name.encode() + hashlib.blake2b(path.read_bytes()).digest())
    return f"{' '.join(versions)} {digest.hexdigest()}"
