"""Files that a person, a card or a stranger has spoilt: settings, snapshots, models, measurements, exports.

Each is read as the program reads it, from a folder of its own. What is right is made here, with the program's
own writers where it has any.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from pi_rag import config
from pi_rag.cli import import_, memory_files
from pi_rag.embedder import tuned
from pi_rag.errors import BadInput, DocumentDamaged, ModelError, PathNotFound, PiRagError, SettingsInvalid
from pi_rag.host.board import board
from pi_rag.index.choice import Shape
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.index.signs import Signs
from pi_rag.index.turbo import Turbo
from pi_rag.ingest import exported
from pi_rag.memory import exported as memories
from pi_rag.memory import markdown
from pi_rag.memory_types import Caller
from pi_rag.models.gguf_file import read_facts
from pi_rag.models.shelf import Shelf, card_of_file
from pi_rag.store import snapshot
from pi_rag.types import Fingerprint
from tests.fuzz.driving import Target
from tests.fuzz.frames import one_of, sound
from tests.fuzz.mutating import Mutator

DIMENSIONS, PASSAGES = 8, 20
MODEL = Fingerprint("tiny", "0" * 64, "cls", "query: ", DIMENSIONS, 1)
TOKEN = "feedfacefeedface"


def targets(folder: Path) -> tuple[Target, ...]:
    """All of them; each writes what it reads below `folder`."""
    return (
        _settings(folder / "settings"),
        _snapshot("snapshot", folder / "snapshot", lambda: Turbo(DIMENSIONS, 4), Shape("turbo", 4)),
        _loader("index_signs", folder / "signs", lambda: Signs(DIMENSIONS)),
        _loader("index_turbo", folder / "turbo", lambda: Turbo(DIMENSIONS, 4)),
        _model(folder / "model"),
        _shelved(folder / "shelf"),
        _manifest(folder / "manifest"),
        _measured(folder / "measured"),
        Target("import_line", "a line of an export of documents", _document_line, import_line, 150),
        Target("memory_line", "a line of an export of memory", _memory_line, memory_line, 150),
        Target("memory_list", "a list of facts in Markdown", _list, memory_list, 80),
    )


# Settings.


def _settings(folder: Path) -> Target:
    folder.mkdir(parents=True)
    path = folder / "pi-rag.toml"
    seeds = _right_settings()
    words = [name.encode() for name in config.names()] + [
        name.split(".")[1].encode() for name in config.names()
    ]

    def read(data: bytes) -> str:
        path.write_bytes(data)
        try:
            config.load(str(path))
        except SettingsInvalid as error:
            named = [str(path), *config.names(), *(name.split(".")[0] for name in config.names())]
            assert any(name in error.message for name in named), error.message
            return sound(error)
        return "taken"

    words += [
        b"= 1\n",
        b"[service]\n",
        b"= 1979-05-27\n",
        b"= [1, 2]\n",
        b"= {a = 1}\n",
        b'= """',
        b"= inf\n",
        b"= nan",
    ]
    return Target("settings", "a settings file", lambda dice: one_of(seeds, dice, words), read, 40)


def _right_settings() -> list[bytes]:
    """Each section with its defaults, and all of them."""
    sections: dict[str, list[str]] = {}
    for name, item in config.names().items():
        group, key = name.split(".", 1)
        sections.setdefault(group, [f"[{group}]"]).append(f"{key} = {json.dumps(item.default)}")
    texts = ["\n".join(lines) + "\n" for lines in sections.values()]
    return [text.encode() for text in (*texts, "\n".join(texts))]


# The RAM index on the disk.


def _filled(index: Proposer) -> Proposer:
    raw = np.random.default_rng(2).standard_normal((PASSAGES, DIMENSIONS)).astype("<f4")
    index.add(range(1, PASSAGES + 1), (raw / np.linalg.norm(raw, axis=1, keepdims=True)).tobytes())
    return index


class _Saved:
    """A saved index; an input is one byte that chooses a file, and what is in that file then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.right = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        self.names = list(self.right)

    def source(self, dice: random.Random) -> bytes:
        at = dice.randrange(len(self.names))
        name = self.names[at]
        data = self.right[name]
        if name.endswith(".json") and dice.random() < 0.5:
            return bytes([at]) + Mutator(dice).text(json.loads(data))
        return bytes([at]) + Mutator(dice).spoilt(data, self.right[dice.choice(self.names)])

    def harmed(self, data: bytes) -> bool:
        """Put it there; whether anything of it is wrong."""
        name = self.names[(data[0] if data else 0) % len(self.names)]
        for each, right in self.right.items():
            (self.folder / each).write_bytes(data[1:] if each == name else right)
        return data[1:] != self.right[name]


def _snapshot(name: str, folder: Path, made: Callable[[], Proposer], shape: Shape) -> Target:
    """As the store takes one at its start: whole and its own, or not at all."""
    folder.mkdir(parents=True)
    _filled(made()).save(folder)
    snapshot.publish(folder, snapshot.Noted(TOKEN, PASSAGES), shape, MODEL)
    saved = _Saved(folder)
    card = json.loads(saved.right["snapshot.json"])

    def read(data: bytes) -> str:
        harmed = saved.harmed(data)
        index = made()
        try:
            snapshot.load(folder, TOKEN, shape, MODEL, index)
        except SnapshotUnusable:
            assert harmed
            return "refused"
        # Only a card that says the same in other words may be harmed and taken.
        said = json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
        assert not harmed or all(said[key] == value for key, value in card.items())
        assert len(index) == PASSAGES
        return "taken"

    return Target(name, "a snapshot of the RAM index", saved.source, read, 8)


def _loader(name: str, folder: Path, made: Callable[[], Proposer]) -> Target:
    """As an index reads its own files, had their checksums been right by chance."""
    folder.mkdir(parents=True)
    _filled(made()).save(folder)
    saved = _Saved(folder)
    vector = np.eye(1, DIMENSIONS, dtype="<f4").tobytes()

    def read(data: bytes) -> str:
        saved.harmed(data)
        index = made()
        try:
            index.load(folder)
        except SnapshotUnusable:
            return "refused"
        assert len(index.propose(vector, 5)) <= 5
        return "taken"

    return Target(name, "the files of a RAM index without their checksums", saved.source, read, 10)


# Models.


def _right_model(path: Path) -> Path:
    writer = gguf.GGUFWriter(path, "bert")
    for key, number in (
        ("bert.embedding_length", 32),
        ("bert.context_length", 128),
        ("bert.pooling_type", 1),
    ):
        writer.add_uint32(key, number)
    writer.add_string("tokenizer.ggml.model", "bert")
    writer.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _model(folder: Path) -> Target:
    """As a GGUF's header is read before anything else is."""
    folder.mkdir(parents=True)
    path = folder / "m.gguf"
    right = _right_model(path).read_bytes()

    def read(data: bytes) -> str:
        path.write_bytes(data)
        try:
            facts = read_facts(path)
        except (ModelError, PathNotFound) as error:
            return sound(error)
        json.dumps(asdict(facts))
        assert facts.tokens_max >= 1 and facts.dimensions == 32
        return "taken"

    return Target("model_header", "the header of a model's file", lambda d: one_of([right], d), read, 40)


def _shelved(folder: Path) -> Target:
    """As an installed model is verified: whatever is wrong with it, its checksum tells."""
    folder.mkdir(parents=True)
    right = _right_model(folder / "made.gguf").read_bytes()
    shelf = Shelf(folder / "models")
    card = shelf.put(folder / "made.gguf", replace(card_of_file(folder / "made.gguf"), name="m"))

    def read(data: bytes) -> str:
        Path(card.path).write_bytes(data)
        try:
            shelf.verify(card)
        except ModelError as error:
            assert data != right
            return sound(error)
        assert data == right
        return "taken"

    return Target("model_checksum", "an installed model's file", lambda d: one_of([right], d), read, 20)


def _manifest(folder: Path) -> Target:
    """As the list of installed models is read."""
    folder.mkdir(parents=True)
    shelf = Shelf(folder / "models")
    _right_model(folder / "made.gguf")
    shelf.put(folder / "made.gguf", replace(card_of_file(folder / "made.gguf"), name="m"))
    path = folder / "models" / "models.json"
    right = path.read_bytes()
    tree = json.loads(right)

    def source(dice: random.Random) -> bytes:
        return Mutator(dice).text(tree) if dice.random() < 0.7 else one_of([right], dice)

    def read(data: bytes) -> str:
        path.write_bytes(data)
        try:
            cards = shelf.cards()
            shelf.name_in_use()
        except PiRagError as error:
            return sound(error)
        assert all(Path(each.path).parent == (folder / "models").absolute() for each in cards)
        return "taken"

    return Target("model_list", "the list of installed models", source, read, 30)


def _measured(folder: Path) -> Target:
    """As what was measured of this machine is read at a start, which it may never hinder."""
    folder.mkdir(parents=True)
    path = folder / "tuning.json"
    key = tuned.Key("0" * 64, "x", board(), 250, 8)
    curve = ((16, 1.5), (64, 4.0))
    measured = tuned.Measured(
        curve, curve, 0.2, (tuned.Speed(1, 1, 9.0),), (tuned.Sharing(9, 8, 5.0, 4.0),), 3, 0.9, 20.0, ("a",)
    )
    tuned.save(path, tuned.Tuned(key, measured))
    tree = json.loads(path.read_bytes())

    def read(data: bytes) -> str:
        path.write_bytes(data)
        found, why = tuned.found(path, key)
        return "taken" if found else why

    return Target("tuning", "what was measured of this machine", lambda d: Mutator(d).text(tree), read, 20)


# Exports and imports.

VECTOR = "AACAPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""The first axis of eight, in base64."""

DOCUMENT: dict[str, Any] = {
    "collection": "default",
    "source": "notes/tea.md",
    "title": "Tea",
    "kind": "markdown",
    "metadata": {"author": "Ann", "year": 2026, "tags": ["hot"]},
    "created_at": 1767225600.0,
    "updated_at": 1767225601.5,
    "content_hash": "ab" * 32,
    "text": "Tea is made with hot water. Milk comes last.",
    "pages": [[0, 1], [28, 2]],
    "passages": [
        {
            "start": 0,
            "end": 27,
            "heading": "Tea",
            "page": 1,
            "tokens": 7,
            "hash": "cd" * 32,
            "vector": VECTOR,
        },
        {"start": 28, "end": 44, "heading": "", "page": None, "tokens": 4, "hash": None, "vector": VECTOR},
    ],
}
SQLITE_MAX = 2**63 - 1


def _document_line(dice: random.Random) -> bytes:
    return Mutator(dice).text(DOCUMENT)


def import_line(data: bytes) -> str:
    """As the command line and then the service read it: what is taken can be stored."""
    try:
        line = import_._parsed(data)
        payload = exported.payload(line, asdict(MODEL))
        given = exported.read(payload)
    except DocumentDamaged as error:
        return sound(error)
    except (ValueError, RecursionError):  # of `payload`, which says so; the service refuses the line for it
        return "refused"
    given.reading.text.encode("utf-8"), given.reading.title.encode("utf-8")
    numbers = [number for pair in given.reading.pages for number in pair]
    for chunk in given.made.chunks if given.made else ():
        numbers += [chunk.start, chunk.end, chunk.token_count, chunk.page or 0]
    assert all(-1 <= number <= SQLITE_MAX for number in numbers), "a number that cannot be stored"
    return "taken"


MEMORY: dict[str, Any] = {
    "id": 4, "type": "fact", "scope": "user", "kind": "preference", "text": "Ann takes her tea without milk.",
    "topic": "tea/milk", "importance": 0.7, "confidence": 0.9, "tags": ["tea"], "pinned": False,
    "trust": "person",
    "at": 1767225600.0, "valid_to": None, "expires_at": 1999999999.0, "created_at": 1767225600.0,
    "gone_at": None,
    "gone": None, "supersedes": 3, "revision": 2, "seq": None, "door": "agent", "client": "x/1",
    "source": None,
    "repeats": 1, "last_said_at": 1767225600.0, "uses": 3, "used_at": 1767225600.0,
    "session": {"title": "autumn", "started_at": 1767225600.0, "ended_at": None},
}  # fmt: skip
REMEMBER = config.RememberSettings()
CALLERS = (Caller("person"), Caller("agent", scopes=("user",)))


def _memory_line(dice: random.Random) -> bytes:
    return Mutator(dice).text(MEMORY)


def memory_line(data: bytes) -> str:
    """As the command line and then the service read it."""
    became = ""
    for caller in CALLERS:
        try:
            told = memory_files._parsed(data)
            brought = memories.brought(told, REMEMBER, caller, 1.8e9)
        except (BadInput, DocumentDamaged) as error:
            became = sound(error)
            continue
        for value in asdict(brought.memory).values():
            assert not isinstance(value, int) or -SQLITE_MAX <= value <= SQLITE_MAX
            assert not isinstance(value, float) or -1e12 < value < 1e12, value
            assert not isinstance(value, str) or value.encode("utf-8") is not None
        assert abs(brought.id) <= SQLITE_MAX
        became = "taken"
    return became


LIST = b"""# What is remembered

## user

- [preference] **tea/milk**: Ann takes her tea without milk. <!-- {"tags": ["tea"], "importance": 0.7} -->
- [note] A note
  of two lines. <!-- {"at": "2026-03-31T18:00:00+00:00", "valid_to": 1999999999.0, "pinned": true} -->

## project:tea

- [decision] The pot is blue. <!-- {"topic": null, "confidence": 0.5, "expires_at": "2027-01-01"} -->
- plain
"""
LIST_WORDS = (
    b"<!-- {",
    b"} -->",
    b"## agent:x\n",
    b"- [note] ",
    b"**",
    b'"at": ',
    b"  ",
    b"\r\n- ",
    b'"tags": [',
)


def _list(dice: random.Random) -> bytes:
    return one_of([LIST], dice, LIST_WORDS)


def memory_list(data: bytes) -> str:
    """As a list is read; each fact has words, and lines in order."""
    found = list(markdown.items(data.decode("utf-8", "replace"), "user"))
    lines = [item.line for item in found]
    assert lines == sorted(lines) and all(item.fact.text.strip() for item in found)
    return f"{min(len(found), 9)} facts"
