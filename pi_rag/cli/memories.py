"""How a memory is named, shown and chosen on the command line: what all commands about memory share.

Memories are written by strangers too, so every text of theirs goes through `plain` or `one_line`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pi_rag.cli import printing
from pi_rag.cli.printing import one_line, stamp, styled
from pi_rag.cli.snippet import snippet, whole
from pi_rag.config import Settings
from pi_rag.errors import RequestInvalid
from pi_rag.memory_client import MemoryClient
from pi_rag.memory_types import MemoryType

Memory = dict[str, Any]
"""A memory as the service gave it."""

TEXT_CHARS_MAX = 60
"""Of a memory in a table."""

STANDARD_INPUT = "-"
INPUT_BYTES_MAX = 1 << 20
"""Of a text from standard input. The service refuses far shorter ones, and says so itself."""

SCOPES = "user, project:NAME or agent:NAME"

FILTERS = ("scope", "type", "kind", "topic", "tag", "session", "client", "before", "since")
"""Flags with a value that say which memories are meant."""


def client_of(settings: Settings) -> MemoryClient:
    """A client of the service that these settings name."""
    return MemoryClient(
        settings.socket_path,
        answer_s_max=settings.client.answer_s_max,
        answer_mib_max=settings.client.answer_mib_max,
    )


def number(text: str) -> int:
    """The number of a memory, a session or a change."""
    if text.isascii() and text.isdigit() and int(text[:20]) < 2**63:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no number of one")


def add_which(to: ArgumentParser) -> None:
    """The flags that say which memories are meant."""
    group = to.add_argument_group("which memories")
    group.add_argument("--scope", metavar="S", help=f"only in {SCOPES}")
    group.add_argument("--type", choices=get_args(MemoryType), help="only facts, events or summaries")
    group.add_argument("--kind", metavar="K", help="only of this kind: preference, state, message ...")
    group.add_argument(
        "--topic", metavar="T", help="only on this topic, or with /* at its end all beneath it"
    )
    group.add_argument("--tag", metavar="T", help="only with this tag")
    group.add_argument("--session", metavar="ID", type=number, help="only of this session")
    group.add_argument("--client", metavar="NAME", help="only what this program has stored, in any version")
    group.add_argument("--before", metavar="DATE", help="only what was stored before")
    group.add_argument("--since", metavar="DATE", help="only what was stored from here on")
    group.add_argument("--expired", action="store_true", help="only what has expired")


def which(args: Namespace) -> dict[str, Any]:
    """What was given of these flags, as fields of a request."""
    given = {name: getattr(args, name) for name in FILTERS if getattr(args, name) is not None}
    if "session" in given:
        given["session_id"] = given.pop("session")
    return given | ({"expired": True} if args.expired else {})


def typed_flags(args: Namespace) -> list[object]:
    """The same flags as they were typed, for a command that goes on."""
    words: list[object] = []
    for name in FILTERS:
        if getattr(args, name) is not None:
            words += [f"--{name}", getattr(args, name)]
    return [*words, "--expired"] if args.expired else words


def text_of(words: Sequence[str]) -> str:
    """What was typed, or for a single - what comes on standard input. Raises RequestInvalid for nothing."""
    text = _standard_input() if list(words) == [STANDARD_INPUT] else " ".join(words)
    if not text.strip():
        raise RequestInvalid("There is no text.", hint="Type it, or - to take it from standard input.")
    return text.strip()


def _standard_input() -> str:
    data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        raise RequestInvalid(f"The text is longer than {INPUT_BYTES_MAX >> 20} MiB.", hint=_LONG)
    return utf8(data, "Standard input")


_LONG = "A long text is a document: pi-rag add takes it."


def utf8(data: bytes, what: str) -> str:
    """Bytes as the text they are. Raises RequestInvalid: no letter is guessed, since it would be kept."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"{what} is not UTF-8 at byte {error.start}."
        raise RequestInvalid(wrong, hint="Convert it first, for example with iconv.") from error


def name_of(memory: Memory) -> str:
    """'fact 12'."""
    return f"{one_line(memory.get('type'))} {memory.get('id')}"


def about(memory: Memory) -> str:
    """What there is to know of a memory but its text, on one line."""
    gone = memory.get("gone")
    marks = [
        "pinned" if memory.get("pinned") else "",
        f"said {int(memory['repeats']) + 1} times" if memory.get("repeats") else "",
        f"until {_last(memory['valid_to'])}" if memory.get("valid_to") else "",
        f"expires {_last(memory['expires_at'])}" if memory.get("expires_at") else "",
        f"session {memory['session_id']}" if memory.get("session_id") is not None else "",
        f"from {one_line(memory['source'])}" if memory.get("source") else "",
        f"{one_line(gone)} {stamp(memory.get('gone_at'))}" if gone else "",
        f"by {memory['superseded_by']}" if gone and memory.get("superseded_by") else "",
    ]
    where = [stamp(memory.get("at")), one_line(memory.get("kind")), f"in {one_line(memory.get('scope'))}"]
    trust = one_line(memory.get("trust"))
    word = f"{'an' if trust.startswith('a') else 'a'} {trust}'s word"
    return ", ".join([*where, word, *filter(None, marks)])


def _last(end: float) -> str:
    """The last minute before an end: a day is kept to its end, and is shown as that day."""
    return stamp(end - 1)


def named(memory_ids: Sequence[int]) -> str:
    """'memory 12', 'memories 12, 13, 14 and 2 more'."""
    return f"{'memory' if len(memory_ids) == 1 else 'memories'} {_numbers(memory_ids)}"


def _numbers(memory_ids: Sequence[int]) -> str:
    more = f" and {len(memory_ids) - 3} more" if len(memory_ids) > 3 else ""
    return ", ".join(map(str, memory_ids[:3])) + more


def line(memory: Memory) -> str:
    """Its topic and its text, on one line as long as they are."""
    topic = f"{one_line(memory['topic'])}: " if memory.get("topic") else ""
    return topic + one_line(memory.get("text"))


def show(memory: Memory, *, wanted: Sequence[str] = (), full: bool = True) -> None:
    """Its name, what there is to know of it, and its text."""
    topic = f"  {one_line(memory['topic'])}" if memory.get("topic") else ""
    print(styled(name_of(memory), "bold") + topic)
    print(styled(f"    {about(memory)}", "dim"))
    show_text(memory.get("text") or "", wanted, full=full)


def show_text(text: object, wanted: Sequence[str], *, full: bool) -> None:
    """A text of somebody's, whole or a few lines of it, with the wanted words marked."""
    for each in whole(str(text)) if full else snippet(str(text), list(wanted)):
        print(f"    {printing.marked(each, wanted)}".rstrip())


def table(memories: Iterable[Memory]) -> None:
    """A row each."""
    heads = ("ID", "TYPE", "KIND", "SCOPE", "WHEN", "WORD OF", "TEXT")
    printing.table([heads, *map(_row, memories)])


def _row(memory: Memory) -> tuple[str, ...]:
    words = (memory.get(name) for name in ("id", "type", "kind", "scope"))
    return (
        *map(one_line, words),
        stamp(memory.get("at")),
        one_line(memory.get("trust")),
        short(line(memory)),
    )


def short(text: str) -> str:
    """As much of a line as a table has room for."""
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"


def who(record: dict[str, Any]) -> str:
    """Who did something: 'person, pi-rag/0.1, user 1000'."""
    uid = [f"user {record['uid']}"] if record.get("uid") is not None else []
    return ", ".join(filter(None, [one_line(record.get("door")), one_line(record.get("client") or ""), *uid]))


def changes_table(changes: Iterable[dict[str, Any]]) -> None:
    """A row for each line of the audit log."""
    rows = []
    for each in changes:
        undone = f", undone by {each['undone_by']}" if each.get("undone_by") else ""
        what = one_line(each.get("operation")) + undone
        rows.append(
            (
                str(each.get("id")),
                stamp(each.get("at")),
                what,
                _numbers(each.get("memory_ids") or []),
                one_line(each.get("scope")),
                who(each),
            )
        )
    printing.table([("CHANGE", "WHEN", "WHAT", "MEMORIES", "SCOPE", "WHO"), *rows])


def show_notes(answer: dict[str, Any]) -> None:
    """What the service adds to an answer: warnings, and what it had to do without."""
    for warning in answer.get("warnings") or []:
        print(styled(f"Beware: {one_line(warning)}", "yellow"))
    if answer.get("degraded"):
        reasons = ", ".join(map(one_line, answer["degraded"]))
        print(styled(f"It is found by its words alone until its vector is made ({reasons}).", "yellow"))
