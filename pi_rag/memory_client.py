"""What a guest may ask of agents' memory, over the same socket and in the same way as all of `client.py`.

Each method gives the service's own JSON object. What is None is left out, so that the service decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pi_rag.client import Answer, Client, present
from pi_rag.errors import ServiceDown

EXPORT_MARK = b'{"pi_rag_memory_export":'
"""How a line of an export begins that is no memory."""


class MemoryClient(Client):
    """A guest that remembers. All its methods raise BadInput, NotFound, TryLater and ServiceDown."""

    def remember(self, text: str, **fact: Any) -> Answer:
        """{"outcome", "memory", "previous", "candidates", "change_id", ...}: keep a fact.

        `fact` are its other fields, by the names that docs/api.md gives them; so are they below.
        """
        return self._ask("POST", "/v1/memories", body={"text": text} | present(**fact))

    def log_event(self, text: str, **event: Any) -> Answer:
        """{"memory", ...}: keep what has happened."""
        return self._ask("POST", "/v1/events", body={"text": text} | present(**event))

    def recall(self, query: str, **wanted: Any) -> Answer:
        """{"hits", "tokens", "left_out", "degraded", ...}, the best hit first."""
        return self._ask("POST", "/v1/recall", body={"query": query} | present(**wanted))

    def timeline(self, **around: Any) -> Answer:
        """{"memories", "around", "earlier", "later"}: what happened, in its order."""
        return self._ask("GET", "/v1/timeline", params=present(**around))

    def memories(self, **which: Any) -> Answer:
        """{"memories", "next"}: the newest first; pass `next` as `after` to go on."""
        return self._ask("GET", "/v1/memories", params=_in_address(which))

    def memory(self, memory_id: int) -> Answer:
        """One memory. Raises MemoryNotFound."""
        return self._ask("GET", _one("memories", memory_id))

    def change_memory(self, memory_id: int, values: Mapping[str, Any]) -> Answer:
        """As `remember`: pin it, weigh it, give it an end or take it away. Raises MemoryNotFound."""
        return self._ask("PATCH", _one("memories", memory_id), body=dict(values))

    def forget(
        self,
        which: Mapping[str, Any],
        *,
        dry_run: bool = False,
        hard: bool = False,
        confirm: str | None = None,
    ) -> Answer:
        """{"count", "memories", "confirm", "change_id", ...}: by `ids` at once, else confirmed."""
        how = present(dry_run=dry_run, hard=hard, confirm=confirm)
        return self._ask("POST", "/v1/memories/forget", body=dict(which) | how)

    def memory_history(self, memory_id: int) -> Answer:
        """{"memories", "changes"}, oldest first. Raises MemoryNotFound."""
        return self._ask("GET", _one("memories", memory_id, "history"))

    def topic_history(self, topic: str, *, scope: str | None = None) -> Answer:
        """{"memories", "changes"}, oldest first: all that was remembered on a topic."""
        return self._ask("GET", "/v1/history", params=present(topic=topic, scope=scope))

    def changes(self, *, limit: int | None = None, after: int | None = None) -> Answer:
        """{"changes", "next"}: the audit log, the newest first."""
        return self._ask("GET", "/v1/changes", params=present(limit=limit, after=after))

    def undo(self, change_id: int | None = None) -> Answer:
        """The change that took it back; None: the last that this program made. Raises ChangeNotFound."""
        return self._ask("POST", "/v1/undo", body=present(change_id=change_id))

    def start_session(self, *, scope: str, title: str = "") -> Answer:
        """{"session", "previous", "pinned"}."""
        return self._ask("POST", "/v1/sessions", body={"scope": scope, "title": title})

    def sessions(self, **which: Any) -> Answer:
        """{"sessions", "next"}: the newest first; pass `next` as `after` to go on."""
        return self._ask("GET", "/v1/sessions", params=present(**which))

    def session(self, session_id: int) -> Answer:
        """One session. Raises SessionNotFound."""
        return self._ask("GET", _one("sessions", session_id))

    def checkpoint(self, session_id: int, summary: str) -> Answer:
        """The session, with a summary for who comes next. Raises SessionEnded."""
        return self._ask("POST", _one("sessions", session_id, "checkpoint"), body={"summary": summary})

    def end_session(self, session_id: int, summary: str | None = None) -> Answer:
        """The session, over. Raises SessionEnded."""
        return self._ask("POST", _one("sessions", session_id, "end"), body=present(summary=summary))

    def suggestions(self, *, scope: str | None = None, limit: int | None = None) -> Answer:
        """{"suggestions"}: what may be put in order."""
        return self._ask("GET", "/v1/suggestions", params=present(scope=scope, limit=limit))

    def accept(self, suggestion_id: str) -> Answer:
        """The change that it made. Raises SuggestionNotFound."""
        return self._ask("POST", _one("suggestions", suggestion_id, "accept"), body={})

    def dismiss(self, suggestion_id: str) -> Answer:
        """{"dismissed"}: suggest it no more. Raises SuggestionNotFound."""
        return self._ask("POST", _one("suggestions", suggestion_id, "dismiss"), body={})

    def scopes(self) -> Answer:
        """{"scopes"}: how full each is."""
        return self._ask("GET", "/v1/scopes")

    def export_memories(self, *, scope: str | None = None, gone: bool = False) -> Iterator[bytes]:
        """Lines of JSON, each with its end: a head, then each memory. Raises ServiceDown if it breaks off."""
        given = _in_address({"scope": scope, "gone": gone})
        after = 0
        while after is not None:
            mark: Answer = {}
            for line in self._lines("/v1/memories/export", given | {"after": after}):
                mark = json.loads(line) if line.startswith(EXPORT_MARK) else {}
                if not mark or ("next" not in mark and not after):
                    yield line
            if "next" not in mark:
                raise ServiceDown("The export broke off.", hint="Run it again; see: pi-rag status")
            after = mark["next"]

    def import_memories(self, lines: Sequence[Answer], *, ids: Mapping[int, int]) -> Answer:
        """{"stored", "known", "refused", "ids"}: take up to 200 lines; `ids`: of answers before."""
        named = {str(number): here for number, here in ids.items()}
        return self._ask("POST", "/v1/memories/import", body={"lines": list(lines), "ids": named})

    def memories_as_markdown(self, *, scope: str | None = None) -> Answer:
        """{"markdown"}: facts in force and summaries, for a person to read and to edit."""
        return self._ask("GET", "/v1/memories/markdown", params=present(scope=scope))

    def import_markdown(self, markdown: str, *, scope: str | None = None) -> Answer:
        """{"stored", "known", "refused"}: remember each fact of a list."""
        return self._ask("POST", "/v1/memories/import", body=present(markdown=markdown, scope=scope))


def _one(kind: str, name: object, *rest: str) -> str:
    return "/".join(("/v1", kind, quote(str(name), safe=""), *rest))


def _in_address(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be said behind a question mark; there true is a word, and false is not said."""
    said = {name: value for name, value in given.items() if value is not None and value is not False}
    return {name: "true" if value is True else value for name, value in said.items()}
