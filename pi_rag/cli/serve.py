"""`pi-rag serve`: become the service. The only command that imports it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from pi_rag.cli.reach import settings_of

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
    """It has no flags of its own."""


def run(args: Namespace) -> int:
    """Serve until stopped. Raises PiRagError when the service cannot start."""
    settings = settings_of(args)
    from pi_rag.service.run import serve

    return serve(settings, lambda: settings_of(args))
