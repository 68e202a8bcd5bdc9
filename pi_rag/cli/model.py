"""`pi-rag model`: the models on this machine. It works on files; the service need not run."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pi_rag.cli import printing
from pi_rag.cli.parsing import Parser, a_path, add_common
from pi_rag.cli.printing import one_line
from pi_rag.cli.reach import settings_of
from pi_rag.errors import ModelError, NotFound, RequestInvalid
from pi_rag.types import Quantisation

if TYPE_CHECKING:
    from pi_rag.errors import PiRagError
    from pi_rag.models.shelf import Shelf
    from pi_rag.types import ModelCard

DESCRIPTION = """\
A model turns texts into vectors. One is in use; the service loads it when it starts. Each is kept
with its checksum, which is looked at whenever it is loaded.
"""

EXAMPLES = """\
  pi-rag model list
  pi-rag model pull
  pi-rag model pull all-MiniLM-L6-v2
  pi-rag model pull hf:owner/repository/file.gguf
  pi-rag model import ~/Downloads/my-embedder.gguf --name my-embedder
  pi-rag model use all-MiniLM-L6-v2
  pi-rag model verify
"""

ACTIONS = {
    "list": "show the installed models and those that can be fetched",
    "pull": "fetch a model over the network",
    "import": "take a GGUF file, or a folder with a BERT model",
    "use": "choose the model that the service loads",
    "verify": "read the files again and compare their checksums",
}

RESTART = (
    "Restart the service to load it: stop pi-rag serve and start it again, or sudo systemctl restart pi-rag"
)

NONE = "No model is installed. Get the default one with: pi-rag model pull"

NOT_COMPARED = "There is no checksum to compare it with, since it was not installed."


def configure(parser: ArgumentParser) -> None:
    """An action each, with its own flags."""
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, title="actions", prog=parser.prog, parser_class=Parser
    )
    made = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    made["pull"].add_argument(
        "name", metavar="NAME", nargs="?", default="", help="which; the default model if none"
    )
    made["import"].add_argument("path", metavar="PATH", type=a_path, help="a GGUF file, or a folder")
    made["import"].add_argument(
        "--name", metavar="NAME", help="what to call it; the file's name if not given"
    )
    made["import"].add_argument("--query-prefix", metavar="TEXT", help="what the model wants before a query")
    for name in ("pull", "import"):
        made[name].add_argument(
            "--quantisation",
            choices=get_args(Quantisation),
            help="numbers of a model that is converted here; the fastest for this processor if not given",
        )
        made[name].add_argument("--force", action="store_true", help="replace one of the same name")
    made["use"].add_argument("name", metavar="NAME", help="an installed model")
    made["verify"].add_argument("name", metavar="NAME", nargs="?", help="one model; all if not given")
    for each in made.values():
        add_common(each)


def run(args: Namespace) -> int:
    """Do one action. Raises ModelError, NotFound, BadInput, Busy or DiskFull."""
    from pi_rag.models.shelf import Shelf

    settings = settings_of(args)
    shelf, choice = Shelf(settings.models_path), settings.embedder.model
    actions = {"pull": _pull, "import": _import, "use": _use}
    if args.action == "list":
        _list(shelf, args, choice)
    elif args.action == "verify":
        _verify(shelf, args, choice)
    else:
        actions[args.action](shelf, args)
    return 0


def _list(shelf: Shelf, args: Namespace, choice: str) -> None:
    """`choice`: what the settings name goes before what was chosen with `use`."""
    from pi_rag.models.catalogue import KNOWN

    cards = shelf.cards()
    own, problem = _own(shelf, choice)
    in_use = choice or shelf.name_in_use() or ""
    installed = {card.name for card in cards}
    known = [model for model in KNOWN if model.name not in installed]
    if args.json:
        models = [asdict(card) | {"in_use": _is(card, in_use)} for card in cards]
        models += [asdict(own) | {"in_use": True}] if own else []
        can = [
            {"name": model.name, "summary": model.summary, "download_mib": model.download_mib}
            for model in known
        ]
        told = {"problem": problem.to_wire()} if problem else {}
        printing.as_json({"models": models, "known": can, **told})
        return
    if problem:
        print(f"The settings name a file that cannot be used: {one_line(problem.message)} {problem.hint}")
    elif not cards and not own:
        print(NONE)
    rows = [_row(card, in_use=_is(card, in_use)) for card in cards]
    printing.table([*([_row(own, in_use=True)] if own else []), *rows])
    if known:
        print("\nCan be fetched:")
        printing.table(
            [(f"  {model.name}", f"{model.summary} ({model.download_mib} MiB)") for model in known]
        )


def _own(shelf: Shelf, choice: str) -> tuple[ModelCard | None, PiRagError | None]:
    """The model of the file that the settings name, if they name one, or why it cannot be used."""
    from pi_rag.models.shelf import own_file

    try:
        return (shelf.current(choice) if own_file(choice) else None), None
    except (ModelError, NotFound) as error:
        return None, error


def _is(card: ModelCard, name: str) -> bool:
    return card.name.lower() == name.lower()


def _row(card: ModelCard, *, in_use: bool) -> tuple[str, ...]:
    facts = f"{card.dimensions} dimensions, {card.pooling}, {card.tokens_max} tokens"
    mark = "in use" if in_use else ""
    return one_line(card.name), mark, one_line(card.quantisation), facts, one_line(card.source)


def _pull(shelf: Shelf, args: Namespace) -> None:
    from pi_rag.models.sources import pull

    name = _wanted(shelf, args)
    before = next((card for card in shelf.cards() if card.name == name), None)
    if before and args.quantisation not in {None, before.quantisation} and not args.force:
        raise RequestInvalid(
            f"{name} is installed in {before.quantisation}.",
            hint="Replace it with --force. An index that was made with it then needs its own again.",
        )
    with _Shown() as shown:
        card = pull(name, shelf, shown, quantisation=_quantisation(args, before), force=args.force)
    _tell(card, shelf, args, before)


def _wanted(shelf: Shelf, args: Namespace) -> str:
    """The model that is named; without a name the default, or with --force the one in use, if it is known."""
    from pi_rag.models.catalogue import DEFAULT, KNOWN

    in_use = shelf.name_in_use() if args.force else None
    known = in_use if in_use in {model.name for model in KNOWN} else None
    return str(args.name or known or DEFAULT)


def _import(shelf: Shelf, args: Namespace) -> None:
    from pi_rag.models.sources import import_path

    with _Shown() as shown:
        card = import_path(
            Path(args.path),
            shelf,
            args.name,
            shown,
            query_prefix=args.query_prefix,
            quantisation=_quantisation(args, None),
            force=args.force,
        )
    _tell(card, shelf, args)


def _quantisation(args: Namespace, before: ModelCard | None) -> Quantisation:
    """What is asked for, else what it is kept in already, since an index may be made with that."""
    from pi_rag.host.processor import features
    from pi_rag.models.quantisation import fastest

    kept = before.quantisation if before else None
    wanted: Quantisation = args.quantisation or next(
        (each for each in get_args(Quantisation) if each == kept), fastest(features())
    )
    return wanted


def _tell(card: ModelCard, shelf: Shelf, args: Namespace, before: ModelCard | None = None) -> None:
    in_use = shelf.name_in_use() == card.name
    if args.json:
        printing.as_json({"model": asdict(card) | {"in_use": in_use}})
        return
    print(
        f"{card.name} is installed: {card.dimensions} dimensions, {card.quantisation}, "
        f"licence {card.licence or 'unknown'}."
    )
    if before and before.sha256 != card.sha256:
        print(
            f"Its vectors are not those of before ({before.quantisation}). An index made with those is "
            "searched by words alone after a restart, until you run: pi-rag reindex"
        )
    print(RESTART if in_use else f"Another model is in use. To change: pi-rag model use {card.name}")


def _use(shelf: Shelf, args: Namespace) -> None:
    card = shelf.use(args.name)
    if args.json:
        printing.as_json({"model": asdict(card) | {"in_use": True}})
        return
    print(f"{card.name} is chosen. {RESTART}")
    print("An index that was made with another model stays with that until you run: pi-rag reindex")


def _verify(shelf: Shelf, args: Namespace, choice: str) -> None:
    from pi_rag.models.shelf import own_file

    cards = [shelf.card(args.name)] if args.name else shelf.cards()
    for card in cards:
        shelf.verify(card)
        if not args.json:
            print(f"{card.name}: checksum right")
    own = shelf.current(choice) if own_file(choice) and not args.name else None
    if own and not args.json:
        print(f"{one_line(own.path)}: whole. {NOT_COMPARED} Its sha256: {own.sha256}")
    if args.json:
        not_compared = {"not_compared": [own.path]} if own else {}
        printing.as_json({"verified": [card.name for card in cards], **not_compared})
    elif not cards and not own:
        print(NONE)


class _Shown:
    """What is being done, on standard error: one line redrawn on a terminal, a line a step elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live and self._last:
            print(file=sys.stderr)

    def __call__(self, what: str, done: int, total: int) -> None:
        share = f" {100 * done // total:3d} %" if total and self._live else ""
        line = one_line(what) + share
        if line == self._last:
            return
        # A new step begins a new line; the same step is drawn over what was there.
        begin = "\r" if self._live else ""
        if self._live and self._last and not self._last.startswith(one_line(what)):
            begin = "\n"
        self._last = line
        print(f"{begin}{line}", end="" if self._live else "\n", file=sys.stderr, flush=True)
