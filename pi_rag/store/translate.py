"""The one place where foreign exceptions of the store become errors of `pi_rag.errors`.

Foreign are apsw's classes, the operating system's errors about the data folder, and the exceptions of
Python that a value raises when it cannot be bound to a statement, or a text when it is none.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from pi_rag.errors import (
    DiskFull,
    DocumentTooLarge,
    InternalError,
    PiRagError,
    RequestInvalid,
    Stopping,
    StoreBusy,
    StoreDamaged,
    StoreReadOnly,
    StoreUnusable,
)

KINDS: dict[type[Exception], type[PiRagError]] = {
    # A stranger holds a lock, or memory is short: the same request may succeed in a moment.
    apsw.BusyError: StoreBusy,
    apsw.LockedError: StoreBusy,
    apsw.ProtocolError: StoreBusy,
    apsw.SchemaChangeError: StoreBusy,
    apsw.NoMemError: StoreBusy,
    # Only closing the store interrupts a statement.
    apsw.InterruptError: Stopping,
    # The file or the disk.
    apsw.CorruptError: StoreDamaged,
    apsw.NotADBError: StoreDamaged,
    apsw.FormatError: StoreDamaged,
    apsw.FullError: DiskFull,
    apsw.ReadOnlyError: StoreReadOnly,
    apsw.PermissionsError: StoreReadOnly,
    apsw.CantOpenError: StoreUnusable,
    apsw.IOError: StoreUnusable,
    apsw.AuthError: StoreUnusable,
    apsw.NoLFSError: StoreUnusable,
    apsw.EmptyError: StoreUnusable,
    apsw.NotFoundError: StoreUnusable,
    apsw.ExtensionLoadingError: StoreUnusable,
    apsw.NoFTS5Error: StoreUnusable,
    # A value of more than SQLite's gigabyte can only be a document's text.
    apsw.TooBigError: DocumentTooLarge,
    # The rest can only be raised by a mistake of ours.
    apsw.AbortError: InternalError,
    apsw.BindingsError: InternalError,
    apsw.ConnectionClosedError: InternalError,
    apsw.ConnectionNotClosedError: InternalError,
    apsw.ConstraintError: InternalError,
    apsw.CursorClosedError: InternalError,
    apsw.Error: InternalError,
    apsw.ExecTraceAbort: InternalError,
    apsw.ExecutionCompleteError: InternalError,
    apsw.ForkingViolationError: InternalError,
    apsw.IncompleteExecutionError: InternalError,
    apsw.InternalError: InternalError,
    apsw.InvalidContextError: InternalError,
    apsw.MismatchError: InternalError,
    apsw.MisuseError: InternalError,
    apsw.RangeError: InternalError,
    apsw.SQLError: InternalError,
    apsw.ThreadingViolationError: InternalError,
    apsw.VFSFileClosedError: InternalError,
    apsw.VFSNotImplementedError: InternalError,
}
"""Every exception class of apsw, and what a person or program should make of it."""

_DAMAGE = frozenset({apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_CORRUPTFS})
"""After a failed fsync the kernel may have dropped what was written: a second try only looks like success."""

_DAMAGED_WORDS = ("invalid fts5 file format", "vtable constructor failed", "malformed", "no such table")
"""What SQLite says, under the code of a faulty statement, where the schema or a word index has lost a page.
Every table that a statement of ours names was made when the database was opened."""

_SAYS: dict[type[PiRagError], str] = {
    StoreBusy: "{what} is busy",
    Stopping: "{what} is being closed",
    StoreDamaged: "{what} is damaged",
    DiskFull: "{what} has no space left on its disk",
    StoreReadOnly: "{what} cannot be written",
    StoreUnusable: "{what} cannot be used",
    DocumentTooLarge: "The document is larger than {what} can hold",
    InternalError: "{what} refused a statement of ours",
}

DISK_REFUSES = (
    "The disk refuses to be read or written, as a card does that is worn out. See what the kernel says: sudo "
    "dmesg. Copy the data while it can be read: pi-rag export"
)
"""What to do where it is neither the path nor a right."""

_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def translated(what: str = "The database") -> Iterator[None]:
    """Inside it, foreign exceptions leave as errors of ours about `what`; ours pass through untouched."""
    try:
        yield
    except apsw.Error as error:
        raise translation(error, what) from error
    except UnicodeDecodeError as error:
        # SQLite gives a text as it lies there. What was stored was UTF-8.
        raise StoreDamaged(f"{what} is damaged: a text in it is no text any more.") from error
    except UnicodeEncodeError as error:
        raise RequestInvalid("A text holds half of a character (a lone surrogate).") from error
    except OverflowError as error:
        raise RequestInvalid("A number does not fit into 64 bits.") from error


def translation(error: Exception, what: str = "The database") -> PiRagError:
    """The error of ours that stands for one of apsw's."""
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    result = getattr(error, "extendedresult", None)
    if result in _DAMAGE or _tells_of_damage(error):
        kind = StoreDamaged
    elif result == apsw.SQLITE_IOERR_SHMSIZE:
        kind = DiskFull  # no room for the index of the log, which SQLite does not call full
    refuses = kind is StoreUnusable and isinstance(error, apsw.IOError)
    return kind(f"{_SAYS[kind].format(what=what)}: {error}.", hint=DISK_REFUSES if refuses else None)


def _tells_of_damage(error: Exception) -> bool:
    """Whether what a statement needs was there and is not any more."""
    return isinstance(error, apsw.SQLError) and any(words in str(error) for words in _DAMAGED_WORDS)


def of_the_system(error: OSError, path: Path) -> PiRagError:
    """The error of ours that stands for what the operating system said about `path`."""
    reason = error.strerror or str(error)
    if error.errno in _READ_ONLY:
        return StoreReadOnly(f"{path} cannot be written: {reason}.")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{path} cannot be written: {reason}.")
    hint = DISK_REFUSES if error.errno == errno.EIO else None
    return StoreUnusable(f"{path} cannot be used: {reason}.", hint=hint)
