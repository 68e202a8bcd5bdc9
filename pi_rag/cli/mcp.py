"""`pi-rag mcp`: what an agent starts to speak with the service, and how its program is told to.

Bare, it is the bridge between standard input and output and the service's socket, until its client ends.
"""

from __future__ import annotations

import os
import shlex
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path

from pi_rag.cli import printing
from pi_rag.cli.mcp_clients import NAME, PROGRAMS
from pi_rag.cli.parsing import Parser, add_common
from pi_rag.cli.reach import settings_of
from pi_rag.errors import RequestInvalid

DESCRIPTION = """\
Agents' programs start it by themselves and speak the Model Context Protocol with it over its
standard input and output. It holds no model: it passes everything to the one service of this
machine, waits for that through a restart, and ends with the program that started it.

`pi-rag mcp setup CLIENT` shows what such a program has to be told, and with --write tells it.
"""

EXAMPLES = """\
  pi-rag mcp
  pi-rag mcp --read-only
  pi-rag mcp setup claude-code
  pi-rag mcp setup claude-code --write
  pi-rag mcp setup cursor --scope project:garden --write
  pi-rag mcp setup claude-desktop --ssh me@raspberrypi
"""


def configure(parser: ArgumentParser) -> None:
    """What binds the agent, and the way to tell its program."""
    _add_bonds(parser, False, None)
    steps = parser.add_subparsers(dest="step", metavar="setup", prog=parser.prog, parser_class=Parser)
    setup = steps.add_parser(
        "setup", help="tell an agent's program to start it", description="Show or write what a program needs."
    )
    setup.add_argument("client", metavar="CLIENT", choices=PROGRAMS, help=", ".join(PROGRAMS))
    setup.add_argument(
        "--write", action="store_true", help="put it into the program's file; keep the one before"
    )
    setup.add_argument("--ssh", metavar="HOST", help="for a program on another machine, which comes by ssh")
    _add_bonds(setup, SUPPRESS, SUPPRESS)
    add_common(setup)


def _add_bonds(parser: ArgumentParser, no: object, none: object) -> None:
    parser.add_argument(
        "--read-only", action="store_true", default=no, help="offer only the tools that change nothing"
    )
    parser.add_argument(
        "--scope",
        action="append",
        default=none,
        metavar="SCOPE",
        help="keep the agent to this scope of memory: user, project:NAME or agent:NAME; repeatable",
    )


def run(args: Namespace) -> int:
    """Serve one client until it ends, or set one up. Raises RequestInvalid."""
    if args.step is None:
        _serve(args)
    else:
        _set_up(args)
    return 0


def _serve(args: Namespace) -> None:
    from pi_rag.bridge.bridge import Bridge
    from pi_rag.bridge.exchange import Service
    from pi_rag.clock import SystemClock

    settings = settings_of(args)
    bonds = {"x-pi-rag-read-only": "1"} if args.read_only else {}
    if args.scope:
        bonds["x-pi-rag-scopes"] = ",".join(_checked(args.scope))
    service = Service(
        settings.socket_path,
        answer_s_max=settings.client.answer_s_max,
        answer_bytes_max=settings.client.answer_mib_max << 20,
        away_s_max=settings.client.away_s_max,
        headers=bonds,
    )
    Bridge(service, SystemClock()).run()


def _set_up(args: Namespace) -> None:
    from pi_rag.cli import mcp_setup

    program = PROGRAMS[args.client]
    command = _command(args)
    if args.ssh and args.write:
        raise RequestInvalid(
            "--write is for programs of this machine.", hint="Leave it out, and copy what is shown."
        )
    done, kept = mcp_setup.put(program, command) if args.write else ("shown", None)
    text, path = mcp_setup.shown(program, command), mcp_setup.file_of(program)
    if args.json:
        told = {"client": args.client, "file": str(path), "done": done, "entry": program.shaped(command)}
        printing.as_json(told | {"before": str(kept) if kept else None})
    elif done == "shown":
        print(text)
        whose = f"in {program.file} there" if args.ssh else f"in {path}"
        print(f"{program.title} reads this {whose}. Keep what else is in the file.")
        if not args.ssh:
            print(f"To have it put in: {_writing(args)}")
    elif done == "kept":
        print(f"{path} has it already; nothing was changed.")
    else:
        print(f"{done.capitalize()} {NAME} in {path}:\n\n{text}")
        print(f"All else in it is as it was{f'; the file before: {kept}' if kept else ''}. {program.then}")


def _command(args: Namespace) -> list[str]:
    """What the program has to start. It may have neither our PATH nor our environment."""
    bonds = _typed(args)[1:]
    if args.ssh:
        if args.ssh.startswith("-"):
            raise RequestInvalid(f"{args.ssh!r} is no host.")
        return ["ssh", "-T", args.ssh, shlex.join(["pi-rag", "mcp", *bonds])]
    named = args.socket or args.config or args.data or any(os.environ.get(name) for name in _PLACES)
    socket = ["--socket", str(settings_of(args).socket_path.absolute())] if named else []
    return [*_ourselves(), "mcp", *socket, *bonds]


def _writing(args: Namespace) -> str:
    """The command that puts in what was shown."""
    places = {f"--{name}": getattr(args, name) for name in ("socket", "config", "data")}
    named = [word for flag, place in places.items() if place is not None for word in (flag, place)]
    return printing.typed("mcp", "setup", *_typed(args), *named, "--write")


_PLACES = ("PI_RAG_SOCKET", "PI_RAG_CONFIG", "PI_RAG_DATA")
"""By what the environment may say where the socket is."""


def _typed(args: Namespace) -> list[str]:
    """The client and its bonds, as they were typed."""
    scopes = [word for scope in _checked(args.scope or []) for word in ("--scope", scope)]
    return [args.client, *(["--read-only"] if args.read_only else []), *scopes]


def _checked(scopes: list[str]) -> list[str]:
    from pi_rag.memory.scopes import checked

    return [checked(scope) for scope in scopes]


def _ourselves() -> list[str]:
    """This program, by its whole path."""
    started = Path(sys.argv[0]).absolute()
    return [str(started)] if started.name == "pi-rag" else [sys.executable, "-m", "pi_rag.cli.main"]
