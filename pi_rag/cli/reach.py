"""From the common flags to the settings in force and to the service.

It knows the flags that every command has, and nothing of any command.
"""

from __future__ import annotations

from argparse import Namespace

from pi_rag.client import Client
from pi_rag.config import Settings, load


def settings_of(args: Namespace) -> Settings:
    """The settings of this run: flags over environment over file. Raises SettingsInvalid."""
    return load(args.config, flags={"service.data": args.data, "service.socket": args.socket})


def repeated(args: Namespace, *flags: str) -> list[str]:
    """Those of the common flags that were given, to be typed again with a command that is advised."""
    given = [(f"--{flag}", str(getattr(args, flag))) for flag in flags if getattr(args, flag) is not None]
    return [word for pair in given for word in pair]


def client_of(settings: Settings) -> Client:
    """A client of the service that these settings name."""
    return Client(
        settings.socket_path,
        answer_s_max=settings.client.answer_s_max,
        answer_mib_max=settings.client.answer_mib_max,
    )
