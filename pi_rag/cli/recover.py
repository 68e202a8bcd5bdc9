"""`pi-rag recover`: save what can be read of a damaged database into a new one, and say what that was."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import a_path
from pi_rag.cli.printing import counted, one_line, typed
from pi_rag.cli.reach import repeated, settings_of
from pi_rag.clock import SystemClock

if TYPE_CHECKING:
    from pi_rag.store.export import Stored
    from pi_rag.store.recovery import Saved
    from pi_rag.store.salvage.mending import Told
    from pi_rag.types import NewItem

DESCRIPTION = """\
It reads what can be read of a damaged database, page by page, and makes a new one of it: documents
with their texts, what agents remember, what waits, which folders are watched. Words are indexed
anew; what has lost its vectors is embedded when the service starts. The damaged file is kept as it
is, under another name. Stop the service first. Exit code 1: something is lost, or not as it was,
and is named. A database that is whole is left as it is. A backup, where there is one, has more:
see pi-rag restore and docs/recovery.md.
"""

EXAMPLES = """\
  pi-rag recover --dry-run
  pi-rag recover
  pi-rag recover --data /mnt/old-card/pi-rag --to /var/lib/pi-rag-new
"""

EXIT_NOT_ALL = 1

SHOWN_MAX = 20
"""Names that are printed of each kind. `--json` has all."""


def configure(parser: ArgumentParser) -> None:
    """Where to, and whether at all."""
    parser.add_argument(
        "--to",
        metavar="FOLDER",
        type=a_path,
        help="put the new database there, and leave this folder as it is",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be saved")


def run(args: Namespace) -> int:
    """Save, print, and say by the exit code. Raises SocketInUse, PathNotFound, StoreError and its kinds."""
    from pi_rag.memory.remembering import words_hash
    from pi_rag.store import recovery

    settings = settings_of(args)
    database = settings.database_path
    to = database if args.to is None else Path(args.to).absolute() / database.name
    means = recovery.Means(as_sent, words_hash)
    now = SystemClock().wall_s()
    saved = recovery.recover(database, to, settings.store, means, now, dry_run=args.dry_run)
    answer = told(saved)
    answer["next"] = _next(args, answer)
    if args.json:
        printing.as_json(answer)
    else:
        _show(answer)
    return 0 if answer["ok"] else EXIT_NOT_ALL


def _next(args: Namespace, answer: dict[str, Any]) -> list[str]:
    """What to type then, for the folder that was named."""
    if answer["nothing_damaged"]:
        return []
    given = repeated(args, "config", "data")
    to = [] if args.to is None else ["--to", args.to]
    if args.dry_run:
        return [typed("recover", *given, *to)]
    if args.to is None:
        return [typed("verify", "--deep", *given)]
    there = [*repeated(args, "config"), "--data", Path(args.to).absolute()]
    return [typed("verify", "--deep", *there), typed("serve", *there)]


def as_sent(stored: Stored) -> NewItem:
    """A document as the queue takes it: a line of an export, without vectors."""
    from pi_rag.ingest import exported
    from pi_rag.types import NewItem

    line = json.loads(exported.line(stored, vectors=False))
    return NewItem(kind="export", source=stored.document.source, payload=exported.payload(line, None))


def told(saved: Saved) -> dict[str, Any]:
    """What came of it, JSON-able. `ok`: nothing is lost, and nothing differs from what it was; also nothing
    that could not be named."""
    papers, memories, queue = saved.documents, saved.memories, saved.queue
    wrong = (papers.partial, papers.lost, memories.lost, memories.partial, queue.lost, queue.partial)
    unknown = (saved.missing, saved.unvouched, saved.cut, saved.log_last_torn)
    return {
        "ok": not any(wrong) and not any(unknown),
        "nothing_damaged": saved.is_sound,
        "database": None if saved.database is None else str(saved.database),
        "damaged_file": None if saved.kept is None else str(saved.kept),
        "documents": {
            "saved": papers.whole + len(papers.partial),
            "whole": papers.whole,
            "mended": _named(papers.mended),
            "partial": _named(papers.partial),
            "lost": _named(papers.lost),
            "to_embed": papers.queued,
        },
        "passages": saved.passages,
        "vectors": saved.vectors,
        "memories": {
            "facts": memories.saved.get("fact", 0),
            "events": memories.saved.get("event", 0),
            "summaries": memories.saved.get("summary", 0),
            "sessions": memories.sessions,
            "to_embed": memories.waiting,
            "partial": memories.partial,
            "lost": memories.lost,
        },
        "waiting": {"saved": queue.waiting, "lost": queue.lost},
        "watched_folders": {"saved": queue.watches, "partial": queue.partial},
        "model": saved.model,
        "pages": saved.pages,
        "pages_unreadable": saved.unread,
        "cut_short": saved.cut,
        "rows_unreadable": saved.refused,
        "log": {
            "pages": saved.log_pages,
            "damaged_pages": saved.log_damaged,
            "last_commit_left_out": saved.log_last_torn,
        },
        "schema_version": saved.schema_version,
        "tables_guessed": list(saved.guessed),
        "tables_lost": list(saved.missing),
        "tables_with_unreadable_pages": list(saved.unvouched),
        "problems": list(saved.problems),
        "said_of_damaged_file": list(saved.said),
    }


def _named(them: Sequence[Told]) -> list[dict[str, str]]:
    return [{"source": each.source, "collection": each.collection, "what": each.what} for each in them]


def _show(found: dict[str, Any]) -> None:
    papers, memories = found["documents"], found["memories"]
    verb = "saved" if found["database"] else "could be saved"
    verb = "Nothing is damaged" if found["nothing_damaged"] else verb
    print(
        f"{verb}: {counted(papers['saved'], 'document')}, {counted(found['passages'], 'passage')}, ", end=""
    )
    print(f"{counted(found['vectors'], 'vector')}; {counted(memories['facts'], 'fact')}, ", end="")
    print(f"{counted(memories['events'], 'event')}, {counted(memories['sessions'], 'session')}; ", end="")
    print(f"{counted(found['waiting']['saved'], 'document')} waiting, ", end="")
    print(counted(found["watched_folders"]["saved"], "watched folder"))
    _show_file(found)
    _show_names("mended", [_line(each) for each in papers["mended"]])
    _show_names("not as before", [_line(each) for each in papers["partial"]])
    _show_names("lost", [_line(each) for each in papers["lost"]])
    _show_names("memories not as before", memories["partial"])
    _show_names("memories lost", memories["lost"])
    _show_names("waited, and lost", found["waiting"]["lost"])
    _show_names("watched folders not as before", found["watched_folders"]["partial"])
    _show_rest(found)


def _show_file(found: dict[str, Any]) -> None:
    """What was wrong with the file itself."""
    if found["cut_short"]:
        print("The file is cut short: what stood behind its end is gone, and not all of that can be named.")
    if found["pages_unreadable"]:
        print(f"{counted(found['pages_unreadable'], 'page')} of {found['pages']} could not be read.")
    if found["tables_guessed"]:
        number = counted(len(found["tables_guessed"]), "table or index", "tables and indexes")
        print(f"The list of tables is damaged. Found without it: {number}.")
    _show_rows(found)
    _show_names("wrong with the file itself", found["said_of_damaged_file"])
    _show_names("tables lost, with all that they may have held", found["tables_lost"])
    _show_names("tables that may lack rows nobody can name", found["tables_with_unreadable_pages"])


def _show_rows(found: dict[str, Any]) -> None:
    """Rows and pages of the log that are told nowhere else."""
    if found["rows_unreadable"]:
        rest = ": all of that was found elsewhere, or is made anew" if found["ok"] else ""
        print(f"{counted(found['rows_unreadable'], 'row')} could not be read{rest}.")
    in_log = found["log"]["damaged_pages"]
    if in_log:
        print(f"Not whole in the log, and read all the same: {counted(in_log, 'page')}.")


def _show_rest(found: dict[str, Any]) -> None:
    if found["log"]["last_commit_left_out"]:
        print("The last commit in the log is not whole, as after a power cut. It was left out.")
    to_embed = found["documents"]["to_embed"] + found["memories"]["to_embed"]
    if to_embed:
        print(f"{counted(to_embed, 'text')} will be embedded when the service runs.")
    if found["model"] is None:
        print("Nothing says which model made the vectors: all of them are made anew.")
    if found["damaged_file"]:
        print(f"The damaged file is {one_line(found['damaged_file'])}, as it was.")
    _show_next(found)


def _show_next(found: dict[str, Any]) -> None:
    what = found["next"]
    if found["nothing_damaged"]:
        print("Nothing was changed. To have a new database of it all the same, name a folder with --to.")
    elif not found["database"]:
        print(f"Nothing was changed. To do it: {what[0]}")
    elif len(what) == 1:
        print(f"Look at all of it: {what[0]}. Then start the service.")
    else:
        print(f"The new database is {one_line(found['database'])}.")
        print(f"Look at all of it: {what[0]}\nThen run the service with it: {what[1]}")


def _line(told: dict[str, str]) -> str:
    return f"{told['source']} ({told['collection']}): {told['what']}"


def _show_names(what: str, names: Sequence[str]) -> None:
    if not names:
        return
    print(f"{what}: {len(names)}")
    for name in names[:SHOWN_MAX]:
        print(f"  {one_line(name)}")
    if len(names) > SHOWN_MAX:
        print(f"  and {len(names) - SHOWN_MAX} more; --json has all")
