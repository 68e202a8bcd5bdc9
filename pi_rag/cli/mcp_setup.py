"""An entry of ours in the settings file of an agent's program: shown, or put in beside what else is there.

Everything else in the file stays, in its order, and so does what a person has added to the entry itself. The
file before it is kept beside it, and the new one takes its place in one step. A file that cannot be read as
plain JSON or TOML is left alone.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pi_rag.cli.mcp_clients import NAME, Entry, Program
from pi_rag.errors import RequestInvalid

OURS = ("type", "command", "args")
"""The keys of an entry that are set anew. Others are put in where they are not there yet."""

INDENT = re.compile(r"^\{\s*\n([ \t]+)")


def file_of(program: Program) -> Path:
    """Where this user's file of the program is, also when it is not there yet."""
    config = os.environ.get("XDG_CONFIG_HOME")
    if config and program.file.startswith("~/.config/"):
        return Path(config) / program.file.removeprefix("~/.config/")
    return Path(program.file).expanduser()


def shown(program: Program, command: Sequence[str]) -> str:
    """The entry as it stands in the file, with the keys around it."""
    if program.file.endswith(".toml"):
        return f"[{program.under}.{NAME}]\n" + _lines(program.shaped(command))
    return json.dumps({program.under: {NAME: program.shaped(command)}}, indent=2, ensure_ascii=False) + "\n"


def put(program: Program, command: Sequence[str]) -> tuple[str, Path | None]:
    """Put the entry in. What was done, "added", "changed" or "kept", and where the file before it is.

    Raises RequestInvalid when the file is not what it should be, or may not be written; it is as it was then.
    """
    path = file_of(program)
    try:
        # A link is followed: what keeps such files under version control often puts links in their place.
        real = path.resolve()
        text = real.read_bytes().decode() if real.exists() else ""
        done, new = _with_entry(program, command, text, path)
        return done, _replaced(real, text, new) if done != "kept" else None
    except (OSError, UnicodeError) as error:
        raise RequestInvalid(f"{path} cannot be changed: {error}.", hint=_by_hand(program)) from error


def _with_entry(program: Program, command: Sequence[str], text: str, path: Path) -> tuple[str, str]:
    """What is to be done, and the text of the file then."""
    toml = program.file.endswith(".toml")
    found = _read(text, path, program)
    servers = found.get(program.under, {})
    if not isinstance(servers, dict):
        raise RequestInvalid(f"{program.under} in {path} holds no servers by name.", hint=_by_hand(program))
    old = servers.get(NAME, {})
    if not isinstance(old, dict):
        raise RequestInvalid(f"{NAME} in {path} is no server.", hint=_by_hand(program))
    entry = _merged(old, program.shaped(command))
    if old == entry:
        return "kept", text
    differs = {key: value for key, value in entry.items() if old.get(key) != value}
    new = _toml_with(text, program, differs) if toml else _json_with(text, found, program, entry)
    if _read(new, path, program) != found | {program.under: servers | {NAME: entry}}:
        raise RequestInvalid(f"{NAME} stands in {path} in an unusual way.", hint=_by_hand(program))
    return "changed" if NAME in servers else "added", new


def _merged(old: Entry, shaped: Entry) -> Entry:
    """What starts us as it has to be, and the rest as the person has it: an environment, a server put off."""
    return old | {key: value for key, value in shaped.items() if key in OURS or key not in old}


def _read(text: str, path: Path, program: Program) -> dict[str, Any]:
    try:
        found = tomllib.loads(text) if program.file.endswith(".toml") else json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        kind = "TOML" if program.file.endswith(".toml") else "plain JSON (are there comments in it?)"
        raise RequestInvalid(f"{path} is not {kind}; it was left as it is.", hint=_by_hand(program))
    return found


def _json_with(text: str, found: Mapping[str, Any], program: Program, entry: Entry) -> str:
    servers = {**found.get(program.under, {}), NAME: entry}
    indent = INDENT.match(text)
    written = json.dumps(
        {**found, program.under: servers}, indent=indent[1] if indent else 2, ensure_ascii=False
    )
    return written + "\n"


def _toml_with(text: str, program: Program, differs: Entry) -> str:
    """What differs in the table that is there, or in a new one at the end. Comments and order stay."""
    head = re.compile(rf"(?m)^{re.escape(f'[{program.under}.{NAME}]')}[ \t]*(?:#.*)?(?:\n|\Z)")
    there = head.search(text)
    if there:
        return _ended(text[: there.end()]) + _changed(text[there.end() :], differs)
    return (_ended(text) + "\n" if text else "") + f"[{program.under}.{NAME}]\n" + _lines(differs)


def _changed(text: str, differs: Entry) -> str:
    """The lines after a table's head: its keys that differ in their places, new ones after the last of it."""
    statements = list(_statements(text))
    left = dict(differs)
    end = 0
    for place, statement in enumerate(statements):
        if statement.lstrip().startswith("["):
            break
        for key in tomllib.loads(statement):
            end = place + 1
            if key in left:
                statements[place] = _lines({key: left.pop(key)})
    return _ended("".join(statements[:end])) + _lines(left) + "".join(statements[end:])


def _statements(text: str) -> Iterator[str]:
    """TOML cut into heads, keys with their values, and lines without either. A value may take several."""
    begun = ""
    for line in text.splitlines(keepends=True):
        begun += line
        with suppress(tomllib.TOMLDecodeError):
            tomllib.loads(begun)
            yield begun
            begun = ""


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _lines(entry: Entry) -> str:
    # A JSON text of letters, digits and paths is a TOML one too.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in entry.items())


def _replaced(path: Path, before: str, after: str) -> Path | None:
    """Keep the file before, and put the new one in its place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    if path.exists():
        kept = _free(path)
        _write(kept, before, path)
    made = path.with_name(f".{path.name}.{os.getpid()}.pi-rag")
    try:
        _write(made, after, path if kept else None)
        if kept and path.read_bytes() != before.encode():
            raise RequestInvalid(
                f"{path} has just been changed by another program; it was left as it is.",
                hint="Close the program that it belongs to, and type this again.",
            )
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return kept


def _free(path: Path) -> Path:
    """A name beside it that nothing has yet: a backup is never written over."""
    number = 1
    while (kept := path.with_name(f"{path.name}.before-pi-rag-{number}")).exists():
        number += 1
    return kept


def _write(path: Path, text: str, like: Path | None) -> None:
    """A new file, on the disk when this returns, with the owner and mode of `like`: such files hold keys."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        if like is not None:
            facts = like.stat()
            with suppress(PermissionError):
                os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
            os.fchmod(file.fileno(), facts.st_mode & 0o777)
        file.flush()
        os.fsync(file.fileno())


def _by_hand(program: Program) -> str:
    return f"Put it in by hand; what {program.title} needs is shown without --write."
