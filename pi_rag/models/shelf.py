"""The shelf: the installed models and the list of them.

    models/models.json        the list: what each model is, its checksum, and which one is in use
    models/NAME.gguf          the models
    models/.partial/NAME/     a pull in progress, or one that broke and can be resumed

A model appears whole or not at all: it is written elsewhere, synced, renamed, and only then listed. The shelf
knows nothing of networks or conversions.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pi_rag import owners
from pi_rag.errors import (
    Busy,
    DiskFull,
    ModelCorrupt,
    ModelError,
    ModelMissing,
    ModelNotFound,
    ModelSourceFailed,
    RequestInvalid,
)
from pi_rag.models import catalogue
from pi_rag.models.checksum import sha256_of
from pi_rag.models.wholefile import sync, write_whole
from pi_rag.types import ModelCard

# A name that ends like a file would be taken for a path.
_NAME = re.compile(r"(?!.*\.gguf$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.IGNORECASE)
_FORMAT = 1

OWN_HINT = "Put a whole file in its place."
"""A pull would put one on the shelf, and leave a file of one's own as it is."""


@dataclass(slots=True)
class _Manifest:
    in_use: str | None = None
    cards: dict[str, ModelCard] = field(default_factory=dict)


class Shelf:
    """The models in one folder. Cheap to make; it reads the list each time, so it is never out of date."""

    def __init__(self, models_path: Path) -> None:
        self.models_path = models_path

    def cards(self) -> list[ModelCard]:
        """All installed models, by name. Raises ModelCorrupt when the list cannot be read."""
        return [card for _, card in sorted(self._manifest().cards.items())]

    def card(self, name: str) -> ModelCard:
        """The installed model of this name. Raises ModelNotFound."""
        return _named(self._manifest(), name)

    def name_in_use(self) -> str | None:
        """The name chosen with `use`, or None."""
        return self._manifest().in_use

    def current(self, choice: str) -> ModelCard:
        """The model to load: `choice` is a name, the path of a GGUF, or empty for the one in use.

        Raises ModelMissing when there is none or its file is gone, ModelNotFound for an unknown name, and for
        a path PathNotFound, ModelCorrupt or ModelUnsupported.
        """
        if own := own_file(choice):
            return card_of_own(own)
        manifest = self._manifest()
        name = choice or manifest.in_use
        if name is None:
            raise ModelMissing("No model is installed.")
        card = _named(manifest, name)
        if not Path(card.path).exists():
            raise ModelMissing(f"The file of the model {name!r} is gone: {card.path}.")
        return card

    def use(self, name: str) -> ModelCard:
        """Make an installed model the one in use. Raises ModelNotFound."""
        with self._changing() as manifest:
            card = _named(manifest, name)
            manifest.in_use = card.name
        return card

    def put(self, file: Path, card: ModelCard) -> ModelCard:
        """Move a finished GGUF onto the shelf and list it; the first one becomes the one in use.

        `file` must lie on the shelf's workbench. A model of the same name is replaced. Returns the card with
        its path. Raises RequestInvalid for a name that cannot be a file's, DiskFull or ModelError when the
        folder cannot be written.
        """
        card = replace(card, path=str(self._path_of(card.name)))
        with self._changing() as manifest:
            sync(file)
            file.replace(card.path)
            sync(self.models_path)
            manifest.cards[card.name] = card
            manifest.in_use = manifest.in_use or card.name
        return card

    def verify(self, card: ModelCard) -> None:
        """Read the whole file and compare its sha256. Raises ModelMissing or ModelCorrupt."""
        try:
            found = sha256_of(card.path)
        except FileNotFoundError:
            raise ModelMissing(f"The file of the model {card.name!r} is gone: {card.path}.") from None
        except OSError as error:
            raise ModelMissing(f"The model {card.path} cannot be read: {error}.") from error
        if found != card.sha256:
            is_own = Path(card.path).parent != self.models_path.absolute()
            raise ModelCorrupt(
                f"The model {card.path} does not have its checksum {card.sha256}.",
                hint=OWN_HINT if is_own else None,
            )

    def remove(self, name: str) -> ModelCard:
        """Take a model off the list, then delete its file. Raises ModelNotFound."""
        with self._changing() as manifest:
            card = _named(manifest, name)
            del manifest.cards[card.name]
            manifest.in_use = None if manifest.in_use == card.name else manifest.in_use
        with _writing(self.models_path):
            Path(card.path).unlink(missing_ok=True)
        return card

    @contextmanager
    def workbench(self, label: str) -> Iterator[Path]:
        """A folder to prepare one model in, on the shelf's own disk; one process at a time.

        It is cleared afterwards, except when a transfer broke off: the next pull goes on from there. Raises
        Busy when another process is at work.
        """
        benches = self.models_path / ".partial"
        bench = benches / label
        with _writing(benches):
            _make_private(bench)
            with _locked(benches, wait=False):
                broke_off = False
                try:
                    yield bench
                except (ModelSourceFailed, KeyboardInterrupt):
                    broke_off = any(path.is_file() for path in bench.rglob("*"))
                    raise
                finally:
                    if not broke_off:
                        shutil.rmtree(bench, ignore_errors=True)

    def check_name(self, name: str) -> None:
        """Raises RequestInvalid for a name that cannot be a file's."""
        self._path_of(name)

    def _path_of(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise RequestInvalid(
                f"A model cannot be named {name!r}.",
                hint="A name has up to 100 letters, digits, dots, dashes and underscores: --name NAME",
            )
        return self.models_path.absolute() / f"{name}.gguf"

    def _manifest(self) -> _Manifest:
        path = self.models_path / "models.json"
        try:
            return _parsed(json.loads(path.read_bytes()), self)
        except FileNotFoundError:
            return _Manifest()
        except PermissionError as error:
            raise _forbidden(path) from error
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
            RequestInvalid,
        ) as error:
            raise ModelCorrupt(
                f"The list of models {path} cannot be read: {error}.",
                hint=f"Move {path} away and run: pi-rag model pull",
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[_Manifest]:
        """The list, to be changed: other processes wait, and it is written when the block ends well."""
        with _writing(self.models_path):
            _make_private(self.models_path)
            with _locked(self.models_path, wait=True):
                manifest = self._manifest()
                yield manifest
                write_whole(self.models_path / "models.json", _written(manifest))


def own_file(choice: str) -> Path | None:
    """The file that a choice names by its path; None where it is the name of an installed model, or none."""
    named = "/" in choice or choice.endswith(".gguf")
    return Path(choice).expanduser().absolute() if named else None


def card_of_own(path: Path) -> ModelCard:
    """As `card_of_file`; where it is damaged, the hint is for a file that no pull brings back."""
    try:
        return card_of_file(path)
    except ModelCorrupt as error:
        raise ModelCorrupt(error.message, hint=OWN_HINT) from error


def card_of_file(path: Path) -> ModelCard:
    """The card of a GGUF that is not on the shelf, from its header and its whole content.

    Raises PathNotFound, ModelCorrupt or ModelUnsupported.
    """
    # The reader of headers brings numpy along, which a listing of the shelf should not pay for.
    from pi_rag.models.catalogue import usual_query_prefix
    from pi_rag.models.gguf_file import read_facts

    facts = read_facts(path)
    prefix = usual_query_prefix(path.stem) if facts.query_prefix is None else facts.query_prefix
    return ModelCard(
        name=path.stem,
        path=str(path),
        sha256=sha256_of(path),
        dimensions=facts.dimensions,
        pooling=facts.pooling,
        tokens_max=facts.tokens_max,
        query_prefix=prefix,
        quantisation=facts.quantisation,
        source=str(path),
        licence=facts.licence,
    )


def _forbidden(path: Path) -> ModelError:
    """What another user's shelf says: nothing of it is damaged, and nothing is to be moved away."""
    return ModelError(
        f"The list of models {path} may not be read by this user.",
        hint=owners.advice(path),
    )


def _named(manifest: _Manifest, name: str) -> ModelCard:
    by_lower = {known.lower(): card for known, card in manifest.cards.items()}
    if name.lower() not in by_lower:
        raise ModelNotFound(f"No model {name!r} is installed.", hint=_how_to_get(name))
    return by_lower[name.lower()]


def _how_to_get(name: str) -> str:
    """The command, or which names there are."""
    try:
        return f"Get it with: pi-rag model pull {catalogue.find(name).name}"
    except ModelNotFound as error:
        return f"See what is installed: pi-rag model list   {error.hint}"


def _parsed(tree: Any, shelf: Shelf) -> _Manifest:
    if tree["format"] != _FORMAT:
        raise ValueError(f"its format is {tree['format']!r}, not {_FORMAT}")
    known = {item.name for item in fields(ModelCard)} - {"path"}
    manifest = _Manifest(tree["in_use"])
    for entry in tree["models"]:
        values = {key: value for key, value in entry.items() if key in known}
        manifest.cards[entry["name"]] = ModelCard(path=str(shelf._path_of(entry["name"])), **values)
    return manifest


def _written(manifest: _Manifest) -> bytes:
    """The list as JSON. Paths are left out, so that the data folder can be moved."""
    entries = [asdict(card) for _, card in sorted(manifest.cards.items())]
    for entry in entries:
        del entry["path"]
    tree = {"format": _FORMAT, "in_use": manifest.in_use, "models": entries}
    return json.dumps(tree, indent=2, ensure_ascii=False).encode() + b"\n"


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold a folder's lock. The kernel drops it when we die, so no stale lock can stay behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, wait)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise Busy("Another process is fetching or importing a model.") from None


def _make_private(folder: Path) -> None:
    """Create a folder, and what is missing above it, for the owner alone."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into words."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(
                f"The disk of {folder} is full.", hint="Free some space and run the same command again."
            ) from error
        if isinstance(error, PermissionError):
            hint = owners.advice(folder)
        else:
            hint = "Check who owns it, and that the disk is not mounted read-only."
        raise ModelError(
            f"The folder {folder} cannot be written: {error}.",
            hint=hint,
        ) from error
