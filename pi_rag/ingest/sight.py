"""What is in a watched folder, or in parts of it, right now: names, sizes and times; nothing is read.

It knows the disk, and nothing of what is stored or what follows (`differences.py`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pi_rag.errors import DocumentRefused, DocumentUnreadable, DocumentVanished, PiRagError
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.differences import NOT_TAKEN, Differences, Seen, Stamp, compare
from pi_rag.ingest.file import read_file
from pi_rag.ingest.ignore import IGNORE_FILES, Choice, folders_of
from pi_rag.ingest.story import content_digest
from pi_rag.ingest.walk import Folder, Found, LeftOut, Step, is_absence, look, shown
from pi_rag.store.documents import MadeFrom
from pi_rag.store.metadata import to_json
from pi_rag.types import Refusal


@dataclass(slots=True)
class Sight:
    """One look at a folder, all of it or parts."""

    root: str
    choice: Choice
    files_max: int
    device: int | None = None
    """The number of the device that the folder lies on; None: it is not there."""
    folders: list[str] = field(default_factory=list)
    """Those that were looked into, by their whole paths, each before what is in it."""
    unreadable: list[str] = field(default_factory=list)
    """What could not be, relative to the root: what lies there is not known."""
    cut: bool = False
    """There is more than `files_max`; the rest was not seen."""
    _devices: dict[str, int | None] = field(default_factory=dict)
    """Of each folder, the number of the device it lies on; None: it is away by now."""

    def look_for_folders(self) -> None:
        """Only list the folders that may be looked into: of others the kernel would not tell."""
        for each in self._all(""):
            if isinstance(each, Folder) and _is_open(each.path):
                self._note(each.path)

    def compared(self, paths: Collection[str], stored: Mapping[str, tuple[int, int, int]]) -> Differences:
        """Look at these parts, '' for all, and hold what is there against what is stored of them."""
        self.device = device_of(self.root)
        found = compare((each for path in paths for each in self._seen(path)), stored)
        if device_of(self.root) != self.device:
            # It went away meanwhile, so what was not seen may well be there.
            self.device = None
        return found

    def _seen(self, path: str) -> Iterator[Seen]:
        left = self.files_max
        for each in self._all(path):
            if isinstance(each, Folder):
                self._note(each.path)
            if isinstance(each, Folder | LeftOut):
                continue
            seen = self._of_file(each) if isinstance(each, Found) else self._of_refusal(each)
            left -= seen is not None
            if left < 0:
                self.cut = True
                return
            if seen is not None:
                yield seen

    def _all(self, path: str) -> Iterator[Step]:
        return look(self.root, path, self.files_max, self.choice)

    def _note(self, folder: str) -> None:
        """One whose name is no text cannot be told to anybody."""
        if shown(folder) == folder:
            self.folders.append(folder)

    def _of_file(self, found: Found) -> Seen | None:
        try:
            facts = found.path.lstat()
        except FileNotFoundError:  # gone between listing and looking
            return None
        except OSError:
            self.unreadable.append(self._relative(str(found.path)))
            return None
        device = self._device_of(str(found.path.parent))
        if device is None:
            self.unreadable.append(self._relative(str(found.path)))
            return None
        stamp, elsewhere = Stamp(facts.st_size, facts.st_mtime_ns), 0 if device == self.device else device
        return Seen(self._relative(str(found.path)), stamp, elsewhere, ctime_ns=facts.st_ctime_ns)

    def _device_of(self, folder: str) -> int | None:
        """Folders are asked, not files: on an overlay each file may have a device of its own."""
        if folder not in self._devices:
            self._devices[folder] = device_of(folder)
        return self._devices[folder]

    def _of_refusal(self, refusal: Refusal) -> Seen | None:
        path = self._relative(refusal.source)
        if refusal.code == DocumentRefused.code:
            self.cut = True
            return None
        if refusal.code == DocumentVanished.code:
            return None
        if refusal.code == DocumentUnreadable.code:
            # It may be a folder: then nothing is known of what lies in it.
            self.unreadable.append(path)
            if self.folders and refusal.source == shown(self.folders[-1]) and not self._is_forbidden(path):
                return None
        return Seen(path, NOT_TAKEN, refusal=refusal)

    def _is_forbidden(self, path: str) -> bool:
        """Whether the last folder may not be looked into: the kernel tells nothing of it then, but a person
        must be told."""
        if _is_open(self.folders[-1]):
            return False
        self.folders.pop()
        return bool(path)

    def _relative(self, path: str) -> str:
        return path[len(self.root) + 1 :]


def _is_open(folder: str) -> bool:
    """Whether we may look into a folder."""
    return os.access(folder, os.R_OK | os.X_OK, effective_ids=True)


def device_of(folder: str) -> int | None:
    """A number for the file system that a folder lies on, as SQLite can keep it; None when there is none.

    It is the file system's own where it has one: numbers of devices go from one drive to the next.
    """
    try:
        facts = Path(folder).lstat()
        if not stat.S_ISDIR(facts.st_mode):
            return None
        return (os.statvfs(folder).f_fsid or facts.st_dev) & (2**63 - 1)
    except OSError:
        return None


def away(root: str, stored: Mapping[str, int], strange: Collection[int]) -> list[str]:
    """Of files that lay on other devices than their folder, the folders whose drive is not there now.

    `stored` has the device of each path. Where a drive was mounted lies an empty folder of the device around
    it when it is away, or none at all, or another drive. A drive is there when its number is, which some pass
    on to the next: not if it is among the `strange`, which hold only other files.
    """
    found: set[str] = set()
    for path, device in stored.items():
        folder, missing = _folder(path), ""
        while folder and device_of(f"{root}/{folder}") is None:
            folder, missing = _folder(folder), folder
        if device in strange or device_of(f"{root}/{folder}" if folder else root) != device:
            found.add(missing or folder or path)
    return sorted(found)


def not_there(root: str, paths: Collection[str]) -> list[str]:
    """Those of these files that do not exist, asked one by one. An error is no answer."""
    return [path for path in paths if _is_absent(f"{root}/{path}")]


def _is_absent(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError as error:
        return is_absence(error)
    return False


def parts(root: str, changed: Collection[str], parts_max: int) -> set[str]:
    """Which parts of a folder to look at after notices of these paths: none twice; of many, all of it.

    What an ignore file says counts for all of its folder.
    """
    below = f"{root}/"
    named = {path.removeprefix(below) if path.startswith(below) else "" for path in changed}
    wanted = {_folder(path) if path.rpartition("/")[2] in IGNORE_FILES else path for path in named}
    if "" in wanted or len(wanted) > parts_max:
        return {""}
    return {path for path in wanted if not any(folder in wanted for folder in folders_of(path))}


def _folder(path: str) -> str:
    """The folder that a relative path lies in; '' for the root."""
    return path.rpartition("/")[0]


def digests(root: str, files: Collection[Seen], mib_max: int, made: Collection[MadeFrom]) -> dict[str, str]:
    """Which of these files would become one of the documents that were `made`: its hash, by the file's path.

    It reads them. What was given with a document goes where its file goes.
    """
    beneath, hashes = Roots((root,)), {each.content_hash for each in made}
    givens = {to_json({"title": each.title, "metadata": each.metadata}): each for each in made}.values()
    found: dict[str, str] = {}
    for each in files:
        try:
            data = read_file(Path(root) / each.path, mib_max, beneath, links=False)
        except PiRagError:  # it will be read in its turn, and refused then
            continue
        would_be = (content_digest(given.title, given.metadata, data) for given in givens)
        if digest := next((digest for digest in would_be if digest in hashes), None):
            found[each.path] = digest
    return found


def chosen(root: str, data: str, include: Collection[str], exclude: Collection[str]) -> Choice:
    """What to look at in a folder. Never at our own data in it: to note what changed would change them."""
    ours = [f"/{_quoted(data[len(root) + 1 :])}/"] if data.startswith(f"{root}/") else []
    return Choice.of(list(include), list(exclude), ours)


def _quoted(path: str) -> str:
    return re.sub(r"([\\*?\[\] ])", r"\\\1", path)
