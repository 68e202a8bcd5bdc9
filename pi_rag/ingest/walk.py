"""Which files are below a path, in an order that stays the same, and why the others are not taken.

It looks at names and kinds of files only and opens none but the ignore files (`ignore.py`). It never follows
a link within a folder, so it cannot leave the folder it was given, nor go in circles. It does not know what
is done with what it finds.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pi_rag.errors import (
    DocumentBinary,
    DocumentLinkLoop,
    DocumentRefused,
    DocumentUnreadable,
    DocumentUnsupported,
    DocumentVanished,
    PathNotFound,
    PiRagError,
)
from pi_rag.ingest.ignore import ALL, Choice, Rules, folders_of
from pi_rag.ingest.mounts import Mounts, place_of
from pi_rag.text.kinds import is_media
from pi_rag.types import Refusal

JUNK_FOLDERS = frozenset(
    {"node_modules", "__pycache__", "venv", "site-packages", "bower_components", "lost+found", "target"}
)
"""Made by programs and made again when needed. Folders with a dot, like .git and .venv, are hidden anyway."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that may be worth reading."""

    path: Path


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is looked into."""

    path: str


class LeftOut(NamedTuple):
    """What a walk passes over without a word."""

    path: str
    """Its whole path: of the file that was asked for, or of the folder with which that is left out."""
    why: str


@dataclass(frozen=True, slots=True)
class _Named:
    """A path with the face of an `os.DirEntry`, for one that was named and not listed."""

    path: str
    name: str

    def is_symlink(self) -> bool:
        return Path(self.path).is_symlink()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(Path(self.path).stat(follow_symlinks=follow_symlinks).st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISREG(Path(self.path).stat(follow_symlinks=follow_symlinks).st_mode)

    def stat(self) -> os.stat_result:
        return Path(self.path).stat()


Entry = os.DirEntry[str] | _Named

Step = Found | Refusal | Folder | LeftOut
"""What a walk comes across. Of what it passes over it gives links, each at its turn: it takes a while to ask
where so many lead, and who waits for the next step would wait for all of them."""

TWICE = "it is a link to what lies in the same folder"


def walk(root: Path, files_max: int) -> Iterator[Found | Refusal]:
    """The file that `root` is, or the files below it: folders and files by name, each folder where it stands.

    A link named as root is followed. Hidden and junk folders, hidden files, what `.gitignore` and
    `.piragignore` name, and links to what is found below the root as well are left out without a word
    (`left_out`). After `files_max` files one refusal says that the rest is left out. Raises PathNotFound,
    DocumentLinkLoop, DocumentUnreadable, DocumentUnsupported for the root itself, at once.
    """
    return (each for each in steps(root, files_max) if isinstance(each, Found | Refusal))


def steps(root: Path, files_max: int) -> Iterator[Step]:
    """As `walk`, with each folder before it is looked into, and links that are left out."""
    try:
        real = os.path.realpath(root, strict=True)
        mode = os.lstat(real).st_mode
    except (OSError, ValueError) as error:
        raise _of_root(root, error) from error
    if stat.S_ISDIR(mode):
        return look(real, "", files_max)
    if stat.S_ISREG(mode):
        return iter([_file(real, Path(real).name)])
    raise DocumentUnsupported(f"{shown(str(root))} is a device, a pipe or a socket, not a file.")


def shown(path: str) -> str:
    """A path that can be printed and stored: what is not UTF-8 in it is replaced."""
    return path.encode("utf-8", "replace").decode("utf-8")


def check_name(path: str) -> None:
    """Raise DocumentUnreadable for a path that is not UTF-8: nobody could ask for what it is stored as."""
    if shown(path) != path:
        raise DocumentUnreadable(
            "Its name is not UTF-8, so it could not be named in an answer.",
            hint="Rename it, for example: convmv -r -f latin1 -t utf8 --notest FOLDER   "
            "(which may need: sudo apt install convmv)",
        )


def look(root: str, path: str, files_max: int, choice: Choice = ALL) -> Iterator[Step]:
    """What a walk of the folder `root`, a real path, would find at `path` within it and below; '' is all.

    Folders come before what is in them. What a walk would not come across gives nothing, as does what is not
    there; what cannot be asked is refused.
    """
    rules, above = Rules(), ""
    whole = _Walk(root, files_max, choice)
    for base in (*folders_of(path), path) if path else ():
        folder = _named(root, above).path
        try:
            rules = rules.within(folder, above)
        except DocumentUnreadable as error:
            yield Folder(folder)
            yield _refusal(folder, error)
            return
        here, above = _named(root, base), base
        if not _wanted(here, base, rules, choice):
            return
        try:
            mode = os.lstat(here.path).st_mode
        except OSError as error:
            if not is_absence(error):
                yield _refusal(here.path, _of_folder(error))
            return
        if not stat.S_ISDIR(mode):
            if base == path:
                yield whole.met(here)
            return
    start = _named(root, path)
    if path or _is_folder(start):
        yield from whole.below(start.path, path, rules)


def left_out(root: str, path: str, choice: Choice = ALL) -> LeftOut | None:
    """Why a walk of the folder `root` passes over `path` within it without a word; None when it does not."""
    rules, above = Rules(), ""
    for base in (*folders_of(path), path):
        try:
            rules = rules.within(_named(root, above).path, above)
        except DocumentUnreadable:  # a walk says so
            return None
        here, above = _named(root, base), base
        why = _why_not(here, base, rules, choice)
        if why is None and here.is_symlink():
            if _leads_to_found(here, root, choice, Mounts()):
                why = TWICE
            elif base != path:
                why = "it is a link, and links within a folder are not followed"
        if why is not None:
            return LeftOut(here.path, why)
    return None


def is_absence(error: OSError) -> bool:
    """Whether it says that something is not there. Of all other errors nothing can be concluded."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR)


def _named(root: str, path: str) -> _Named:
    """What is at `path`, seen from the root, without looking whether it is there."""
    return _Named(f"{root.rstrip('/')}/{path}" if path else root, path.rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk through a root, or a part of it."""

    root: str
    files_max: int
    choice: Choice
    mounts: Mounts = field(default_factory=Mounts)

    def below(self, folder: str, base: str, rules: Rules) -> Iterator[Step]:
        """Depth first without recursion: a folder may be nested deeper than the interpreter's stack."""
        yield Folder(folder)
        levels = [self._level(folder, base, rules, self.files_max)]
        found = 0
        while levels:
            entries, inner = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()
            elif isinstance(entry, Refusal):
                yield entry
            elif _is_folder(entry):
                yield Folder(entry.path)
                levels.append(self._level(entry.path, self._path(entry), inner, self.files_max - found))
            else:
                each = self.met(entry)
                found += isinstance(each, Found)
                if found > self.files_max:
                    yield _too_many(self.root, self.files_max)
                    return
                yield each

    def met(self, entry: Entry) -> Found | Refusal | LeftOut:
        """What is no folder, when its turn has come."""
        if _leads_to_found(entry, self.root, self.choice, self.mounts):
            return LeftOut(entry.path, TWICE)
        return _classified(entry, self.mounts)

    def _level(
        self, folder: str, base: str, above: Rules, room: int
    ) -> tuple[Iterator[os.DirEntry[str] | Refusal], Rules]:
        """What is in a folder, by name, and its rules; of one too full only as much as shows that it is."""
        try:
            rules = above.within(folder, base)
            with os.scandir(folder) as listing:
                wanted = (each for each in listing if _wanted(each, self._path(each), rules, self.choice))
                first = heapq.nsmallest(room + 2, wanted, key=lambda entry: entry.name)
            # What is refused or left out has filled the room, if this is come to.
            rest = [_cut(folder)] if len(first) > room + 1 else []
            return iter([*first[: room + 1], *rest]), rules
        except OSError as error:
            return iter([_refusal(folder, _of_folder(error))]), above
        except DocumentUnreadable as error:
            return iter([_refusal(folder, error)]), above

    def _path(self, entry: Entry) -> str:
        """Where an entry is, seen from the root."""
        return entry.path[len(self.root.rstrip("/")) + 1 :]


def _wanted(entry: Entry, path: str, rules: Rules, choice: Choice) -> bool:
    """Whether a walk looks at what is at `path`, seen from the root."""
    return _why_not(entry, path, rules, choice) is None


def _why_not(entry: Entry, path: str, rules: Rules, choice: Choice) -> str | None:
    """Why a walk passes over what is at `path`, seen from the root; None when it looks at it."""
    if entry.name.startswith("."):
        return "its name begins with a dot"
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:  # it may be anything: whoever looks at it will say what is wrong
        return None
    if is_folder and entry.name in JUNK_FOLDERS:
        return "programs make folders of this name, and make them again"
    why = choice.why_not(path, is_folder=is_folder)
    if why is None and (file := rules.ignored_by(path, is_folder=is_folder)) is not None:
        why = f"{shown(file)} names it"
    return why


def _leads_to_found(entry: Entry, root: str, choice: Choice, mounts: Mounts) -> bool:
    """Whether it is a link to what a walk of the root comes across by its own path, or to the root itself.

    What leads to another mount is not asked: that might hang.
    """
    try:
        if not entry.is_symlink() or place_of(entry.path, Path(entry.path).parent, mounts) != entry.path:
            return False
        real, below = os.path.realpath(entry.path, strict=True), f"{root.rstrip('/')}/"
        if real == root:
            return True
        return real.startswith(below) and left_out(root, real.removeprefix(below), choice) is None
    except OSError:
        return False


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _classified(entry: Entry, mounts: Mounts) -> Found | Refusal:
    try:
        if entry.is_symlink():
            return _refusal(entry.path, _of_link(entry, mounts))
        if entry.is_file(follow_symlinks=False):
            return _file(entry.path, entry.name)
        error: PiRagError = DocumentUnsupported("It is a device, a pipe or a socket, not a file.")
        os.lstat(entry.path)
    except OSError as failure:
        error = _of_folder(failure)
    return _refusal(entry.path, error)


def _file(path: str, name: str) -> Found | Refusal:
    """A regular file: taken, unless its name alone says that it cannot be."""
    try:
        check_name(path)
    except DocumentUnreadable as error:
        return _refusal(path, error)
    if is_media(name):
        suffix = Path(name).suffix.lower()
        return _refusal(path, DocumentBinary(f"A {suffix} file is not read."))
    return Found(Path(path))


def _of_link(entry: Entry, mounts: Mounts) -> PiRagError:
    """Why a link in a folder is not taken. What leads to another mount is not asked: that might hang."""
    try:
        if place_of(entry.path, Path(entry.path).parent, mounts) == entry.path:
            entry.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return DocumentLinkLoop("It is a link that leads back to itself, or through too many others.")
        return DocumentUnsupported("It is a link that leads nowhere.")
    return DocumentUnsupported(
        "It is a link, and links within a folder are not followed.",
        hint="Add what it leads to by its own path.",
    )


def _of_root(root: Path, error: OSError | ValueError) -> PiRagError:
    number = getattr(error, "errno", None)
    path = shown(str(root))
    if number == errno.ELOOP:
        return DocumentLinkLoop(f"{path} is a link that leads back to itself, or through too many others.")
    if number in (errno.EACCES, errno.EPERM, errno.EIO):
        return DocumentUnreadable(f"{path} cannot be looked at: {os.strerror(number)}.")
    if number == errno.ENOENT and root.is_symlink():
        reason = f"{path} is a link that leads nowhere."
        return PathNotFound(reason, hint="Mend the link, or name another file.")
    return PathNotFound(f"There is no file or folder {path}.")


def _of_folder(error: OSError) -> PiRagError:
    """What the operating system says about a folder that was there a moment ago."""
    if is_absence(error):
        return DocumentVanished("It was gone when it was its turn.")
    return DocumentUnreadable(f"It cannot be looked into: {os.strerror(error.errno or 0)}.")


def _too_many(root: str, files_max: int) -> Refusal:
    error = DocumentRefused(
        f"There are more than {files_max} files below it; the rest is left out.",
        hint="Add its folders one by one, or raise ingest.walk_files_max.",
    )
    return _refusal(root, error)


def _cut(folder: str) -> Refusal:
    error = DocumentRefused(
        "More lies in it than is looked at, and much of that is not taken; the rest is left out.",
        hint="Move what is not taken elsewhere, or raise ingest.walk_files_max.",
    )
    return _refusal(folder, error)


def _refusal(path: str, error: PiRagError) -> Refusal:
    return Refusal(shown(path), error.code, error.message, error.hint)
