"""`pi-rag serve`: become the service. The only command that imports it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from pi_rag.cli.printing import one_line, typed
from pi_rag.cli.reach import repeated, settings_of
from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.errors import PiRagError, StoreDamaged

DESCRIPTION = """\
It holds the model, the database and the socket, and runs until Ctrl-C or SIGTERM. What was
acknowledged is kept; documents still waiting go on at the next start. SIGHUP reads the settings
again. Without a model it still starts, answers from words alone, and says so.
"""

EXAMPLES = """\
  pi-rag serve
  pi-rag serve --data /srv/pi-rag --socket /run/pi-rag/pi-rag.sock
  pi-rag serve --config /etc/pi-rag/pi-rag.toml
"""


def configure(parser: ArgumentParser) -> None:
    """Whether to serve at all."""
    parser.add_argument("--check", action="store_true", help="only see whether the settings can be used")


def run(args: Namespace) -> int:
    """Serve until stopped. Raises PiRagError when the service cannot start."""
    from pi_rag.service.comeback import counted

    if args.check:
        settings_of(args)
        return 0
    # The settings too are read within it: wrong ones end the start.
    with counted(SystemClock()) as goes_on:
        if not goes_on:
            return 0
        settings = settings_of(args)
        if sys.stderr.isatty():
            _greet(settings)
        from pi_rag.service.run import serve

        try:
            return serve(settings, lambda: settings_of(args))
        except StoreDamaged as error:
            if error.hint == StoreDamaged.hint_default:
                error.hint = _what_to_type(args)
            raise


def _what_to_type(args: Namespace) -> str:
    """About a damaged database, for the folder that was named. Only systemd would start it again."""
    given = repeated(args, "config", "data")
    begin = "Stop the service, then put" if os.environ.get("NOTIFY_SOCKET") else "Put"
    restore, recover = typed("restore", *given, "BACKUP"), typed("recover", *given)
    return f"Nothing is deleted. {begin} a backup back: {restore}   (without one: {recover})"


def _greet(settings: Settings) -> None:
    """What a person in a terminal wants to know; the lines that follow are made for the journal."""
    from pi_rag.models.shelf import Shelf

    where = one_line(settings.socket_path)
    print(f"pi-rag answers at {where} until Ctrl-C. How it is: pi-rag status", file=sys.stderr)
    try:
        Shelf(settings.models_path).current(settings.embedder.model)
    except PiRagError as error:
        print(f"{error.message} Searches go by words alone. {error.hint}", file=sys.stderr)
