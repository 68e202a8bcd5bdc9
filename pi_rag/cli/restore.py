"""`pi-rag restore`: a backup in the place of the database, and what there is to choose from."""

from __future__ import annotations

import sys
import tomllib
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_rag import owners
from pi_rag.cli import printing
from pi_rag.cli.parsing import a_path
from pi_rag.cli.printing import counted, one_line, size, stamp, typed
from pi_rag.cli.reach import repeated, settings_of
from pi_rag.cli.verify import held
from pi_rag.clock import SystemClock
from pi_rag.config import Settings, to_toml
from pi_rag.errors import ModelError, PathNotFound, RequestInvalid, SocketInUse

if TYPE_CHECKING:
    from pi_rag.store.backups import Found
    from pi_rag.store.restore import Restored

DESCRIPTION = """\
The service must be stopped. FILE is compared with its checksums first; the database that is there
is kept beside it, with the moment in its name. A power cut at any moment leaves the old one or the
new one, and the next start goes on from there. Models are not in a backup; which one it needs, and
whether that is here, is said.
"""

EXAMPLES = """\
  pi-rag restore --list /var/lib/pi-rag/backups
  sudo pi-rag restore --config /etc/pi-rag/pi-rag.toml /mnt/usb/pi-rag-backup-20261122T021500Z.db
"""

STOP = "sudo systemctl stop pi-rag.socket pi-rag   (or end pi-rag serve), then the same again"

WHICH = "See which there are: pi-rag restore --list FOLDER"

DIFFERENT_MAX = 20
"""Settings that are named; `--json` has all."""

ELSEWHERE = frozenset({"service.data", "service.socket"})
"""Where things lie belongs to each machine."""

CHOSEN_BY_MACHINE = frozenset({"embedder.workers", "embedder.threads", "memory.budget_mib"})
"""0: the machine chooses. A backup has what it chose then, which nobody has set."""

Differences = dict[str, tuple[Any, Any]]
"""By the name of a setting: its value in the backup, and its value here."""


def configure(parser: ArgumentParser) -> None:
    """What, or where to look."""
    parser.add_argument("file", metavar="FILE", type=a_path, nargs="?", help="a backup")
    parser.add_argument(
        "--list",
        metavar="FOLDER",
        nargs="?",
        type=a_path,
        const=True,
        help="show the backups in a folder (that of the settings)",
    )


def run(args: Namespace) -> int:
    """Restore, or list. Raises PathNotFound, StoreError and its kinds, SocketInUse, RequestInvalid."""
    settings = settings_of(args)
    if (args.list is None) == (args.file is None):
        raise RequestInvalid("Name one backup.", hint=WHICH)
    if args.list is not None:
        folder = settings.backup_path if args.list is True else Path(args.list)
        return _list(folder, settings, as_json=args.json)
    done = _restored(Path(args.file), settings, quiet=args.json)
    told = _told(done, settings)
    if args.json:
        printing.as_json(told)
    else:
        _show(told, repeated(args, "config", "data"))
    return 0


def _restored(source: Path, settings: Settings, *, quiet: bool) -> Restored:
    from pi_rag.store import restore as restoring

    def tell(doing: str) -> None:
        if not quiet:
            print(f"{doing} ...", file=sys.stderr, flush=True)

    try:
        return restoring.restore(source, settings.database_path, settings.store, SystemClock().wall_s(), tell)
    except SocketInUse as error:
        raise SocketInUse(error.message, hint=STOP) from error
    except PathNotFound as error:
        # What only looks at a file may be given a data folder as well; here it is a backup.
        raise error if source.exists() else PathNotFound(error.message, hint=WHICH) from error


def _told(done: Restored, settings: Settings) -> dict[str, Any]:
    return {
        "restored": str(settings.database_path),
        "kept": None if done.kept is None else str(done.kept),
        "backup": asdict(done.card),
        "content_hash": done.card.content,
        "model": _model(done.card.model, settings),
        "different": {name: list(both) for name, both in different(done.card.settings, settings).items()},
    }


def _model(wanted: Any, settings: Settings) -> dict[str, Any] | None:
    """The model that its vectors were made with, and whether it is here, and chosen."""
    if wanted is None:
        return None
    from pi_rag.models.shelf import Shelf

    shelf = Shelf(settings.models_path)
    try:
        here = any(card.sha256 == wanted["model_sha256"] for card in shelf.cards())
        chosen = shelf.current(settings.embedder.model).sha256 == wanted["model_sha256"]
    except ModelError:
        here, chosen = False, False
    return {"name": wanted["model_name"], "is_here": here or chosen, "is_chosen": chosen}


def different(toml: str, settings: Settings) -> Differences:
    """Settings that were others when the backup was made, and that somebody has set."""
    try:
        then, now = _flat(toml), _flat(to_toml(settings))
    except tomllib.TOMLDecodeError:
        return {}
    left_out = ELSEWHERE | {name for name in CHOSEN_BY_MACHINE if not now[name]}
    names = [name for name in now if name in then and then[name] != now[name]]
    return {name: (then[name], now[name]) for name in names if name not in left_out}


def _flat(toml: str) -> dict[str, Any]:
    return {
        f"{group}.{key}": value
        for group, table in tomllib.loads(toml).items()
        for key, value in table.items()
    }


def _show(told: dict[str, Any], given: list[str]) -> None:
    """`given` are the flags that name this folder: without them another one would be meant."""
    card = told["backup"]
    print(f"Restored what was kept on {stamp(card['made_at'])}: {held(card['counts'])}.")
    if told["kept"]:
        print(f"The database that was here is now {one_line(told['kept'])}.")
    for line in [*_model_lines(told["model"], given), *_different_lines(told["different"])]:
        print(one_line(line))
    print(f"Start the service: {_start(given)}")


def _start(given: list[str]) -> str:
    """The installed service knows the folder of its settings alone."""
    installed, here = "sudo systemctl start pi-rag.socket pi-rag", typed("serve", *given)
    if "--data" in given:
        return f"{here}   (if it is that of the installed one: {installed})"
    return f"{installed}   (or: {here})"


def _model_lines(model: dict[str, Any] | None, given: list[str]) -> list[str]:
    if model is None:
        return []
    if not model["is_here"]:
        return [
            f"Its vectors were made with {model['name']}, which is not here. Get it: "
            f"{typed('model', 'pull', *given, model['name'])}",
        ]
    if not model["is_chosen"]:
        use = typed("model", "use", *given, model["name"])
        return [f"Its vectors were made with {model['name']}. It is here; to choose it: {use}"]
    return [f"Its vectors were made with {model['name']}, which is the model in use here."]


def _different_lines(found: dict[str, list[Any]]) -> list[str]:
    lines = [
        f"  {name}: {then!r} then, {now!r} here" for name, (then, now) in list(found.items())[:DIFFERENT_MAX]
    ]
    more = [f"  and {len(found) - DIFFERENT_MAX} more"] if len(found) > DIFFERENT_MAX else []
    return [f"{counted(len(found), 'setting')} differ from then:", *lines, *more] if found else []


def _list(folder: Path, settings: Settings, *, as_json: bool) -> int:
    from pi_rag.store import backups

    try:
        found = backups.listing(folder, settings.store)
    except FileNotFoundError:
        if folder != settings.backup_path:
            raise PathNotFound(f"There is no folder {folder}.") from None
        found = []
    except OSError as error:
        hint = owners.advice(folder) if isinstance(error, PermissionError) else None
        raise PathNotFound(f"{folder} cannot be looked into: {error.strerror}.", hint=hint) from error
    if as_json:
        printing.as_json({"folder": str(folder), "backups": [_listed(each) for each in found if each.card]})
        return 0
    for each in found:
        print(_line(each))
    if not any(each.card for each in found):
        print(f"There is no backup in {one_line(folder)} yet. Make one: pi-rag backup")
    if settings.backup.folder and not folder.exists():
        print("Or its disk is not mounted: there is no such folder.")
    return 0


def _listed(found: Found) -> dict[str, Any]:
    assert found.card is not None
    card = asdict(found.card)
    del card["settings"]
    return {"path": str(found.path), "size_bytes": found.size_bytes, **card}


def _line(found: Found) -> str:
    if found.card is None:
        return f"{'no backup':<18}{size(found.size_bytes):>10}  {one_line(found.path)}"
    documents = counted(found.card.counts.get("documents", 0), "document")
    when = stamp(found.card.made_at)
    return f"{when:<18}{size(found.size_bytes):>10}  {one_line(found.path)}  {documents}"
