"""The door for people: `pi-rag COMMAND ...`.

It knows the names of the commands and what all of them share: how they are parsed, how they fail and how
they end. What a command does is in the file of its name, which is imported when it is asked for, so that
`pi-rag status` does not pay for the libraries of `pi-rag serve`.
"""

from __future__ import annotations

import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from keyword import iskeyword
from typing import Any

from pi_rag import __version__
from pi_rag.cli import printing
from pi_rag.cli.parsing import CommandParser, Parser, add_common, as_typed
from pi_rag.errors import InternalError, PiRagError, RequestInvalid

COMMANDS = {
    "serve": "Run the service in this terminal",
    "status": "Show how the service is",
    "metrics": "Show how the service was, minute by minute",
    "add": "Remember files, folders or standard input",
    "watch": "Keep folders remembered as they are",
    "search": "Find passages, with where they come from",
    "get": "Show one document",
    "list": "List the documents",
    "sources": "Show which files are in, and why others are not",
    "remove": "Forget documents",
    "export": "Write all documents as lines of JSON",
    "import": "Take what pi-rag export has written",
    "remember": "Keep a fact, for agents and people",
    "recall": "Find facts, events and passages in one ranking",
    "forget": "Take memories out of force, or erase them",
    "history": "Show how a memory or a topic came to be",
    "undo": "Take back a change of memory",
    "session": "Begin, log, sum up and end a run of work",
    "timeline": "Show what happened, in its order",
    "memory": "List what is remembered, and put it in order",
    "duplicates": "Show which documents repeat others",
    "jobs": "Show what is being added",
    "reindex": "Change the model of the index while it answers",
    "mcp": "Let an agent use the service",
    "top": "Show live figures of the service",
    "gpio": "Show how the service is on a lamp, and listen to a button",
    "model": "List, fetch, choose and check models",
    "upkeep": "Do what is due and look all over",
    "backup": "Copy all that is kept into one file",
    "restore": "Put a backup in the place of the database",
    "verify": "Say whether all that is kept is whole",
    "tune": "Measure how this machine computes best",
    "stress": "Use and misuse a service of its own, and report what held",
    "recover": "Save what can be read of a damaged database",
    "doctor": "Check this machine and say what to mend",
}
"""Every command and its line in the help."""

EXIT_INTERRUPTED = 130
"""What a shell reports for Ctrl-C: 128 and the number of SIGINT."""

EXIT_PIPE_CLOSED = 141
"""What a shell reports when the reader of a pipe has gone: 128 and the number of SIGPIPE."""

DESCRIPTION = """\
A private memory for a house: documents go in, cited passages come out.
One service holds the model and the database; every other command asks it over a Unix socket.
"""

EXAMPLES = """\
  pi-rag serve
  pi-rag add ~/Documents
  pi-rag search "when was the boiler serviced"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code, which comes from the kind of error (see pi_rag/errors.py)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A file's name may hold bytes that are no UTF-8; showing it must not be what fails.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return EXIT_PIPE_CLOSED
    return code


def _run(arguments: list[str]) -> int:
    """Parse and run; every failure is printed here, and only here."""
    try:
        args = parser().parse_args(arguments)
        return _ran(args, arguments)
    except PiRagError as error:
        return _failed(error, arguments)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        import traceback

        traceback.print_exc()
        return _failed(InternalError(f"pi-rag itself failed: {type(error).__name__}: {error}"), arguments)


def _ran(args: Namespace, arguments: Sequence[str]) -> int:
    """Where the service names what programs send and look into, a person is told the flag and the help."""
    try:
        return int(_command(args.command).run(args))
    except RequestInvalid as error:
        error.message = as_typed(error.message, arguments)
        if error.hint == RequestInvalid.hint_default:
            error.hint = f"See: pi-rag {args.command} --help"
        raise


def _failed(error: PiRagError, arguments: list[str]) -> int:
    printing.failure(error, as_object="--json" in arguments)
    return error.exit_code


def _drop_output() -> None:
    """Let Python flush what is left into nothing: `| head` has read what it wanted."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _command(name: str) -> Any:
    """The module of a command. It has DESCRIPTION, EXAMPLES, configure(parser) and run(args)."""
    # `import` is a word of the language, which no module can be called.
    return importlib.import_module(f"pi_rag.cli.{name}_" if iskeyword(name) else f"pi_rag.cli.{name}")


def parser() -> Parser:
    """The parser of the whole command line. Each command fills its own part when it is asked for."""
    top = Parser(prog="pi-rag", description=DESCRIPTION, epilog="examples:\n" + EXAMPLES)
    top.add_argument("--version", action="version", version=f"pi-rag {__version__}")
    add_common(top, at_top=True)
    # With `prog` said, argparse need not lay out a usage line to find it.
    commands = top.add_subparsers(
        dest="command",
        metavar="COMMAND",
        required=True,
        title="commands",
        prog="pi-rag",
        parser_class=CommandParser,
    )
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, fill=partial(_fill, name))
    return top


def _fill(name: str, to: Parser) -> None:
    """Give a command's parser what its module says."""
    command = _command(name)
    to.description = f"{COMMANDS[name]}.\n\n{command.DESCRIPTION}"
    to.epilog = "examples:\n" + command.EXAMPLES
    command.configure(to)
    add_common(to)


if __name__ == "__main__":
    sys.exit(main())
