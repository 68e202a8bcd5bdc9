"""The one tree of errors that a person or a program can meet.

    PiRagError
    ├── BadInput ............. the request is at fault; sending it again will not help (HTTP 400, exit 2)
    │   ├── SettingsInvalid, QueryEmpty, QueryTooLong, FilterInvalid, RequestInvalid, KeyReused,
    │   │   RequestTooLarge, InputTooLong, TokensInvalid, AdministratorsOnly, ScopeInvalid, ScopeForbidden,
    │   │   ScopeFull, MemoryTooLong, TimeInFuture, SecretRefused, SessionEnded, ForgetAll,
    │   │   ForgetUnconfirmed, EraseFirstForget, PersonsOnly, ChangeFinal, ReadOnlyDoor, JobEnded
    │   ├── DocumentRefused .. one document cannot be taken, and why (HTTP 422)
    │   │   └── DocumentEmpty, DocumentBinary, DocumentTooLarge, DocumentUnreadable, DocumentUnsupported,
    │   │       DocumentOutside, DocumentUnreachable, DocumentEncrypted, DocumentNeedsOcr,
    │   │       DocumentTooSlow, DocumentDamaged, DocumentLinkLoop, DocumentVanished, DocumentRemoved,
    │   │       DocumentGaveUp
    │   └── SocketPathInvalid, SocketInUse
    ├── NotFound ............. the thing named is not there (HTTP 404, exit 3)
    │   └── PathNotFound, DocumentNotFound, JobNotFound, WatchNotFound, ModelNotFound, RouteNotFound,
    │       MemoryNotFound, SessionNotFound, ChangeNotFound, SuggestionNotFound
    ├── TryLater ............. right request, wrong moment; carries retry_after_ms (HTTP 503, exit 4)
    │   └── Busy, Stopping, DeadlineExceeded, EmbedderUnavailable, ReaderUnavailable,
    │       StoreBusy, DiskStuck, MemoryShort, ServiceBeside
    ├── ServiceDown .......... the service cannot be reached over its socket (exit 5)
    │   └── SocketForbidden
    ├── ModelError ........... a model file or its source is at fault (HTTP 500, exit 6)
    │   └── ModelMissing, ModelCorrupt, ModelUnsupported, ModelMismatch, ModelSourceFailed, VectorInvalid,
    │       TextNotEmbedded
    ├── StoreError ........... the database is at fault (HTTP 500, exit 7)
    │   └── LibraryTooOld, SchemaNewer, StoreDamaged, StoreReadOnly, DiskFull, StoreUnusable,
    │       BackupUnwritable, BackupOvertaken, NoBackup
    ├── GpioUnusable ......... the pins for lamp and button cannot be used (exit 8)
    ├── ReaderKilled, DocumentStalled .. nobody knows whose fault it was (HTTP 500, exit 1)
    └── InternalError ........ a fault of ours (HTTP 500, exit 70)

Each carries a closed `code`, a message that names the thing, a hint that says what to do next and,
where waiting helps, `retry_after_ms`. Foreign exceptions are turned into these in one place for each
library: `store/translate.py`, `models/hub.py`, `ingest/reader_child.py` and `client.py`.

This module imports nothing of ours, so that every other one may import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self


class PiRagError(Exception):
    """Any failure that has a name. `str(error)` is its message; `error.hint` is the next step."""

    code: ClassVar[str] = "error"
    hint_default: ClassVar[str] = "Run: pi-rag doctor"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    retry_after_ms_default: ClassVar[int | None] = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after_ms: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.hint_default
        self.retry_after_ms = self.retry_after_ms_default if retry_after_ms is None else retry_after_ms
        self.param = param
        """The field of the request that is at fault, where one is. Only HTTP tells it."""

    def again(self) -> Self:
        """The same reason, as a new exception: one that is raised twice keeps growing its traceback."""
        return type(self)(self.message, hint=self.hint, retry_after_ms=self.retry_after_ms, param=self.param)

    def to_wire(self) -> dict[str, Any]:
        """The JSON shape that every door shows: {code, message, hint, retry_after_ms}."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retry_after_ms": self.retry_after_ms,
        }


class BadInput(PiRagError):
    """The request is at fault; sending it again unchanged will not help."""

    code = "bad_input"
    hint_default = "Mend the request and send it again."
    http_status = 400
    exit_code = 2


class SettingsInvalid(BadInput):
    """A setting is unknown, of the wrong type, out of bounds, or contradicts another."""

    code = "settings_invalid"
    hint_default = "Every setting is described in docs/settings.md."


class QueryEmpty(BadInput):
    """A search was asked for without a word to search for."""

    code = "query_empty"
    hint_default = 'Type what you look for, for example: pi-rag search "power cut"'


class QueryTooLong(BadInput):
    """A query is longer than `query.chars_max`."""

    code = "query_too_long"
    hint_default = "Ask with the few sentences that matter; add long texts with pi-rag add."


class FilterInvalid(BadInput):
    """What narrows a search has a shape or a value that the search does not know."""

    code = "filter_invalid"
    hint_default = 'A filter is {"field": value}, or {"field": {"gte": value}} and its like; see docs/api.md.'


class RequestInvalid(BadInput):
    """A request's body, field or type is not what the interface describes."""

    code = "request_invalid"
    hint_default = "Agents: see the tool's input schema. HTTP: see /openapi.json or docs/api.md."


class KeyReused(BadInput):
    """A request has the idempotency key of another one."""

    code = "key_reused"
    hint_default = "Send each request with a key of its own; the same key only to send the same once more."
    http_status = 409


class RequestTooLarge(BadInput):
    """A request's body is larger than `service.request_mib_max`."""

    code = "request_too_large"
    hint_default = "Send fewer documents in one request, or raise service.request_mib_max."
    http_status = 413


class InputTooLong(BadInput):
    """A text to embed has more tokens than the model sees. Its end would be lost without a word."""

    code = "input_too_long"
    hint_default = 'Split it, or send "truncate": true to have its end left out.'


class TokensInvalid(BadInput):
    """A text was given as token ids, and one of them is none of this model's."""

    code = "tokens_invalid"
    hint_default = "Send texts, or ids of this model's own vocabulary."


class AdministratorsOnly(BadInput):
    """Who asks may use the service, but this is for the members of `service.admin_group`."""

    code = "administrators_only"
    hint_default = "Join the group of service.admin_group, and log in again."
    http_status = 403


class ScopeInvalid(BadInput):
    """A scope of agents' memory is written as none can be."""

    code = "scope_invalid"
    hint_default = (
        'Write "user", "project:NAME" or "agent:NAME"; NAME: up to 64 letters, digits, dots, underscores '
        "and hyphens, a letter or digit first."
    )


class ScopeForbidden(BadInput):
    """This guest was bound to other scopes of agents' memory when it was started."""

    code = "scope_forbidden"
    hint_default = "Use a scope that this client is bound to, or start it with another --scope."
    http_status = 403


class ScopeFull(BadInput):
    """A scope of agents' memory holds as much as it may, and nothing in it may be evicted."""

    code = "scope_full"
    hint_default = "Unpin or forget something in it: pi-rag memory use   (or raise the setting named)"
    http_status = 409


class MemoryTooLong(BadInput):
    """A text is longer than one fact, event or summary may be."""

    code = "memory_too_long"
    hint_default = "Remember the few sentences that matter; add long texts as documents: pi-rag add"


class TimeInFuture(BadInput):
    """An event is said to have happened at a time that has not come yet."""

    code = "time_in_future"
    hint_default = "Leave the time out for now, or mend it: seconds since 1970, not milliseconds."


class SecretRefused(BadInput):
    """A text for agents' memory holds what looks like a key, a token or a password."""

    code = "secret_refused"
    hint_default = 'Leave it out, and say where it is kept instead. Or set remember.secrets = "mask".'


class SessionEnded(BadInput):
    """A session that has ended, or expired for want of events, takes no more."""

    code = "session_ended"
    hint_default = "Start a new session in its scope; it is given the summary of this one."
    http_status = 409


class ForgetAll(BadInput):
    """Memories are to be forgotten, and nothing says which."""

    code = "forget_all"
    hint_default = "Name ids, or narrow it by topic, kind, tag or time. If a whole scope is meant, say all."


class ForgetUnconfirmed(BadInput):
    """What a filter fits is forgotten only after a dry run, and only while it still fits the same."""

    code = "forget_unconfirmed"
    hint_default = "Do a dry run, look at what it lists, and give back its `confirm`."
    http_status = 409


class EraseFirstForget(BadInput):
    """Only what is forgotten already can be erased for good."""

    code = "erase_first_forget"
    hint_default = "Forget it first, without hard; then erase it."
    http_status = 409


class PersonsOnly(BadInput):
    """An agent wants to erase for good what a person has said or pinned."""

    code = "persons_only"
    hint_default = "Forget it without hard, which can be undone; a person erases it: pi-rag forget ID --hard"
    http_status = 403


class ChangeFinal(BadInput):
    """A change of agents' memory cannot be taken back: it erased, or something later stands on it."""

    code = "change_final"
    hint_default = "Look at what came after it, and take back another: pi-rag memory log"
    http_status = 409


class ReadOnlyDoor(BadInput):
    """This guest was started to read only."""

    code = "read_only_door"
    hint_default = "Start it without --read-only, if it is to write."
    http_status = 403


class JobEnded(BadInput):
    """A job is to be paused, resumed or cancelled, and has ended."""

    code = "job_ended"
    hint_default = "See what became of it: pi-rag jobs ID. Take out what it has stored: pi-rag remove"
    http_status = 409


class DocumentRefused(BadInput):
    """One document cannot be taken. The others of the same job are not affected."""

    code = "document_refused"
    hint_default = "See docs/start.md for what can be read."
    http_status = 422


class DocumentEmpty(DocumentRefused):
    """A document holds no text at all."""

    code = "document_empty"
    hint_default = "Nothing to remember in it; leave it out."


class DocumentBinary(DocumentRefused):
    """A file is neither text nor a format that can be read."""

    code = "document_binary"
    hint_default = "Only text, source code and documents are read; docs/start.md lists their formats."


class DocumentTooLarge(DocumentRefused):
    """A file is larger than `ingest.document_mib_max`, or its text than `ingest.document_chars_max`."""

    code = "document_too_large"
    hint_default = "Split it, or raise ingest.document_mib_max (of its text: ingest.document_chars_max)."


class DocumentUnreadable(DocumentRefused):
    """The operating system refused to open or read a file."""

    code = "document_unreadable"
    hint_default = "Give the service's user the right to read it, or add it with pi-rag add as yourself."


class DocumentUnsupported(DocumentRefused):
    """A path is not a regular file: a device, a socket, a pipe."""

    code = "document_unsupported"
    hint_default = "Only regular files and folders can be added."


class DocumentOutside(DocumentRefused):
    """A path does not lie beneath one of the folders of `ingest.roots`, or a link leads out of them."""

    code = "document_outside"
    hint_default = "Add its folder to ingest.roots, or move it below one that is there."


class DocumentUnreachable(DocumentRefused):
    """An address of the web is not fetched here, or could not be."""

    code = "document_unreachable"
    hint_default = "Look at it with a browser; or send the page itself: pi-rag add - --source URL"


class DocumentEncrypted(DocumentRefused):
    """A document asks for a password."""

    code = "document_encrypted"
    hint_default = "Save a copy without a password and add that."


class DocumentNeedsOcr(DocumentRefused):
    """A document has pages but (nearly) no text on them: a scan."""

    code = "document_needs_ocr"
    hint_default = (
        'Have its pictures read: sudo apt install tesseract-ocr, and ingest.ocr = "on" (docs/settings.md). '
        "Or run it through OCR first: ocrmypdf scan.pdf text.pdf"
    )


class DocumentTooSlow(DocumentRefused):
    """Reading a document took longer than `ingest.read_s_max` or more than its processor time."""

    code = "document_too_slow"
    hint_default = "Split it, or raise ingest.read_s_max."


class DocumentDamaged(DocumentRefused):
    """A document's reader failed or died on it."""

    code = "document_damaged"
    hint_default = "Open and save it again with the program that made it."


class DocumentLinkLoop(DocumentRefused):
    """A symbolic link leads back to itself, or through too many others."""

    code = "document_link_loop"
    hint_default = "Name the real file or folder instead of the link."


class DocumentVanished(DocumentRefused):
    """A file or folder was there when the job began and is gone now."""

    code = "document_vanished"
    hint_default = "Run pi-rag add again when it is back."


class DocumentRemoved(DocumentRefused):
    """Somebody removed the document while a newer version of it waited to be stored. Or it is a file of a
    watched folder that was removed or cancelled: nothing of it is kept until it changes."""

    code = "document_removed"
    hint_default = "Add it again, if it is wanted after all."


class DocumentGaveUp(DocumentRefused):
    """The service died `ingest.attempts_max` times while it worked on this document, be it by power cuts."""

    code = "document_gave_up"
    hint_default = (
        "Try it once more: pi-rag jobs retry. If it ends so again, leave it out, and report it with the "
        "service's log."
    )


class ReaderKilled(PiRagError):
    """The reading child was killed while it was on a document, most often since memory ran out."""

    code = "reader_killed"
    hint_default = "When more memory is free: pi-rag jobs retry"


class DocumentStalled(PiRagError):
    """Work on a document has not moved for `ingest.lease_s`, or the disk gave no answer for
    `ingest.disk_s_max`. It is tried again, then given up."""

    code = "document_stalled"
    hint_default = "Look at the disk or the network mount that it lies on; then: pi-rag jobs retry"


class SocketPathInvalid(BadInput):
    """The socket path is too long for the kernel, or something that is not a socket lies there."""

    code = "socket_path_invalid"
    hint_default = "Choose another path with --socket or PI_RAG_SOCKET."


class SocketInUse(BadInput):
    """Another service answers on the socket path, or holds the data folder."""

    code = "socket_in_use"
    hint_default = "Stop the other service, or choose another --socket and --data."


class NotFound(PiRagError):
    """The thing named is not there."""

    code = "not_found"
    hint_default = "Check the name."
    http_status = 404
    exit_code = 3


class PathNotFound(NotFound):
    """A path names nothing."""

    code = "path_not_found"
    hint_default = "Check the spelling; relative paths start at the folder you are in."


class DocumentNotFound(NotFound):
    """No document has this id or source."""

    code = "document_not_found"
    hint_default = "Run: pi-rag list"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "job_not_found"
    hint_default = "Run: pi-rag jobs"


class WatchNotFound(NotFound):
    """No watched folder has this id."""

    code = "watch_not_found"
    hint_default = "Run: pi-rag watch list"


class MemoryNotFound(NotFound):
    """No memory that this guest may see has this id."""

    code = "memory_not_found"
    hint_default = "Recall it by what it says, or run: pi-rag memory list"


class SessionNotFound(NotFound):
    """No session that this guest may see has this id."""

    code = "session_not_found"
    hint_default = "Run: pi-rag session list"


class ChangeNotFound(NotFound):
    """No change of agents' memory that this guest may see has this id, or there is none to take back."""

    code = "change_not_found"
    hint_default = "Run: pi-rag memory log"


class SuggestionNotFound(NotFound):
    """No suggestion for agents' memory has this id any more: what it was about has changed."""

    code = "suggestion_not_found"
    hint_default = "Run: pi-rag memory review"


class ModelNotFound(NotFound):
    """No model of this name is installed or known."""

    code = "model_not_found"
    hint_default = "Run: pi-rag model list"


class RouteNotFound(NotFound):
    """The interface has no such address or method."""

    code = "route_not_found"
    hint_default = "Agents: see the tool's input schema. HTTP: see /openapi.json or docs/api.md."


class TryLater(PiRagError):
    """The right request at the wrong moment: wait `retry_after_ms` and send it again."""

    code = "try_later"
    hint_default = "Wait a moment and try again."
    http_status = 503
    exit_code = 4
    retry_after_ms_default = 1000


class Busy(TryLater):
    """A bounded queue is full."""

    code = "busy"


class ServiceBeside(TryLater):
    """`pi-rag stress` would share the machine with a service that somebody uses."""

    code = "service_beside"
    # Stopped without its socket, the next question would start it again.
    hint_default = (
        "Stop it first: sudo systemctl stop pi-rag.socket pi-rag   (or end pi-rag serve)\nOr run both at "
        "once, which slows the service down and spoils the figures: pi-rag stress --beside"
    )


class Stopping(TryLater):
    """The service is shutting down; what it acknowledged is kept."""

    code = "stopping"
    hint_default = "Try again when the service is back."
    retry_after_ms_default = 3000


class DeadlineExceeded(TryLater):
    """The answer did not come within its time."""

    code = "deadline_exceeded"
    hint_default = "Try again; if it stays slow, run: pi-rag status"


class EmbedderUnavailable(TryLater):
    """No worker can make a vector now; words still search."""

    code = "embedder_unavailable"
    hint_default = "Search works by words alone meanwhile. Run: pi-rag status"


class ReaderUnavailable(TryLater):
    """What reads PDF, office files, e-books, mails, archives and web pages does not start; text and code
    are read."""

    code = "reader_unavailable"
    hint_default = "Text is taken in meanwhile, the rest when it starts. Look at: df -h /tmp   and the log"
    retry_after_ms_default = 5000


class StoreBusy(TryLater):
    """The database is locked by a stranger, or all readers are taken."""

    code = "store_busy"
    hint_default = "Close other programs that have the database open."


class DiskStuck(TryLater):
    """A drive or network mount gives no answer; what lies on it waits until it does."""

    code = "disk_stuck"
    hint_default = "Look at the drive or the network mount: df -h. What waits for it goes on by itself."
    retry_after_ms_default = 10_000


class MemoryShort(TryLater):
    """The service is near its budget of memory and takes in no documents, or none of this size beside what it
    is at; searches are answered."""

    code = "memory_short"
    hint_default = "Try again in a while; what is queued goes on by itself. Why it is short: pi-rag status"
    retry_after_ms_default = 10_000


class ServiceDown(PiRagError):
    """Nothing answers on the socket."""

    code = "service_down"
    hint_default = "Start it with: pi-rag serve   (or: sudo systemctl start pi-rag)"
    http_status = 503
    exit_code = 5


class SocketForbidden(ServiceDown):
    """The socket is there, but this user may not use it."""

    code = "socket_forbidden"
    hint_default = "Join the group: sudo usermod -aG pi-rag-clients $USER   (then log in again)"
    http_status = 403


class ModelError(PiRagError):
    """A model file or its source is at fault."""

    code = "model_error"
    hint_default = "Run: pi-rag model list"
    exit_code = 6


class ModelMissing(ModelError):
    """No model is installed, or the one in use is gone."""

    code = "model_missing"
    hint_default = "Get one with: pi-rag model pull   (then restart the service)"


class ModelCorrupt(ModelError):
    """A model file does not have the checksum it was installed with, or is not a whole GGUF."""

    code = "model_corrupt"
    hint_default = "Fetch it again with: pi-rag model pull --force"


class ModelUnsupported(ModelError):
    """A model file is sound, but not a BERT-family embedder that this program can use."""

    code = "model_unsupported"
    hint_default = "Use a BERT-family embedding model, such as bge-small-en-v1.5."


class ModelMismatch(ModelError):
    """The index was made with another model: their vectors cannot be compared."""

    code = "model_mismatch"
    hint_default = (
        "Embed everything again with the chosen one: pi-rag reindex   (words search meanwhile). Or go back "
        "to the one the index was made with: pi-rag model use NAME"
    )


class ModelSourceFailed(ModelError):
    """A model could not be fetched: no network, wrong name, or a broken transfer."""

    code = "model_source_failed"
    hint_default = "Check the network and run the same command again: it resumes."


class VectorInvalid(ModelError):
    """A vector came back with the wrong dimension, not finite, or not of unit length."""

    code = "vector_invalid"
    hint_default = "Run: pi-rag model verify"


class TextNotEmbedded(ModelError):
    """Workers died or fell silent over one text, again and again: it is the text, not the workers."""

    code = "text_not_embedded"
    hint_default = "Leave it out, and report it with the service's log."


class StoreError(PiRagError):
    """The database is at fault. Nothing is deleted."""

    code = "store_error"
    exit_code = 7


class LibraryTooOld(StoreError):
    """The linked SQLite or sqlite-vec is a version that is known to lose data."""

    code = "library_too_old"
    hint_default = "Install the project again: ./install.sh"


class SchemaNewer(StoreError):
    """The database was written by a newer pi_rag."""

    code = "schema_newer"
    hint_default = "Upgrade pi_rag, or use another --data."


class StoreDamaged(StoreError):
    """SQLite reports damage in the database file."""

    code = "store_damaged"
    hint_default = (
        "Nothing is deleted. Stop the service, then put a backup back: pi-rag restore BACKUP   (without one: "
        "pi-rag recover)"
    )


class StoreReadOnly(StoreError):
    """The database or its folder cannot be written."""

    code = "store_read_only"
    hint_default = (
        "Check that the disk is not mounted read-only (findmnt -T FOLDER), and who owns the data folder; "
        "then restart the service: sudo systemctl restart pi-rag"
    )


class DiskFull(StoreError):
    """The disk is full; what was acknowledged before is safe."""

    code = "disk_full"
    hint_default = "Free some space; a running service goes on by itself."
    http_status = 507


class StoreUnusable(StoreError):
    """The database cannot be opened, or its disk refuses to be read or written while the service runs."""

    code = "store_unusable"
    hint_default = (
        "If it ran before, see what the kernel says of the card or disk: sudo dmesg. Else check the path "
        "given by --data, who owns it, and that it is on a local disk."
    )


class BackupUnwritable(StoreError):
    """A backup cannot be written where it is wanted."""

    code = "backup_unwritable"
    hint_default = (
        "Is its disk mounted? The service writes it, with its own rights: see docs/backup.md for folders it "
        "may write to."
    )


class BackupOvertaken(StoreError):
    """A backup or a comparison took longer, or more was written beside it, than the log may grow for."""

    code = "backup_overtaken"
    hint_default = "Raise backup.mib_s_max or backup.snapshot_s_max, and run it again."


class NoBackup(StoreError):
    """A file is no backup of pi_rag, or not one that can be restored."""

    code = "no_backup"
    hint_default = "See which there are: pi-rag restore --list FOLDER"


class GpioUnusable(PiRagError):
    """The pins for the lamp and the button cannot be used: none there, no right, in use, or no library."""

    code = "gpio_unusable"
    hint_default = "Without them the service works as well; docs/led.md tells what they need."
    exit_code = 8


class InternalError(PiRagError):
    """A fault of ours, with its details in the service's log."""

    code = "internal_error"
    hint_default = "Please report it with the service's log."
    exit_code = 70


def every_kind(root: type[PiRagError] = PiRagError) -> Iterator[type[PiRagError]]:
    """The root and all its descendants, in the order of the tree above."""
    yield root
    for kind in root.__subclasses__():
        yield from every_kind(kind)


def from_wire(wire: Mapping[str, Any]) -> PiRagError:
    """The error that a service described in JSON. A code of a newer service becomes PiRagError."""
    kinds = {kind.code: kind for kind in every_kind()}
    kind = kinds.get(str(wire.get("code")), PiRagError)
    retry = wire.get("retry_after_ms")
    return kind(
        str(wire.get("message") or "The service gave no message."),
        hint=str(wire["hint"]) if wire.get("hint") else None,
        # A stranger's number may be negative, infinite or no number at all; nobody should sleep on those.
        retry_after_ms=int(retry) if isinstance(retry, (int, float)) and 0 <= retry < 1e9 else None,
    )
