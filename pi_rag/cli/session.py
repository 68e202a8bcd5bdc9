"""`pi-rag session`: begin a run of work, log what happens in it, sum it up and end it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any, get_args

from pi_rag.cli import memories, printing
from pi_rag.cli.memories import line, name_of, number, text_of
from pi_rag.cli.parsing import PAGE_SIZE, Parser, add_common, add_limit
from pi_rag.cli.printing import one_line, stamp, styled, typed
from pi_rag.cli.reach import settings_of
from pi_rag.errors import RequestInvalid
from pi_rag.memory_client import MemoryClient
from pi_rag.memory_types import SessionState

DESCRIPTION = """\
A session is a bounded run of an agent or a person in one scope. Events are logged in it and keep
their order; a summary of what was done is offered to whoever begins the next one there. One in
which nothing is logged for long ends by itself (remember.session_idle_h).
"""

EXAMPLES = """\
  pi-rag session start --scope project:garden "Winter pruning"
  pi-rag session log --session 7 "The apple tree is done"
  pi-rag session checkpoint 7 "Two of five trees are done; the saw needs a new blade"
  pi-rag session end 7 "All five trees are done"
  pi-rag session log --kind call "The chimney sweep comes on Tuesday"
  pi-rag session list --state open
"""

ACTIONS = {
    "start": "begin one, and see what the one before it has left",
    "log": "keep what has happened, in a session or in none",
    "checkpoint": "leave a summary, and go on",
    "end": "end it, with a summary or without",
    "list": "show the sessions, the newest first",
    "show": "show one with its summary",
}


def configure(parser: ArgumentParser) -> None:
    """An action each, with its own flags."""
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, title="actions", prog=parser.prog, parser_class=Parser
    )
    made = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    made["start"].add_argument("title", metavar="TITLE", nargs="*", help="what it is about")
    made["start"].add_argument("--scope", metavar="S", default="user", help=f"in {memories.SCOPES} (user)")
    _configure_log(made["log"])
    for name, count in (("checkpoint", "+"), ("end", "*")):
        made[name].add_argument("id", metavar="ID", type=number, help="the number of the session")
        made[name].add_argument(
            "summary",
            metavar="SUMMARY",
            nargs=count,
            default=[],  # else argparse calls it required where the number is missing
            help="what the next one should know, or - for standard input",
        )
    made["list"].add_argument("--scope", metavar="S", help="only of this scope")
    made["list"].add_argument("--state", choices=get_args(SessionState), help="only these")
    made["list"].add_argument("--after", type=number, metavar="ID", help="go on after this one")
    add_limit(made["list"])
    made["show"].add_argument("id", metavar="ID", type=number, help="the number of the session")
    for each in made.values():
        add_common(each)


def _configure_log(parser: ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="+", help="what has happened, or - for standard input")
    parser.add_argument("--session", type=number, metavar="ID", help="in this session; else in none")
    parser.add_argument("--scope", metavar="S", help=f"without a session: in {memories.SCOPES} (user)")
    parser.add_argument("--kind", metavar="K", help="a word for it: message, tool, decision ... (event)")
    parser.add_argument("--at", metavar="DATE", help="when it happened (now)")
    parser.add_argument("--tag", dest="tags", metavar="T", action="append", help="may be given several times")
    parser.add_argument("--document", type=number, metavar="ID", help="the document it is about")
    parser.add_argument("--key", metavar="KEY", help="logged once, however often it is sent with this key")


def run(args: Namespace) -> int:
    """Do one action. Raises SessionNotFound, SessionEnded, BadInput, TryLater or ServiceDown."""
    client = memories.client_of(settings_of(args))
    asked, show = {
        "start": (_start, _show_started),
        "log": (_log, _show_logged),
        "checkpoint": (_checkpoint, _show_session),
        "end": (_end, _show_session),
        "list": (_list, _show_list),
        "show": (_one, _show_session),
    }[args.action]
    answer = asked(client, args)
    if args.json:
        printing.as_json(answer)
    else:
        show(answer, args)
    return 0


def _start(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.start_session(scope=args.scope, title=" ".join(args.title))


def _log(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    if args.session is not None and args.scope is not None:
        raise RequestInvalid("--scope goes without --session: an event is in the scope of its session.")
    return client.log_event(
        text_of(args.text),
        session_id=args.session,
        scope=args.scope,
        kind=args.kind,
        at=args.at,
        tags=args.tags,
        document_id=args.document,
        key=args.key,
    )


def _checkpoint(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.checkpoint(args.id, text_of(args.summary))


def _end(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.end_session(args.id, text_of(args.summary) if args.summary else None)


def _list(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.sessions(scope=args.scope, state=args.state, limit=args.limit, after=args.after)


def _one(client: MemoryClient, args: Namespace) -> dict[str, Any]:
    return client.session(args.id)


def _show_started(answer: dict[str, Any], _: Namespace) -> None:
    session, previous = answer["session"], answer.get("previous")
    number_of = session.get("id")
    print(f"Session {number_of} in {one_line(session.get('scope'))} has begun.")
    if previous and previous.get("summary"):
        print(f"What session {previous.get('id')} left, {stamp(previous.get('last_at'))}:")
        memories.show_text(previous["summary"].get("text"), (), full=True)
    for memory in answer.get("pinned") or []:
        print(f"Pinned, {name_of(memory)}: {line(memory)}")
    memories.show_notes(answer)
    print(styled(f"Log in it with: {typed('session', 'log', '--session', number_of)} TEXT", "dim"))


def _show_logged(answer: dict[str, Any], _: Namespace) -> None:
    memory = answer["memory"]
    place = f", number {memory['seq']} of session {memory['session_id']}" if memory.get("seq") else ""
    print(f"Logged as {name_of(memory)} in {one_line(memory.get('scope'))}{place}.")
    memories.show_notes(answer)


def _show_session(session: dict[str, Any], _: Namespace) -> None:
    lines = [
        (name, one_line(session.get(name))) for name in ("id", "scope", "title", "state") if session.get(name)
    ]
    lines += [("begun", stamp(session.get("started_at"))), ("by", memories.who(session))]
    lines += [("events", f"{int(session.get('events') or 0):,}"), ("last", stamp(session.get("last_at")))]
    lines += [("ended", stamp(session["ended_at"]))] if session.get("ended_at") else []
    printing.table(lines)
    if session.get("summary"):
        print("summary")
        memories.show_text(session["summary"].get("text"), (), full=True)
    if session.get("events"):
        command = typed("timeline", "--session", session.get("id"))
        print(styled(f"What happened in it: {command}", "dim"))
    memories.show_notes(session)


def _show_list(answer: dict[str, Any], args: Namespace) -> None:
    sessions = answer.get("sessions") or []
    if not sessions:
        print(printing.NO_MORE if args.after else "No sessions. Begin one with: pi-rag session start")
        return
    printing.table([("ID", "STATE", "SCOPE", "BEGUN", "EVENTS", "TITLE"), *map(_row, sessions)])
    if answer.get("next") is not None:
        scope = ["--scope", args.scope] if args.scope else []
        state = ["--state", args.state] if args.state else []
        limit = [] if args.limit == PAGE_SIZE else ["--limit", args.limit]
        printing.more("session", "list", *scope, *state, *limit, "--after", answer["next"])


def _row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(session.get("id")),
        one_line(session.get("state")),
        one_line(session.get("scope")),
        stamp(session.get("started_at")),
        f"{int(session.get('events') or 0):,}",
        memories.short(one_line(session.get("title") or "-")),
    )
