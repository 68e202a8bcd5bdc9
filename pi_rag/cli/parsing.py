"""How every command line is parsed: the common flags, errors of ours, and commands that are filled late."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from argparse import (
    SUPPRESS,
    Action,
    ArgumentError,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _SubParsersAction,
)
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pi_rag.errors import RequestInvalid

PAGE_SIZE, PAGE_SIZE_MAX = 100, 1000
"""How many of a listing come at once where nobody says so, and at most. The service has the same bound."""

NAMED_ONCE = ("config", "data", "socket")
"""Common flags of which two values cannot both be meant."""


class _Help(RawDescriptionHelpFormatter):
    """Help as wide as the terminal. argparse would import `shutil` to find that out, even to show nothing."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, width=columns() - 2, **options)


def columns() -> int:
    """The width of the terminal, or what COLUMNS says; 80 where there is neither."""
    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class _Once(Action):
    """Keeps one value. A flag that is given twice is refused: nobody can tell which of the two was meant."""

    _given: Namespace | None = None

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if option_string and self._given is namespace:
            raise ArgumentError(self, "may be given only once")
        self._given = namespace
        setattr(namespace, self.dest, values)


class _Commands(_SubParsersAction):  # type: ignore[type-arg]  # a class of its own cannot be subscripted here
    """Hands over to a command's parser. The common flags before its name and after it are the same ones."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        before = {flag: getattr(namespace, flag, None) for flag in NAMED_ONCE}
        super().__call__(parser, namespace, values, option_string)
        for flag, value in before.items():
            if value is not None and getattr(namespace, flag) != value:
                parser.error(f"argument --{flag}: may be given only once")


class Parser(ArgumentParser):
    """A parser that speaks as the rest of the program does: an error of ours instead of its usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **options)
        self.register("action", None, _Once)
        self.register("action", "parsers", _Commands)

    def parse_known_args(  # type: ignore[override]  # the base is overloaded on the namespace's type
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """What is unknown is refused here: later nobody knows any more which command it was said to."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = ", ".join(map(repr, self._option_string_actions))
            told = f"unrecognized arguments: {' '.join(unknown)}"
            self._refuse(told, _meant(f": {unknown[0].partition('=')[0]} (choose from {flags})"))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Raise RequestInvalid with where to read how it is done."""
        self._refuse(message, _meant(message) or self._described(message))

    def _refuse(self, message: str, meant: str) -> NoReturn:
        hint = f"{meant}Run: {self.prog} --help"
        raise RequestInvalid(f"{message[:1].upper()}{message[1:]}.", hint=hint)

    def _described(self, message: str) -> str:
        """The only one of the commands that is said to do what was typed; empty when there is none."""
        typed = message.partition("invalid choice: '")[2].partition("'")[0]
        commands = [each for action in self._actions for each in getattr(action, "_choices_actions", ())]
        named = [each.dest for each in commands if typed and (each.help or "").lower().split()[:1] == [typed]]
        return f"Did you mean {named[0]!r}? " if len(named) == 1 else ""


def _meant(message: str) -> str:
    """The choice nearest to what was typed, out of argparse's own words; empty when none is near."""
    import difflib  # only on the way to an error: light commands should not pay for it

    typed, _, choices = message.partition("(choose from ")
    near = difflib.get_close_matches(
        typed.rpartition(": ")[2].strip(" '"), choices.strip(")").replace("'", "").split(", ")
    )
    return f"Did you mean {near[0]!r}? " if near else ""


def add_limit(to: ArgumentParser) -> None:
    """How much of a listing is shown at once."""
    to.add_argument(
        "--limit",
        type=_page_size,
        default=PAGE_SIZE,
        metavar="N",
        help=f"how many at most, from 1 to {PAGE_SIZE_MAX} ({PAGE_SIZE})",
    )


def _page_size(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= PAGE_SIZE_MAX:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {PAGE_SIZE_MAX}")


def a_path(text: str) -> str:
    """What was typed as a path. An unset variable of a script gives an empty one, which would be taken for
    the folder one is in. Raises RequestInvalid."""
    if not text:
        raise RequestInvalid("A path is empty.", hint="Check the variable that it was to come from.")
    return text


def is_url(text: str) -> bool:
    """Whether it is an address of the web and no path."""
    return text.lower().startswith(("http://", "https://"))


_OF_FIELD = re.compile(
    r"(?:body|query)\.(?:\w+\.)*?(\w+): (?:(?:String|Input|List) (?=should)|Value error, it )(.*)", re.S
)
"""What the service says of one field of a request."""


def as_typed(message: str, arguments: Sequence[str]) -> str:
    """What the service says of a field, said of the flag that was typed for it, or of its name in words."""
    found = _OF_FIELD.fullmatch(message)
    if found is None:
        return message
    flag = f"--{found[1].replace('_', '-')}"
    is_typed = any(each.partition("=")[0] == flag for each in arguments)
    return f"{flag if is_typed else found[1].replace('_', ' ').capitalize()} {found[2]}"


def json_or_text(text: str) -> Any:
    """What was typed, as JSON where it reads as JSON: 2024 is a number; "2024", Miller, 1e999 are texts."""
    try:
        return json.loads(text, parse_constant=no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return text


def no_constant(name: str) -> Any:
    """Python reads NaN and Infinity as numbers; JSON does not have them."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """What no machine can hold Python reads as Infinity, which cannot be written down again."""
    number = float(text)
    return no_constant(text) if number in (math.inf, -math.inf) else number


class CommandParser(Parser):
    """The parser of one command, empty until somebody parses with it: then `fill` is called with it, once."""

    def __init__(self, *, fill: Callable[[Parser], None], **options: Any) -> None:
        super().__init__(**options)
        self._fill: Callable[[Parser], None] | None = fill

    def parse_known_args(  # type: ignore[override]  # the base is overloaded on the namespace's type
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Fill the parser, then parse."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill(self)
        return super().parse_known_args(args, namespace)


def add_common(to: ArgumentParser, *, at_top: bool = False) -> None:
    """The flags of every command. They may stand before its name or after it."""
    group = to.add_argument_group("common flags")
    # Without a default of its own, a command's flag does not wipe out the one before its name.
    default: Any = None if at_top else SUPPRESS
    group.add_argument("--config", metavar="FILE", default=default, help="settings file (PI_RAG_CONFIG)")
    group.add_argument("--data", metavar="DIR", default=default, help="data folder (PI_RAG_DATA)")
    group.add_argument(
        "--socket", metavar="PATH", default=default, help="the service's socket (PI_RAG_SOCKET)"
    )
    group.add_argument(
        "--json", action="store_true", default=False if at_top else SUPPRESS, help="print JSON for programs"
    )
