"""`pi-rag watch`: name a folder once, and what is remembered of it stays right."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from pi_rag.cli import printing
from pi_rag.cli.parsing import PAGE_SIZE, Parser, a_path, add_common, add_limit
from pi_rag.cli.printing import counted, one_line, stamp, styled
from pi_rag.cli.reach import client_of, settings_of
from pi_rag.client import Client
from pi_rag.errors import RequestInvalid, WatchNotFound

DESCRIPTION = """\
What is in a watched folder is remembered; what comes, changes, moves or goes in it is seen within
seconds. Hidden files and what a .gitignore or a .piragignore names are left out. A drive or a
network mount that is away takes nothing with it. The service must be able to read the folder.
"""

EXAMPLES = """\
  pi-rag watch add ~/Documents
  pi-rag watch add ~/Projects --collection code --include '*.py' --include '*.md' --exclude build/
  pi-rag watch list
  pi-rag watch list ~/Documents --skipped
  pi-rag watch remove ~/Documents
"""

ACTIONS = {
    "add": "remember what is in a folder, and keep it right",
    "list": "show the watched folders, or what became of the files in one",
    "remove": "watch a folder no more; its documents stay",
}


def configure(parser: ArgumentParser) -> None:
    """An action each, with its own flags."""
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, title="actions", prog=parser.prog, parser_class=Parser
    )
    made = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    made["add"].add_argument("folder", metavar="FOLDER", type=a_path)
    made["add"].add_argument("--collection", metavar="C", default="default", help="put it in this collection")
    for flag, text in (("--include", "only files that match"), ("--exclude", "nothing that matches")):
        made["add"].add_argument(
            flag, metavar="GLOB", action="append", default=[], help=f"{text}, as in a .gitignore; repeatable"
        )
    made["list"].add_argument(
        "folder", metavar="FOLDER", type=a_path, nargs="?", help="or its number: show its files"
    )
    made["list"].add_argument("--skipped", action="store_true", help="only files that were not taken")
    made["list"].add_argument("--after", metavar="PATH", help="go on after this file")
    add_limit(made["list"])
    made["remove"].add_argument("folder", metavar="FOLDER", type=a_path, help="or its number")
    made["remove"].add_argument(
        "--collection", metavar="C", help="of several watches of one folder, this one's"
    )
    for name, each in made.items():
        lines = [line for line in EXAMPLES.splitlines() if f"pi-rag watch {name}" in line]
        each.epilog = "\n".join(["examples:", *lines])
        add_common(each)


def run(args: Namespace) -> int:
    """Do one action. Raises BadInput, NotFound or ServiceDown."""
    client = client_of(settings_of(args))
    {"add": _add, "list": _list, "remove": _remove}[args.action](client, args)
    return 0


def _add(client: Client, args: Namespace) -> None:
    folder = os.path.normpath(Path(args.folder).absolute())
    told = client.watch(folder, collection=args.collection, include=args.include, exclude=args.exclude)
    if args.json:
        printing.as_json(told)
    else:
        print(f"Watching {one_line(told.get('folder'))}. See how far it is with: pi-rag watch list")


def _list(client: Client, args: Namespace) -> None:
    if args.folder is not None:
        _list_files(client, _found(client, args.folder), args)
        return
    told = client.watches()
    if args.json:
        printing.as_json(told)
    else:
        _show_all(told.get("watches") or [])


def _list_files(client: Client, watch: dict[str, Any], args: Namespace) -> None:
    page = client.watched_files(watch["id"], skipped=args.skipped, limit=args.limit, after=args.after)
    if args.json:
        printing.as_json(page)
        return
    if flags := _patterns(watch):
        print(f"Watched with {flags}")
    files = page.get("files") or []
    if not files:
        nothing = "Nothing was refused." if args.skipped else "No file is known in it yet."
        print(printing.NO_MORE if args.after else nothing)
        return
    printing.table([("CHANGED", "STORED", "FILE"), *(_file_row(each) for each in files)])
    if page.get("next") is not None:
        limit = [] if args.limit == PAGE_SIZE else ["--limit", args.limit]
        skipped = ["--skipped"] if args.skipped else []
        printing.more("watch", "list", args.folder, *skipped, *limit, "--after", page["next"])


def _file_row(file: dict[str, Any]) -> tuple[str, ...]:
    skipped = file.get("skipped") or {}
    why = f": {one_line(skipped.get('message'))} ({one_line(skipped.get('hint'))})" if skipped else ""
    stored = "waiting" if file.get("waiting") else stamp(file.get("indexed_at"))
    inside = f": {counted(int(file['within']), 'document')} in it" if file.get("within") else ""
    if not (skipped or file.get("waiting") or file.get("indexed_at")):
        inside = ": nothing of it is kept, until it changes"  # it was removed, or cancelled
    return stamp(file.get("modified_at")), stored, one_line(file.get("path")) + inside + why


def _remove(client: Client, args: Namespace) -> None:
    watch = _found(client, args.folder, args.collection)
    answer = client.unwatch(watch["id"])
    if args.json:
        printing.as_json(answer)
        return
    folder = str(watch.get("folder"))
    command = printing.typed("remove", "--under", folder, "--collection", watch.get("collection"))
    print(f"{one_line(folder)} is watched no more. Its documents stay; to forget them: {command}")


def _found(client: Client, named: str, collection: str | None = None) -> dict[str, Any]:
    """The watched folder that a person names by its number or its path.

    Raises WatchNotFound; RequestInvalid where several collections have what is in the folder.
    """
    paths = {os.path.realpath(named), named}
    watches = [each for each in client.watches()["watches"] if collection in {None, each["collection"]}]
    found = [each for each in watches if named == str(each["id"])]
    found = found or [each for each in watches if each["folder"] in paths]
    if len(found) > 1:
        which = ", ".join(f"{each['id']} ({one_line(each['collection'])})" for each in found)
        raise RequestInvalid(
            f"{named} is watched for {len(found)} collections.", hint=f"Name one by its number: {which}."
        )
    if not found:
        raise WatchNotFound(f"{named} is not watched{f' for collection {collection}' if collection else ''}.")
    return dict(found[0])


def _show_all(watches: list[dict[str, Any]]) -> None:
    if not watches:
        print("No folder is watched. Begin with: pi-rag watch add FOLDER")
        return
    heads = ("ID", "COLLECTION", "SEEN", "FILES", "FOLDER")
    printing.table([heads, *(_row(each) for each in watches)])
    for each in watches:
        if each.get("problem"):
            print(styled(f"{one_line(each.get('folder'))}: {one_line(each['problem'])}", "yellow"))


def _row(watch: dict[str, Any]) -> tuple[str, ...]:
    skipped = int(watch.get("skipped") or 0)
    files = f"{int(watch.get('files') or 0):,}" + (f", {skipped:,} not taken" if skipped else "")
    return (
        str(watch.get("id")),
        one_line(watch.get("collection")),
        stamp(watch.get("seen_at")),
        files,
        f"{one_line(watch.get('folder'))}  {_patterns(watch)}".rstrip(),
    )


def _patterns(watch: dict[str, Any]) -> str:
    """What it keeps to, as one would type it; empty where that is everything."""
    kinds = ("include", "exclude")
    return printing.quoted(*(word for kind in kinds for each in watch[kind] for word in (f"--{kind}", each)))


def state_line(watching: dict[str, Any]) -> str:
    """The line of `pi-rag status`; empty when no folder is watched."""
    folders = int(watching.get("folders") or 0)
    if not folders:
        return ""
    problems = [f"{one_line(each['folder'])}: {each['problem']}" for each in watching.get("problems") or []]
    return one_line("; ".join([counted(folders, "folder"), *problems]))
