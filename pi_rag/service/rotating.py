"""A file of lines that never grows beyond its bound: when it is full it becomes the one before, and so on.

A line is written whole and at once, and not forced to the disk: the kernel gets to it within half a minute. A
power cut may leave half a line at the end, after which the next begins on a line of its own. It knows nothing
of what the lines say.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path


class Rotating:
    """`NAME.jsonl`, and as `NAME.1.jsonl`, `NAME.2.jsonl`, ... those before it, the oldest last."""

    def __init__(self, folder: Path, name: str, *, bytes_max: int, files_max: int) -> None:
        """Of one file, and how many files there are at most."""
        self._folder = folder
        self._name = name
        self._bytes_max = bytes_max
        self._files_max = files_max
        self._turn = threading.Lock()

    def append(self, lines: bytes) -> None:
        """Write whole lines, each with its end. Makes the folder. Raises OSError; then nothing is kept.

        From any thread, one at a time: at the end of the service one may still be at it.
        """
        with self._turn:
            self._append(lines)

    def _append(self, lines: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._size() + len(lines) > self._bytes_max:
            self._rotate()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self._path(0), flags, 0o600)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            self._write(file, size, b"\n" * torn + lines)
        finally:
            os.close(file)

    def _write(self, file: int, size: int, data: bytes) -> None:
        """All of it, or what was there before."""
        if os.write(file, data) != len(data):
            os.ftruncate(file, size)
            raise OSError("the disk took a part of the lines only")

    def _size(self) -> int:
        try:
            return self._path(0).stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        """Each takes the name of the one before it; the oldest goes, and those that were once allowed."""
        for number in count(self._files_max):
            if not self._path(number).exists():
                break
            self._path(number).unlink()
        for number in range(self._files_max - 1, 0, -1):
            if self._path(number - 1).exists():
                self._path(number - 1).replace(self._path(number))
        self._path(0).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / (f"{self._name}.{number}.jsonl" if number else f"{self._name}.jsonl")
