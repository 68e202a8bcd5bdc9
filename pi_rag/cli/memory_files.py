"""What is remembered as a file: `pi-rag memory export` and `pi-rag memory import`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pi_rag.cli.memories import SCOPES, STANDARD_INPUT, utf8
from pi_rag.cli.parsing import a_path, no_constant
from pi_rag.cli.printing import counted, styled
from pi_rag.cli.refusals import show_refusals
from pi_rag.errors import BadInput, DocumentDamaged, DocumentUnreadable, PathNotFound, RequestInvalid
from pi_rag.memory_client import MemoryClient

LINES_MAX = 200
"""Lines of one request: as many as the service takes."""

COUNTED = ("stored", "known", "beside", "gone")

Line = dict[str, Any]


def configure(export: ArgumentParser, take: ArgumentParser) -> None:
    """The flags of both."""
    export.add_argument("--scope", metavar="S", help=f"only {SCOPES}")
    export.add_argument("--gone", action="store_true", help="also what is no more in force, and not erased")
    export.add_argument("--markdown", action="store_true", help="facts and summaries to read and to edit")
    take.add_argument("file", metavar="FILE", type=a_path, help="its name, or - for standard input")
    take.add_argument("--markdown", action="store_true", help="each item of its lists is a fact")
    take.add_argument(
        "--scope", metavar="S", help=f"with --markdown: of items above the first heading, {SCOPES} (user)"
    )


def export(client: MemoryClient, args: Namespace) -> None:
    """Write the lines as they come. Raises ServiceDown when it breaks off: then the output is not whole."""
    if args.markdown:
        if args.gone:
            raise RequestInvalid("--gone goes without --markdown, which has only what is in force.")
        print(client.memories_as_markdown(scope=args.scope)["markdown"], end="")
        return
    for line in client.export_memories(scope=args.scope, gone=args.gone):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def take(client: MemoryClient, args: Namespace) -> Line:
    """What became of the lines of a file: counts by name, and {"refused"}, each refusal with its line."""
    if args.scope is not None and not args.markdown:
        raise RequestInvalid("--scope goes with --markdown; lines of JSON say themselves where they belong.")
    data = _read(args.file)
    if args.markdown:
        return client.import_markdown(utf8(data, args.file), scope=args.scope)
    return _take_lines(client, data.splitlines())


def _take_lines(client: MemoryClient, lines: list[bytes]) -> Line:
    counts = Counter[str](dict.fromkeys(COUNTED, 0))
    ids: dict[int, int] = {}
    refused: list[Line] = []
    for begin in range(0, len(lines), LINES_MAX):
        batch: dict[int, Line] = {}
        for number, line in enumerate(lines[begin : begin + LINES_MAX], begin + 1):
            try:
                batch |= {number: _parsed(line)} if line.strip() else {}
            except DocumentDamaged as error:
                refused.append({"line": number} | error.to_wire())
        if not batch:
            continue
        numbers = list(batch)
        answer = client.import_memories(list(batch.values()), ids=_named(batch.values(), ids))
        counts.update({name: answer.get(name, 0) for name in COUNTED})
        ids |= {int(number): here for number, here in answer["ids"].items()}
        refused += [each | {"line": numbers[each["line"]]} for each in answer["refused"]]
    return {**counts, "refused": refused}


def _named(batch: Iterable[Line], ids: dict[int, int]) -> dict[int, int]:
    """Of what is known of earlier lines, as much as these lines name."""
    older = (line.get("supersedes") for line in batch)
    return {number: ids[number] for number in older if isinstance(number, int) and number in ids}


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except FileNotFoundError:
        raise PathNotFound(f"There is no file {name}.") from None
    except (OSError, ValueError) as error:
        raise DocumentUnreadable(f"{name} cannot be read: {error}.", hint="Name a file.") from error


def _parsed(data: bytes) -> Line:
    try:
        line = json.loads(data.decode("utf-8-sig"), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise DocumentDamaged(f"It is not JSON in UTF-8: {error}.", hint=_HINT) from None
    if not isinstance(line, dict):
        raise DocumentDamaged("It is not an object of JSON.", hint=_HINT)
    return line


_HINT = "Take a file that pi-rag memory export has written, or a list with --markdown."


def show_taken(answer: Line, _: Namespace) -> None:
    """How many, and what was not taken."""
    refused = answer["refused"]
    show_refusals([each | {"source": f"line {each['line']}"} for each in refused], len(refused))
    replaced = answer.get("superseded") or 0
    place = f" ({replaced:,} in the place of what was there)" if replaced else ""
    again = f" ({answer['again']:,} said again)" if answer.get("again") else ""
    counts = f"{answer['stored']:,} stored{place}, {answer['known']:,} known already{again}"
    print(f"{counts}, {counted(len(refused), 'line')} not taken")
    if answer.get("beside"):
        print(f"{answer['beside']:,} stand beside others that say otherwise. Settle it: pi-rag memory review")
    if answer.get("gone"):
        print(f"{answer['gone']:,} of those known are in force no more: pi-rag memory log says why.")
    if not any((answer["stored"], answer["known"], refused)):
        print("Nothing to remember in it: a list has lines that begin with a dash, an export has JSON.")
    if answer["stored"] or again:
        print(styled("See what was done, and take it back: pi-rag memory log", "dim"))


def exit_code(answer: Line) -> int:
    """2 when a line was not taken."""
    return BadInput.exit_code if answer.get("refused") else 0
