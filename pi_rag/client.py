"""The one way in for guests: HTTP/1.1 over the service's Unix socket, with nothing but the standard library.

Every method is one request and one answer, bounded in time and size; each gives the service's own JSON
object. What goes wrong is raised as one of `pi_rag.errors`, whether the service said it or the socket did:
this is the one place where the faults of sockets and of HTTP get their names.

It knows no model, no database and no file of the data folder. It may be used from several threads, since
no two requests share a connection at the same time.
"""

from __future__ import annotations

import errno
import json
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from pi_rag import errors, http1, owners
from pi_rag.clock import Clock, SystemClock
from pi_rag.connections import Connections

if TYPE_CHECKING:
    from pi_rag.types import Priority

Answer = dict[str, Any]
"""A JSON object as the service gave it; its fields are described in docs/api.md."""

EXPORT_MARK = b'{"pi_rag_export":'
"""How a line of an export begins that is no document."""


class Client:
    """A guest of the service that listens on `socket_path`."""

    def __init__(
        self,
        socket_path: Path,
        *,
        answer_s_max: float = 60.0,
        answer_mib_max: int = 128,
        clock: Clock | None = None,
    ) -> None:
        self._socket_path = socket_path
        self._answer_s_max = answer_s_max
        self._answer_bytes_max = answer_mib_max << 20
        self._clock = clock or SystemClock()
        self._connections = Connections(self._clock)

    def search(
        self,
        query: str,
        *,
        k: int = 8,
        mode: str = "hybrid",
        collection: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        under: str | None = None,
        kind: str | Sequence[str] | None = None,
        since: float | str | None = None,
        until: float | str | None = None,
        explain: bool = False,
        **further: Any,
    ) -> Answer:
        """{"hits", "degraded", "took_ms"}, best hit first. Raises BadInput, TryLater, ServiceDown.

        `further` are other fields of a search, by the names that docs/api.md gives them.
        """
        body: Answer = {"query": query, "k": k, "mode": mode, "explain": explain}
        body |= present(collection=collection, filter=filters, under=under, kind=kind)
        body |= present(since=since, until=until, **further)
        return self._ask("POST", "/v1/search", body=body)

    def add_paths(
        self,
        paths: Sequence[str],
        *,
        collection: str = "default",
        metadata: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        wait: bool = False,
    ) -> Answer:
        """{"job"}: queue files and folders that the service reads itself. The paths are absolute."""
        body: Answer = {"paths": list(paths), "collection": collection, "wait": wait}
        return self._ask("POST", "/v1/documents", body=body | present(metadata=metadata, priority=priority))

    def add_documents(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        collection: str = "default",
        metadata: Mapping[str, Any] | None = None,
        priority: Priority | None = None,
        wait: bool = False,
    ) -> Answer:
        """{"job"}: queue documents, each {"source", "title"?, "text" or "content_base64", "metadata"?}."""
        body: Answer = {"documents": list(documents), "collection": collection, "wait": wait}
        return self._ask("POST", "/v1/documents", body=body | present(metadata=metadata, priority=priority))

    def documents(
        self, *, collection: str | None = None, limit: int | None = None, after: int | None = None
    ) -> Answer:
        """{"documents", "next"}: a page of the listing; pass `next` as `after` to go on."""
        return self._ask(
            "GET", "/v1/documents", params=present(collection=collection, limit=limit, after=after)
        )

    def document(self, document_id: int) -> Answer:
        """One document with its text. Raises DocumentNotFound."""
        return self._ask("GET", f"/v1/documents/{quote(str(document_id), safe='')}")

    def export(self, *, collection: str | None = None, vectors: bool = False) -> Iterator[bytes]:
        """Lines of JSON, each with its end: what made the vectors, if they are asked for, then each document.

        Raises ServiceDown when it breaks off, ModelMismatch when the model is changed meanwhile.
        """
        given = present(collection=collection, vectors="true" if vectors else None)
        head, after = b"", 0
        while after is not None:
            mark: Answer = {}
            for line in self._lines("/v1/export", {**given, "after": after}):
                if not line.startswith(EXPORT_MARK):
                    yield line
                    continue
                mark = json.loads(line)
                if "made_by" in mark and line != head:
                    _check_same_model(head)
                    head = line
                    yield line
            if "next" not in mark:
                raise errors.ServiceDown("The export broke off.", hint="Run it again; see: pi-rag status")
            after = mark["next"]

    def import_documents(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        made_by: Mapping[str, Any] | None = None,
        collection: str = "default",
        wait: bool = False,
    ) -> Answer:
        """{"job", "vectors", "different"}: queue lines of an export; `made_by` is of its first line."""
        body: Answer = {"documents": list(documents), "collection": collection, "wait": wait}
        return self._ask("POST", "/v1/import", body=body | present(made_by=made_by))

    def remove(self, document_id: int) -> Answer:
        """{"removed", "withdrawn"}: forget one document. Raises DocumentNotFound."""
        return self._ask("DELETE", f"/v1/documents/{quote(str(document_id), safe='')}")

    def remove_source(self, source: str, *, collection: str | None = None) -> Answer:
        """{"removed", "withdrawn"}: forget the documents with this source, in one collection or in all."""
        return self._ask("DELETE", "/v1/documents", params=present(source=source, collection=collection))

    def duplicates(
        self, *, share_min: float | None = None, limit: int | None = None, after: str | None = None
    ) -> Answer:
        """{"duplicates", "next"}: pairs of documents; the first repeats `share_min` of its passages."""
        params = present(share_min=share_min, limit=limit, after=after)
        return self._ask("GET", "/v1/duplicates", params=params)

    def jobs(self, *, limit: int | None = None) -> Answer:
        """{"jobs"}: the newest jobs first."""
        return self._ask("GET", "/v1/jobs", params=present(limit=limit))

    def job(self, job_id: int) -> Answer:
        """{"job"}. Raises JobNotFound."""
        return self._ask("GET", f"/v1/jobs/{quote(str(job_id), safe='')}")

    def failed_jobs(
        self, *, job: int | None = None, limit: int | None = None, after: int | None = None
    ) -> Answer:
        """{"failed", "next"}: documents that were given up, of one job or of all; pass `next` as `after` to
        go on."""
        return self._ask("GET", "/v1/jobs/failed", params=present(job=job, limit=limit, after=after))

    def steer_jobs(self, what: str, job_id: int | None = None) -> Answer:
        """`what`: pause, resume or retry, of all; of one job also cancel. Raises JobNotFound, Busy."""
        one = "" if job_id is None else f"/{quote(str(job_id), safe='')}"
        return self._ask("POST", f"/v1/jobs{one}/{what}")

    def sources(
        self,
        *,
        under: str | None = None,
        collection: str | None = None,
        skipped: bool = False,
        limit: int | None = None,
        after: str | None = None,
    ) -> Answer:
        """{"sources", "next"}: what became of every source; pass `next` as `after` to go on."""
        only = "true" if skipped else None
        params = present(under=under, collection=collection, skipped=only, limit=limit, after=after)
        return self._ask("GET", "/v1/sources", params=params)

    def forget_below(self, under: str, *, collection: str | None = None) -> Answer:
        """{"withdrawn", "reasons"}: let go of what waits to be stored from below a folder, and forget why
        something there was not taken, where nobody watches it."""
        return self._ask("DELETE", "/v1/sources", params=present(under=under, collection=collection))

    def watch(
        self, folder: str, *, collection: str, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> Answer:
        """{"id", "folder", ...}: watch a folder by its absolute path. Raises RequestInvalid, PathNotFound."""
        body = {"folder": folder, "collection": collection, "include": [*include], "exclude": [*exclude]}
        return self._ask("POST", "/v1/watches", body=body)

    def watches(self) -> Answer:
        """{"watches"}: every watched folder with how it is."""
        return self._ask("GET", "/v1/watches")

    def watched_files(
        self, watch_id: int, *, skipped: bool, limit: int | None = None, after: str | None = None
    ) -> Answer:
        """{"files", "next"}: what became of a folder's files, by path. Raises WatchNotFound."""
        params = present(skipped="true" if skipped else None, limit=limit, after=after)
        return self._ask("GET", f"/v1/watches/{quote(str(watch_id), safe='')}/files", params=params)

    def unwatch(self, watch_id: int) -> Answer:
        """{"removed"}: watch a folder no more; its documents stay. Raises WatchNotFound."""
        return self._ask("DELETE", f"/v1/watches/{quote(str(watch_id), safe='')}")

    def reindex(self, model: str = "") -> Answer:
        """Embed everything again with an installed model; empty: the one that is chosen.

        As `reindex_status`. Raises ModelNotFound, ModelError, RequestInvalid, Busy, DiskFull.
        """
        return self._ask("POST", "/v1/reindex", body={"model": model})

    def reindex_status(self) -> Answer:
        """{"state", "model", "passages_done", "passages_total", "left_s", ...}."""
        return self._ask("GET", "/v1/reindex")

    def reindex_cancel(self) -> Answer:
        """{"cancelled"}: drop what a reindex has made. The index in use stays."""
        return self._ask("DELETE", "/v1/reindex")

    def upkeep(self) -> Answer:
        """{"done", "problems", "took_s"}: do what is due and read everything. Raises DeadlineExceeded."""
        return self._ask("POST", "/v1/upkeep", body={})

    def backup(self, to: str | None = None) -> Answer:
        """As `backup_status`: begin a backup. Raises Busy, PathNotFound, BackupUnwritable, DiskFull."""
        return self._ask("POST", "/v1/backup", body=present(to=to))

    def backup_status(self) -> Answer:
        """{"state", "doing", "share", "path", "size_bytes", "content_hash", "warnings", "error", ...}."""
        return self._ask("GET", "/v1/backup")

    def verify(self, *, deep: bool = False) -> Answer:
        """{"path", "problems", "counts", "content_hash", "model", ...}: read everything.

        Raises DeadlineExceeded; who asks again joins the reading under way.
        """
        return self._ask("POST", "/v1/verify", body={"deep": deep})

    def status(self, *, check: bool = False) -> Answer:
        """How the service is: state, model, workers, counts, memory.

        With `check` the service also reads its whole database and puts what is wrong in `store.problems`.
        """
        return self._ask("GET", "/v1/status", params={"check": "true"} if check else None)

    def pulse(self) -> Answer:
        """{"state", "alerts", "over_budget", "ingesting", "paused", "searches", ...}: cheap to ask for."""
        return self._ask("GET", "/v1/pulse")

    def metrics(self) -> str:
        """All numbers of the service, in Prometheus' text form."""
        status, data = self._exchange("GET", "/metrics", None)
        if status != 200:
            _opened(status, data)
        return data.decode("utf-8", "replace")

    def _ask(
        self, method: str, path: str, *, body: Answer | None = None, params: Mapping[str, Any] | None = None
    ) -> Answer:
        target = f"{path}?{urlencode(params, errors='replace')}" if params else path
        payload = None if body is None else _encoded(body)
        return _opened(*self._exchange(method, target, payload))

    def _exchange(self, method: str, target: str, payload: bytes | None) -> tuple[int, bytes]:
        """One request and the whole of its answer. Raises only errors of ours."""
        with self._faults():
            used = self._connections.used()
            if used is not None:
                # The service may have ended since; then nothing was done, and the next one can be asked.
                with suppress(http1.NotRead):
                    return self._answered(used, method, target, payload)
            return self._answered(self._connected(), method, target, payload)

    def _answered(
        self, sock: socket.socket, method: str, target: str, payload: bytes | None
    ) -> tuple[int, bytes]:
        """The same over this connection, which is used again when all is well.

        Who was refused comes in by the door again, where a full house says so soonest.
        """
        stays_open, status = False, 0
        try:
            status, body, stays_open = http1.exchange(
                sock,
                method,
                target,
                payload,
                answer_s_max=self._answer_s_max,
                answer_bytes_max=self._answer_bytes_max,
                clock=self._clock,
            )
        finally:
            if stays_open and status < 400:
                self._connections.give_back(sock)
            else:
                sock.close()
        return status, body

    def _lines(self, path: str, params: Mapping[str, Any]) -> Iterator[bytes]:
        """The lines of an answer as they come. Raises only errors of ours."""
        with self._faults(), self._connected() as sock:
            status, lines = http1.lines(
                sock,
                f"{path}?{urlencode(params, errors='replace')}",
                silence_s_max=self._answer_s_max,
                line_bytes_max=self._answer_bytes_max,
                clock=self._clock,
            )
            if status != 200:
                _opened(status, b"".join(lines))
            yield from lines

    def _connected(self) -> socket.socket:
        try:
            return http1.connect(self._socket_path, self._answer_s_max)
        except OSError as error:
            raise unreachable(self._socket_path, error) from error

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Inside it, faults of sockets and of HTTP become errors of ours."""
        try:
            yield
        except (OSError, http1.NotHttp, http1.AnswerTooLarge) as error:
            raise self._named(error) from error

    def _named(self, error: Exception) -> errors.PiRagError:
        """What a fault after the connection was made means to the caller."""
        if isinstance(error, TimeoutError):
            return errors.DeadlineExceeded(f"The service did not answer within {self._answer_s_max:g} s.")
        if isinstance(error, OSError):
            return errors.ServiceDown(
                "The service hung up before its answer was whole.",
                hint="It may be restarting. Try again, or run: pi-rag status",
            )
        if isinstance(error, http1.AnswerTooLarge):
            return errors.InternalError(
                f"The service's answer is larger than {self._answer_bytes_max >> 20} MiB.",
                hint="Ask for less, or raise client.answer_mib_max.",
            )
        return errors.InternalError(
            f"What answers on {self._socket_path} does not speak HTTP as the service does: {error}.",
            hint="Choose the service's socket with --socket or PI_RAG_SOCKET.",
        )


def _check_same_model(head: bytes) -> None:
    """What made the vectors is said in every part of an export, and must stay what it was."""
    if head:
        raise errors.ModelMismatch(
            "The model of the index was changed while it was exported.", hint="Run the export again."
        )


def unreachable(path: Path, error: OSError) -> errors.PiRagError:
    """Why nobody could be reached over this path."""
    if isinstance(error, PermissionError):
        refusal = f"You may not use the service's socket {path}."
        return errors.SocketForbidden(refusal, hint=owners.admission(path))
    # A full backlog says EAGAIN or, with a time limit, that the time is up: somebody listens, but is busy.
    if isinstance(error, (BlockingIOError, TimeoutError)):
        return errors.Busy("The service takes no more connections now.")
    if "too long" in str(error):
        return errors.SocketPathInvalid(f"The socket path {path} is too long for the kernel.")
    if error.errno in (errno.EPROTOTYPE, errno.ENOTDIR, errno.ELOOP) or _is_no_socket(path):
        return errors.SocketPathInvalid(f"{path} is not the socket of a service.")
    return errors.ServiceDown(f"Nothing answers on {path}.")


def _is_no_socket(path: Path) -> bool:
    """Whether something lies there that is not a socket. The kernel says 'refused' to both."""
    try:
        return not stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def present(**fields: Any) -> Answer:
    """The fields that were given: the service has its own defaults for the others."""
    return {name: value for name, value in fields.items() if value is not None}


def _encoded(body: Answer) -> bytes:
    """JSON in UTF-8. Half characters, which a shell can pass, become '?', since no JSON may hold them."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _opened(status: int, data: bytes) -> Answer:
    """The object in an answer, or the error that it describes."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        if 200 <= status < 300:
            return answer
        if isinstance(answer.get("error"), dict):
            raise errors.from_wire(answer["error"])
    raise _unexplained(status)


def _unexplained(status: int) -> errors.PiRagError:
    """An answer without a JSON object. A web server that has no room says 503 in a few plain words."""
    if status == 503:
        return errors.Busy("The service has no room for one more request now.")
    return errors.InternalError(f"The service answered {status} with something that is not a JSON object.")
