"""`pi-rag verify`: whether what is kept is whole, in a service, in a stopped data folder or in a backup."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import a_path
from pi_rag.cli.printing import counted, one_line, stamp, typed
from pi_rag.cli.reach import client_of, repeated, settings_of
from pi_rag.client import Client
from pi_rag.clock import Clock, SystemClock
from pi_rag.config import Settings
from pi_rag.errors import DeadlineExceeded, PathNotFound, ServiceDown, SocketForbidden

if TYPE_CHECKING:
    from pi_rag.store.inspection import Inspection

DESCRIPTION = """\
Reads all of the database and compares it with itself: pages, references, words, vectors, counts.
A running service is asked to do it; of a stopped one the file is read, and FILE may be a backup or
any other database of pi_rag. Nothing is changed. A backup is also compared with its checksums.
Exit code 1: something is wrong, and the last line says what to type.
"""

EXAMPLES = """\
  pi-rag verify
  pi-rag verify --deep
  pi-rag verify /var/lib/pi-rag/backups/pi-rag-backup-20261122T021500Z.db
"""

EXIT_WRONG = 1

ASKED_S_MAX = 3000.0
"""How long a service is asked for in all. A large database on a slow card takes longer than one request."""

SHOWN_MAX = 20
"""Problems that are printed. `--json` has all."""

NOUNS = {
    "documents": "document",
    "passages": "passage",
    "vectors": "vector",
    "memories": "memory",
    "waiting": "document waiting",
}


def configure(parser: ArgumentParser) -> None:
    """What, and how thoroughly."""
    parser.add_argument(
        "file", metavar="FILE", type=a_path, nargs="?", help="a backup, or a database that is not in use"
    )
    parser.add_argument(
        "--deep", action="store_true", help="also every index against its table and passages against texts"
    )


def run(args: Namespace) -> int:
    """Look, print, and say by the exit code. Raises PathNotFound, SocketInUse, StoreError, ServiceDown."""
    settings, clock = settings_of(args), SystemClock()
    begun_s = clock.monotonic_s()
    found = _found(args, settings, clock)
    found["took_s"] = round(clock.monotonic_s() - begun_s, 3)
    found["next"] = _next(found, args, settings)
    if args.json:
        printing.as_json(found)
    else:
        _show(found)
    return 0 if found["ok"] else EXIT_WRONG


def _found(args: Namespace, settings: Settings, clock: Clock) -> dict[str, Any]:
    if args.file is not None:
        return _of_file(Path(args.file), settings, deep=args.deep)
    client = client_of(settings)
    try:
        if args.data is None or _keeps(client, settings.data_path):
            return _of_service(client, clock, deep=args.deep)
    except SocketForbidden:
        raise
    except ServiceDown:
        pass
    return _of_stopped(settings, deep=args.deep)


def _keeps(client: Client, folder: Path) -> bool:
    """Whether the service that answers is that of this folder: a socket need not lie in it."""
    return Path(client.status()["data"]).absolute() == folder.absolute()


def _of_stopped(settings: Settings, *, deep: bool) -> dict[str, Any]:
    database = settings.database_path
    try:
        return _of_file(database, settings, deep=deep)
    except PathNotFound:
        raise PathNotFound(
            f"No service answers on {settings.socket_path}, and there is no database {database}.",
            hint="Say which with --socket or --data, or name a file.",
        ) from None


def _of_file(path: Path, settings: Settings, *, deep: bool) -> dict[str, Any]:
    from pi_rag.store.inspection import inspect  # the database's library, only where a file is read

    return told(inspect(path, settings.store, deep=deep))


def told(seen: Inspection) -> dict[str, Any]:
    """What was seen of a file, JSON-able: the same fields whatever was looked at."""
    card = None if seen.card is None else asdict(seen.card)
    return {
        "ok": not seen.problems,
        "what": "database" if seen.card is None else "backup",
        "path": str(seen.path),
        "problems": seen.problems,
        "schema_version": seen.schema,
        "counts": seen.counts,
        "model": None if seen.model is None else asdict(seen.model),
        "content_hash": None if seen.digest is None else seen.digest.content,
        "sections": {} if seen.digest is None else dict(seen.digest.sections),
        "backup": card,
    }


def _of_service(client: Client, clock: Clock, *, deep: bool) -> dict[str, Any]:
    """However often the time of a request is up: who asks again joins the reading under way."""
    begun_s = clock.monotonic_s()
    while True:
        try:
            answer = client.verify(deep=deep)
        except DeadlineExceeded:
            if clock.monotonic_s() - begun_s > ASKED_S_MAX:
                raise
            continue
        return {"ok": not answer.get("problems"), "what": "service", **answer, "backup": None}


def _next(found: dict[str, Any], args: Namespace, settings: Settings) -> list[str]:
    """What to type when something is wrong. Nothing that would replace another database than this one."""
    if found["ok"]:
        return []
    path, ours, given = Path(found["path"]), settings.database_path, repeated(args, "config", "data")
    if found["what"] == "backup":
        return [typed("restore", "--list", path.parent)]
    stop = ["sudo systemctl stop pi-rag.socket pi-rag"] if found["what"] == "service" else []
    if path.absolute() != ours.absolute():
        if path.name != ours.name:
            return []
        given = [*repeated(args, "config"), "--data", str(path.absolute().parent)]
    return [*stop, typed("restore", *given, "BACKUP"), typed("recover", *given)]


def _show(found: dict[str, Any]) -> None:
    is_strange = found["schema_version"] is None and not found["next"]
    print(f"{'file' if is_strange else found['what']} {one_line(found['path'])}")
    if found["backup"]:
        print(f"  made {stamp(found['backup']['made_at'])} by pi_rag {one_line(found['backup']['version'])}")
    print(f"  {held(found['counts']) or 'nothing can be counted'}")
    problems = found["problems"]
    for problem in problems[:SHOWN_MAX]:
        print(f"  {one_line(problem)}")
    if len(problems) > SHOWN_MAX:
        print(f"  and {counted(len(problems) - SHOWN_MAX, 'more problem')}")
    if not problems:
        print(f"all is whole ({found['took_s']:.1f} s)")
        return
    print(f"{counted(len(problems), 'problem')}. {_advice(found)}")
    for command in found["next"]:
        print(f"  {command}")


def held(counts: Mapping[str, int]) -> str:
    """'2 documents, 1 memory'."""
    return ", ".join(
        counted(number, one_line(NOUNS.get(what, what)), _plural(what)) for what, number in counts.items()
    )


def _advice(found: dict[str, Any]) -> str:
    if found["next"]:
        return "A copy of the file first, then one of these:"
    if found["schema_version"] is None:
        return "It is no database of pi_rag, or its beginning is damaged. Your memory is another file."
    return "Your memory is another file: nothing has to be put in its place."


def _plural(what: str) -> str | None:
    return {"memories": "memories", "waiting": "documents waiting"}.get(what)
