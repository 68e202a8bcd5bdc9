"""A shim between SQLite and its VFS: it counts the calls that change something and fails, tears or loses one.

While `between` lasts, whatever the store opens goes through it, so the store needs no hook for its tests. It
puts functions of ours into the VFS's own table of functions (`sqlite3_vfs`, and `sqlite3_io_methods` of every
file that is opened); all others, and ours after they were asked, are those that are shipped. A subclass of
`apsw.VFS` was tried first. It can only raise, and what it raises comes out of calls in which SQLite had dealt
with the error (closing, the end of a journal): statements failed that do not fail on a real disk.

What is not asked for: reads, locks, and stores into the WAL index once it is mapped, which are no calls.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import apsw

Kind = Literal["open", "write", "sync", "truncate", "delete", "map"]
"""`map` is of the WAL index: a piece of it, 32 KiB, is made or mapped."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Deed = Literal["do", "fail", "tear", "lose"]
"""Carry it out; refuse it; carry out the first half of a write and refuse it; say that it was done."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of SQLite that changes something, or opens a file."""

    kind: Kind
    path: Path
    at: int = 0
    """Of a write: where. Of a truncate: the new length."""
    data: bytes = b""
    folder_too: bool = False
    """Of a sync or a delete: the folder's entries are to be on the disk as well."""
    made: bool = False
    """Of an open: the file was not there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a call, and the code that SQLite gets where it fails; 0: the usual one."""

    deed: Deed
    code: int = 0


DO = Verdict("do")

Judge = Callable[[Call], Verdict]
"""Asked before each call, one call at a time."""
Witness = Callable[[Call], None]
"""Told of each call that was carried out."""

CODES: dict[Kind, int] = {
    "open": apsw.SQLITE_CANTOPEN,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "delete": apsw.SQLITE_IOERR_DELETE,
    "map": apsw.SQLITE_IOERR_SHMMAP,
}
"""What the VFS answers when the kernel refuses such a call."""

_CLOSE = CFUNCTYPE(c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_MAP = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, https://sqlite.org/c3ref/io_methods.html, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", _CLOSE),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        *((f"as_it_is_{number}", c_void_p) for number in range(7)),
        ("map", _MAP),
        *((f"as_it_is_too_{number}", c_void_p) for number in range(5)),
    )


class _Vfs(ctypes.Structure):
    """The beginning of `sqlite3_vfs`, https://sqlite.org/c3ref/vfs.html."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("path_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
    )


class _File(ctypes.Structure):
    """The beginning of `sqlite3_file`."""

    _fields_ = (("methods", POINTER(_Methods)),)


@dataclass(slots=True)
class _Opened:
    """An open file: what it is called, and the functions that it came with."""

    path: Path
    methods: Any
    folder_too: bool
    """Its next sync syncs its folder as well, as the VFS does for a log that it may have made."""


class _Shim:
    """One for the life of the process: files may stay open beyond a test."""

    def __init__(self) -> None:
        self.judge: Judge = doing
        self.witness: Witness = lambda _: None
        self._turn = threading.RLock()
        self._opened: dict[int, _Opened] = {}
        self._vfs = _shipped()
        self._was = (_OPEN(_address(self._vfs.open)), _DELETE(_address(self._vfs.delete)))
        self._ours = (_OPEN(self._open), _DELETE(self._delete))
        self._calls = (
            _CLOSE(self._close),
            _WRITE(self._write),
            _TRUNCATE(self._truncate),
            _SYNC(self._sync),
            _MAP(self._map),
        )
        self._tables: dict[int, _Methods] = {}

    def install(self) -> None:
        self._vfs.open, self._vfs.delete = self._ours

    def remove(self) -> None:
        self._vfs.open, self._vfs.delete = self._was
        self.judge, self.witness = doing, lambda _: None

    def _put(self, call: Call, act: Callable[[Call], int]) -> int:
        """Do to a call what the judge says. `act` carries out the call it is given. Returns SQLite's code."""
        with self._turn:
            verdict = self.judge(call)
            if verdict.deed == "lose":
                return apsw.SQLITE_OK
            if verdict.deed == "tear" and call.kind == "write":
                self._act(Call("write", call.path, call.at, call.data[: len(call.data) // 2]), act)
            if verdict.deed in {"fail", "tear"}:
                return verdict.code or CODES[call.kind]
            return self._act(call, act)

    def _act(self, call: Call, act: Callable[[Call], int]) -> int:
        code = act(call)
        if code == apsw.SQLITE_OK:
            self.witness(call)
        return code

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = Path(os.fsdecode(ctypes.string_at(name))) if name else Path()
        made = name is not None and not path.exists()
        is_log = bool(flags & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))
        may_make = is_log and bool(flags & apsw.SQLITE_OPEN_CREATE)
        # A file that was not opened has no functions, by which SQLite knows not to close it.
        ctypes.cast(file, POINTER(c_void_p))[0] = None

        def act(_: Call) -> int:
            code = int(self._was[0](vfs, name, file, flags, out))
            if code == apsw.SQLITE_OK:
                self._take(file, path, folder_too=may_make)
            return code

        return self._put(Call("open", path, made=made), act)

    def _take(self, file: int, path: Path, *, folder_too: bool) -> None:
        """Give an open file our functions in place of those it came with."""
        opened = ctypes.cast(file, POINTER(_File)).contents
        where = ctypes.addressof(opened.methods.contents)
        if where not in self._tables:
            table = _Methods.from_buffer_copy(opened.methods.contents)
            table.close, table.write, table.truncate, table.sync, table.map = self._calls
            self._tables[where] = table
        self._opened[file] = _Opened(path, _Methods.from_address(where), folder_too)
        opened.methods = ctypes.pointer(self._tables[where])

    def _delete(self, vfs: int, name: bytes, with_folder: int) -> int:
        call = Call("delete", Path(os.fsdecode(name)), folder_too=bool(with_folder))
        return self._put(call, lambda _: int(self._was[1](vfs, name, 0)))

    def _close(self, file: int) -> int:
        return int(self._opened.pop(file).methods.close(file))

    def _write(self, file: int, data: int, count: int, at: int) -> int:
        opened = self._opened[file]
        call = Call("write", opened.path, at, ctypes.string_at(data, count))
        return self._put(call, lambda call: int(opened.methods.write(file, data, len(call.data), at)))

    def _truncate(self, file: int, size: int) -> int:
        opened = self._opened[file]
        call = Call("truncate", opened.path, size)
        return self._put(call, lambda _: int(opened.methods.truncate(file, size)))

    def _sync(self, file: int, _flags: int) -> int:
        """Nothing is waited for: whoever watches keeps account of what would be on the disk."""
        opened = self._opened[file]
        call = Call("sync", opened.path, folder_too=opened.folder_too)
        code = self._put(call, lambda _: apsw.SQLITE_OK)
        opened.folder_too &= code != apsw.SQLITE_OK
        return code

    def _map(self, file: int, number: int, size: int, extend: int, out: int) -> int:
        opened = self._opened[file]
        call = Call("map", opened.path.with_name(opened.path.name + "-shm"), number * size)
        return self._put(call, lambda _: int(opened.methods.map(file, number, size, extend, out)))


def _address(function: Any) -> int:
    return ctypes.cast(function, c_void_p).value or 0


def _shipped() -> _Vfs:
    """SQLite's default VFS, as it is used by apsw."""
    db, where = apsw.Connection(":memory:"), c_void_p()
    assert db.file_control("main", apsw.SQLITE_FCNTL_VFS_POINTER, ctypes.addressof(where))
    db.close()
    vfs = _Vfs.from_address(where.value or 0)
    assert vfs.name == b"unix", vfs.name
    return vfs


def doing(_: Call) -> Verdict:
    """Carries out everything."""
    return DO


@dataclass(slots=True)
class Nth:
    """Does something to the nth call of a kind (from 0), or from it on to all of that kind.

    `kind` None: of all calls. `met` says whether there was such a call.
    """

    number: int
    kind: Kind | None
    verdict: Verdict
    lasting: bool = False
    seen: int = 0
    met: bool = False

    def __call__(self, call: Call) -> Verdict:
        if self.kind is not None and call.kind != self.kind:
            return DO
        here, self.seen = self.seen, self.seen + 1
        if here == self.number or (self.lasting and here > self.number):
            self.met = True
            return self.verdict
        return DO


_SHIM: list[_Shim] = []


@contextlib.contextmanager
def between(judge: Judge, witness: Witness = lambda _: None) -> Iterator[None]:
    """Inside it every connection that is opened goes through the shim. Not within itself."""
    if not _SHIM:
        _SHIM.append(_Shim())
    [shim] = _SHIM
    shim.judge, shim.witness = judge, witness
    shim.install()
    try:
        yield
    finally:
        shim.remove()
