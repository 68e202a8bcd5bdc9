"""`pi-rag import`: lines of an export, read here and sent in requests of bounded size.

It looks at each line only as far as it must to send it; what else is wrong with one, the service says. Either
way it is told by the line's number, and the rest goes on.
"""

from __future__ import annotations

import json
import math
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pi_rag.cli import printing
from pi_rag.cli.add import Result
from pi_rag.cli.follow import follow, handed_over
from pi_rag.cli.parsing import a_path, no_constant
from pi_rag.cli.printing import counted
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.cli.refusals import show_refusals
from pi_rag.cli.upload import DOCUMENTS_MAX, FRAME_BYTES
from pi_rag.client import Client
from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.errors import (
    BadInput,
    DocumentDamaged,
    DocumentEmpty,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    PathNotFound,
    RequestInvalid,
)
from pi_rag.text.clean import clean

DESCRIPTION = """\
Each line is a document: it is added, or replaces the one of the same collection and source.
What is the same already is left alone, so the same file may be taken twice. Vectors in the file
are used when they are of the model in use; else the texts are embedded again, and that is said.
A line that cannot be taken is named by its number with the reason, and the exit code is 2; the
rest goes on. Of a file whose first line is none, nothing is taken. The exit code is 1 when
somebody cancelled what was sent.
"""

EXAMPLES = """\
  pi-rag import memory.jsonl
  zcat memory.jsonl.gz | pi-rag import -
"""

VERSION = 1
"""Of the format that is understood: that of `pi_rag/ingest/exported.py`, which no light command imports."""

STANDARD_INPUT = "-"
COLLECTION_DEFAULT = "default"

Line = dict[str, Any]


def configure(parser: ArgumentParser) -> None:
    """Where the lines come from."""
    parser.add_argument(
        "file", metavar="FILE", type=a_path, help="what pi-rag export has written, or - for standard input"
    )


def run(args: Namespace) -> int:
    """Send, wait, tell. Exit 2 when a line was refused, 1 when somebody cancelled its job."""
    settings = settings_of(args)
    importing = _Importing(settings, client_of(settings), quiet=args.json)
    begun_s = time.monotonic()
    try:
        with _opened(args.file) as file:
            importing.everything(file, "standard input" if args.file == STANDARD_INPUT else args.file)
    except KeyboardInterrupt:
        print("\nStopped. What was sent is kept; the same command takes the rest.", file=sys.stderr)
        raise
    _tell(importing, args, time.monotonic() - begun_s)
    return importing.result.exit_code


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below; what is raised meanwhile is not its fault
    except FileNotFoundError:
        raise PathNotFound(f"There is no file {name}.") from None
    except (OSError, ValueError) as error:
        raise DocumentUnreadable(f"{name} cannot be read: {error}.", hint="Name a file.") from error
    with file:
        yield file


@dataclass
class _Batch:
    """Lines of one collection that go in one request."""

    documents: list[Line] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """The number of the line with each source."""
    size: int = 0


class _Importing:
    """One run of the command."""

    def __init__(self, settings: Settings, client: Client, *, quiet: bool) -> None:
        self.result = Result()
        self.vectors = "none"
        self.different: list[str] = []
        self.made_by: Line | None = None
        self.without_vectors = 0
        """Lines that were sent without theirs, being too large with them."""
        self._client = client
        self._quiet = quiet
        self._line_bytes_max = (settings.service.request_mib_max << 20) - FRAME_BYTES
        self._batch_bytes = settings.client.upload_mib << 20
        self._batches: dict[str, _Batch] = {}

    def everything(self, file: BinaryIO, name: str) -> None:
        """All lines to their end. Raises DocumentEmpty, and RequestInvalid for what is no export at all."""
        is_begun = False
        for number, data in enumerate(_lines(file, 2 * self._line_bytes_max), 1):
            if data is not None and not data.strip():
                continue
            if not is_begun:
                _check_first(data, name)
            is_begun = True
            try:
                self._take(number, data)
            except DocumentRefused as error:
                self._refuse(number, "", error)
        if not is_begun:
            raise DocumentEmpty(f"There is nothing in {name}.", hint=_EMPTY_HINT)
        self._send_all()
        # Those that were refused here were told before those of the service.
        self.result.refusals.sort(key=lambda refusal: refusal["line"] or math.inf)

    def _take(self, number: int, data: bytes | None) -> None:
        if data is None:
            raise DocumentTooLarge("It is longer than two requests.", hint="See service.request_mib_max.")
        line = _parsed(data)
        if "pi_rag_export" not in line:
            self._add(number, line, len(data))
        elif line["pi_rag_export"] != VERSION:
            raise RequestInvalid("It was written by a newer pi-rag.", hint="Update pi-rag on this machine.")
        elif "made_by" in line:
            self._send_all()
            self.made_by = line["made_by"]

    def _add(self, number: int, line: Line, size: int) -> None:
        collection, source = line.get("collection") or COLLECTION_DEFAULT, line.get("source")
        if not isinstance(collection, str) or not isinstance(source, str) or not source:
            raise DocumentDamaged("It has no `source`, or a `collection` that is no text.", hint=_HINT)
        if size > self._line_bytes_max and line.pop("passages", None):
            self.without_vectors += 1
            size = len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
        if size > self._line_bytes_max:
            raise DocumentTooLarge("It does not fit into one request.", hint="Raise service.request_mib_max.")
        if sum(batch.size for batch in self._batches.values()) + size > self._batch_bytes:
            self._send_all()
        batch = self._batches.setdefault(collection, _Batch())
        batch.documents.append(line)
        batch.numbers[clean(source)] = number
        batch.size += size
        if len(batch.documents) >= DOCUMENTS_MAX:
            self._send_all()

    def _send_all(self) -> None:
        batches, self._batches = self._batches, {}
        for collection, batch in batches.items():
            try:
                self._send(collection, batch.documents, batch.numbers)
            except RequestInvalid:
                # One line at fault must not cost the others.
                for line in batch.documents:
                    self._send_alone(collection, line, batch.numbers)

    def _send_alone(self, collection: str, line: Line, numbers: dict[str, int]) -> None:
        try:
            self._send(collection, [line], numbers)
        except RequestInvalid as error:
            source = clean(line["source"])
            self._refuse(numbers[source], source, error)

    def _send(self, collection: str, lines: list[Line], numbers: dict[str, int]) -> None:
        clock = SystemClock()
        send = partial(self._client.import_documents, lines, made_by=self.made_by, collection=collection)
        answer = handed_over(send, is_first=not self.result.jobs, clock=clock, pause=time.sleep)
        self.vectors, self.different = answer["vectors"], answer["different"]
        job = follow(self._client, answer["job"], clock=clock, pause=time.sleep, quiet=self._quiet)
        self.result.jobs.append(job)
        named = [_named(each, numbers) for each in job.get("refusals") or []]
        self.result.take(job | {"refusals": named})

    def _refuse(self, number: int, source: str, error: BadInput) -> None:
        refusal = {"source": source, "code": error.code, "message": error.message, "hint": error.hint}
        self.result.refuse_here([_named(refusal, {source: number})])


_HINT = "What stands in a line is told in docs/export.md."
_EMPTY_HINT = "Did the command that wrote it fail? Only an export of an empty memory is empty."
_NO_EXPORT_HINT = """\
It takes what pi-rag export has written. One that is packed: zcat FILE.gz | pi-rag import -
Other files are taken with: pi-rag add FILE"""


def _named(refusal: Line, numbers: dict[str, int]) -> Line:
    """A refusal that says which line it is about."""
    source = str(refusal.get("source") or "")
    number = numbers.get(source)
    line = f"line {number}" if number else ""
    return refusal | {"source": ": ".join(part for part in (line, source) if part), "line": number}


def _lines(file: BinaryIO, bytes_max: int) -> Iterator[bytes | None]:
    """The lines of a file; None for one that is too long to be held."""
    while data := file.readline(bytes_max):
        if data.endswith(b"\n") or len(data) < bytes_max:
            yield data
            continue
        while (rest := file.readline(bytes_max)) and not rest.endswith(b"\n"):
            pass
        yield None


def _check_first(data: bytes | None, name: str) -> None:
    """Raise RequestInvalid unless the first line is like one of an export: a photo has one reason, not many.

    One that is too long to be looked at (None) is told as such.
    """
    with suppress(DocumentDamaged):
        if data is None or {"pi_rag_export", "source", "text"} & set(_parsed(data)):
            return
    raise RequestInvalid(
        f"{name} is no export: its first line is no object of JSON with a `source`.", hint=_NO_EXPORT_HINT
    )


def _parsed(data: bytes) -> Line:
    try:
        line = json.loads(data.decode("utf-8-sig").rstrip(), parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise DocumentDamaged(f"It is not UTF-8, from its byte {error.start + 1} on.", hint=_HINT) from None
    except json.JSONDecodeError as error:
        raise DocumentDamaged(f"It is not JSON, from its character {error.pos + 1} on.", hint=_HINT) from None
    except (ValueError, RecursionError):
        raise DocumentDamaged("It has numbers or a depth that JSON has not.", hint=_HINT) from None
    if not isinstance(line, dict):
        raise DocumentDamaged("It is not an object of JSON.", hint=_HINT)
    return line


def _tell(importing: _Importing, args: Namespace, took_s: float) -> None:
    result = importing.result
    if args.json:
        said = {"jobs": result.jobs, "refusals": result.refusals, "vectors": importing.vectors}
        printing.as_json(said | {"different": importing.different})
        return
    show_refusals(result.refusals, result.refused)
    print(result.line(took_s))
    if importing.vectors == "used":
        print("Vectors: those of the file, wherever they belong to their text.")
    elif importing.vectors == "made_anew":
        different = ", ".join(importing.different)
        print(f"Vectors: made again, since the file's are of another model (different: {different}).")
    if importing.without_vectors:
        print(f"Vectors of {counted(importing.without_vectors, 'long line')} did not fit into a request.")
