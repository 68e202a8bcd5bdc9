"""A folder in which files come, change, move and go, by chance, and what is in it at any moment.

Each text has a word that no other ever had. It knows the disk and no service; nothing outside its folder is
touched.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

from pi_rag.stress import workload

FOLDERS = 12
WAYS = ("create", "create", "edit", "edit", "replace", "move", "move", "delete", "delete", "move folder")


class Yard:
    """At most so many files; each change is one of `WAYS`."""

    def __init__(self, folder: Path, seed: int, files_max: int) -> None:
        self.folder = folder
        self.files: dict[Path, str] = {}
        """The text of each file that is there."""
        self.gone: list[str] = []
        """The words of texts that are no more."""
        self.done: Counter[str] = Counter()
        self._files_max = files_max
        self._texts = workload.documents(seed)
        self._dice = random.Random(f"yard/{seed}")
        self._number = 0
        for number in range(FOLDERS):
            (folder / f"part-{number}" / "deep").mkdir(parents=True)

    def fill(self, count: int) -> None:
        """So many files."""
        for _ in range(count):
            self._create()

    def change(self) -> None:
        """One thing happens. What cannot be now, since there is nothing or too much, makes room."""
        way = self._dice.choice(WAYS)
        if not self.files or (way == "create" and len(self.files) < self._files_max):
            way = "create"
        elif way == "create":
            way = "delete"
        self.done[way] += 1
        match way:
            case "create":
                self._create()
            case "edit":
                self._write(self._some(), aside=False)
            case "replace":
                self._write(self._some(), aside=True)
            case "move":
                self._move()
            case "delete":
                self._delete()
            case _:
                self._move_folder()

    def _some(self) -> Path:
        return self._dice.choice(list(self.files))

    def _new_path(self) -> Path:
        self._number += 1
        parts = [each for each in self.folder.iterdir() if each.is_dir()]
        part = self._dice.choice(sorted(parts))
        return part / self._dice.choice(("", "deep")) / f"note-{self._number}.txt"

    def _create(self) -> None:
        self._write(self._new_path(), aside=False)

    def _write(self, path: Path, *, aside: bool) -> None:
        """A new text; `aside`: as editors do, written beside it and put in its place."""
        text = next(self._texts)["text"]
        if path in self.files:
            self.gone.append(word_of(self.files[path]))
        if aside:
            other = path.with_name(f".{path.name}.new")
            other.write_text(text, encoding="utf-8")
            other.rename(path)
        else:
            path.write_text(text, encoding="utf-8")
        self.files[path] = text

    def _move(self) -> None:
        old, new = self._some(), self._new_path()
        old.rename(new)
        self.files[new] = self.files.pop(old)

    def _delete(self) -> None:
        path = self._some()
        path.unlink()
        self.gone.append(word_of(self.files.pop(path)))

    def _move_folder(self) -> None:
        """With all that is in it."""
        self._number += 1
        old = self._dice.choice(sorted(each for each in self.folder.iterdir() if each.is_dir()))
        new = self.folder / f"part-moved-{self._number}"
        shutil.move(old, new)
        self.files = {
            (new / path.relative_to(old) if path.is_relative_to(old) else path): text
            for path, text in self.files.items()
        }


def word_of(text: str) -> str:
    """The word that only this text has: the last of its first line."""
    return text.split("\n", 1)[0].removesuffix(".").rsplit(" ", 1)[-1]
