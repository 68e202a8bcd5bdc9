"""Requests of every kind to a real service over its real socket: right in shape, wrong in what they say.

schemathesis (`described.py`) knows the description and nothing of what the words mean; these begin with
requests that are taken, so that what is wrong gets far. Only known folders are read: `ingest.roots` says so.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pi_rag.errors import every_kind
from pi_rag.stress.running import RunningService
from tests.fuzz import driving
from tests.fuzz.files import DOCUMENT, LIST, MEMORY
from tests.fuzz.frames import META
from tests.fuzz.mutating import STRANGE, Mutator

REQUEST_S_MAX = 10
"""Longest that a request may take here; a wait for a paused job ends before."""

ANSWER_S_MAX = 15.0
"""Between that and `driving.INPUT_S_MAX`, whose alarm does not say what was waited for."""

LATER = frozenset({"busy", "deadline_exceeded"})
"""What a healthy service may say with 503: everything else beyond 499 is a finding."""

CODES = frozenset(kind.code for kind in every_kind())

Case = dict[str, Any]
"""{"method", "path", "query", "body", "headers"}; the body is JSON, or bytes as they are."""


def environ(model: str, allowed: Path) -> dict[str, str]:
    """The settings of a service that is fuzzed: it reads below one folder, fetches nothing, waits briefly."""
    return {
        "PI_RAG_MODEL": model,
        "PI_RAG_WORKERS": "1",
        "PI_RAG_INGEST_ROOTS": str(allowed),
        "PI_RAG_INGEST_WEB": "off",
        "PI_RAG_SERVICE_REQUEST_S_MAX": str(REQUEST_S_MAX),
        "PI_RAG_REMEMBER_FACTS_MAX": "1000",
        "PI_RAG_REMEMBER_EVENTS_MAX": "1000",
        "PI_RAG_INGEST_QUEUE_ITEMS_MAX": "2000",
    }


def allowed_folder(folder: Path) -> Path:
    """What the fuzzed service may read: a few small files."""
    allowed = folder / "allowed"
    (allowed / "below").mkdir(parents=True)
    (allowed / "a.txt").write_text("The kettle stands beside the pump.", encoding="utf-8")
    (allowed / "below" / "b.md").write_text("# Pump\n\nThe pump needs oil in March.", encoding="utf-8")
    return allowed


def _of(method: str, path: str, body: Any = None, **query: Any) -> Case:
    return {"method": method, "path": path, "query": query, "body": body, "headers": {}}


def _tool(name: str, arguments: Mapping[str, Any], *, old: bool = False) -> Case:
    params = {"name": name, "arguments": dict(arguments)} | ({} if old else {"_meta": META})
    case = _of("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    new = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": name}
    case["headers"] = {"Accept": "application/json, text/event-stream"}
    case["headers"] |= {"MCP-Protocol-Version": "2025-11-25"} if old else new
    return case


def right(allowed: Path) -> list[Case]:
    """Requests that a service which has seen the ones before takes."""
    a, here = str(allowed / "a.txt"), str(allowed)
    search = {
        "query": "kettle",
        "k": 3,
        "mode": "hybrid",
        "collection": ["default"],
        "filter": {"year": {"gte": 2}},
    }
    search |= {"since": "2020-01-01", "match": "any", "kind": "text", "under": here}
    fact: dict[str, Any] = {
        "text": "Ann takes tea without milk.",
        "scope": "user",
        "topic": "tea/milk",
        "kind": "preference",
    }
    fact |= {"importance": 0.7, "confidence": 0.9, "tags": ["tea"], "pinned": False, "key": "k1"}
    recall = {
        "query": "tea",
        "scopes": ["user", "project:tea"],
        "types": ["fact", "event", "document"],
        "k": 5,
    }
    document = {"source": "s", "title": "t", "text": "Water boils at 100 degrees.", "metadata": {"year": 3}}
    plain = [
        "/v1/documents", "/v1/documents/1", "/v1/duplicates", "/v1/export", "/v1/jobs", "/v1/jobs/failed",
        "/v1/jobs/1", "/v1/jobs/1/events", "/v1/watches", "/v1/watches/1/files", "/v1/sources",
        "/v1/memories",
        "/v1/memories/export", "/v1/memories/markdown", "/v1/memories/1", "/v1/memories/1/history",
        "/v1/changes",
        "/v1/sessions", "/v1/sessions/1", "/v1/suggestions", "/v1/scopes", "/v1/models", "/v1/reindex",
        "/v1/status",
        "/v1/models/all-MiniLM-L6-v2", "/metrics", "/healthz", "/readyz", "/v1/pulse", "/openapi.json",
        "/nowhere",
    ]  # fmt: skip
    return [
        _of("POST", "/v1/documents", {"documents": [document], "collection": "c", "wait": True}),
        _of("POST", "/v1/documents", {"paths": [a, here], "wait": True, "priority": "high", "key": "d1"}),
        _of("POST", "/v1/documents", {"documents": [{"source": "b", "content_base64": "aGVsbG8gdGVh"}]}),
        _of("POST", "/v1/search", search),
        _of("POST", "/v1/search", {"query": "pump oil", "k": 5, "mode": "words"}),
        _of("POST", "/v1/memories", fact),
        _of("POST", "/v1/memories", {"text": "The pot is blue.", "scope": "project:tea", "kind": "decision"}),
        _of("POST", "/v1/events", {"text": "The boiler was serviced.", "kind": "tool",
        "at": "2026-03-31T18:00"}),
        _of("POST", "/v1/events", {"text": "It was noted.", "session_id": 1, "tags": ["x"], "key": "e1"}),
        _of("POST", "/v1/recall", recall),
        _of("POST", "/v1/recall", {"query": "kettle", "as_of": "2030-01-01", "token_budget": 200}),
        _of("POST", "/v1/sessions", {"scope": "user", "title": "autumn"}),
        _of("POST", "/v1/sessions/1/checkpoint", {"summary": "So far so good."}),
        _of("POST", "/v1/sessions/1/end", {"summary": "Done."}),
        _of("POST", "/v1/memories/forget", {"ids": [1], "dry_run": True}),
        _of("POST", "/v1/memories/forget", {"topic": "tea/*", "scope": "user", "before": "2030-01-01"}),
        _of("PATCH", "/v1/memories/1", {"pinned": True, "importance": 0.2, "expires_at": "2030-01-01"}),
        _of("POST", "/v1/undo", {"change_id": 1}),
        _of("POST", "/v1/import", {"documents": [DOCUMENT, {"source": "x", "text": "Tea."}], "wait": True}),
        _of("POST", "/v1/memories/import", {"lines": [MEMORY], "ids": {"3": 1}}),
        _of("POST", "/v1/memories/import", {"markdown": LIST.decode(), "scope": "user"}),
        _of("POST", "/v1/embeddings", {"model": "pi-rag", "input": ["tea", "pump"],
        "encoding_format": "float"}),
        _of("POST", "/v1/watches", {"folder": here, "collection": "w", "include": ["*.md"],
        "exclude": ["x/"]}),
        _of("DELETE", "/v1/watches/1"),
        _of("DELETE", "/v1/documents/2"),
        _of("DELETE", "/v1/documents", source="s", collection="c"),
        _of("DELETE", "/v1/sources", under="/s", collection="c"),
        _of("POST", "/v1/jobs/1/pause"), _of("POST", "/v1/jobs/1/resume"), _of("POST", "/v1/jobs/1/cancel"),
        _of("POST", "/v1/jobs/1/retry"), _of("POST", "/v1/jobs/retry"), _of("POST", "/v1/jobs/resume"),
        _of("POST", "/v1/suggestions/1/accept"), _of("POST", "/v1/suggestions/1/dismiss"),
        _of("POST", "/v1/reindex", {"model": "all-MiniLM-L6-v2"}), _of("DELETE", "/v1/reindex"),
        _of("GET", "/v1/documents", limit=5, after=0, collection="default"),
        _of("GET", "/v1/duplicates", share_min=0.5, limit=5, after="1-2"),
        _of("GET", "/v1/export", vectors="true", after=0, collection="default"),
        _of("GET", "/v1/jobs/failed", limit=5, after=0, job=1),
        _of("GET", "/v1/sources", under=here, limit=5, after="a@default", skipped="true"),
        _of("GET", "/v1/memories", scope="user", type="fact", topic="tea/*", since="2020-01-01", limit=5,
        gone="true"),
        _of("GET", "/v1/history", topic="tea/milk", scope="user"),
        _of("GET", "/v1/timeline", session_id=1, before=3, after=3),
        _of("GET", "/v1/timeline", at="2026-03-31", scope="user"),
        _of("GET", "/v1/sessions", scope="user", state="open", limit=5),
        _of("GET", "/v1/suggestions", scope="user", limit=5),
        *(_of("GET", path) for path in plain),
        _of("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x",
            "version": "1"}}}),
        _of("POST", "/mcp", {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}),
        _tool("search", {"query": "kettle", "limit": 3}), _tool("get", {"document_id": 1}, old=True),
        _tool("ingest", {"text": "The lamp is on.", "source": "lamp.md", "key": "l"}), _tool("status", {}),
        _tool("remember", {"text": "The boiler is off", "topic": "house/boiler", "kind": "state"}),
        _tool("recall", {"query": "is the boiler off"}), _tool("session", {"action": "start",
        "title": "x"}, old=True),
        _tool("log_event", {"text": "Serviced", "session_id": 1}), _tool("timeline", {"session_id": 1}),
        _tool("forget", {"ids": [1]}, old=True),
    ]  # fmt: skip


NEVER = ("/v1/jobs/pause", "/v1/upkeep")
"""What would only make the run slow: all waits until somebody resumes."""


def wrong(case: Case, dice: random.Random) -> Case:
    """A right request with a wrong somewhere: mostly in its body, its address, or its query."""
    made = {**case, "headers": dict(case["headers"]), "query": dict(case["query"])}
    mutator = Mutator(dice)
    if case["body"] is not None and dice.random() < 0.85:
        made["body"] = mutator.text(case["body"]) if dice.random() < 0.3 else mutator.json(case["body"])
        return made
    match dice.randrange(12):
        case 0:
            made["method"] = dice.choice(
                ("GET", "POST", "DELETE", "PATCH", "PUT", "HEAD", "OPTIONS", "QUERY")
            )
        case 1 | 2 | 3:
            parts = made["path"].split("/")
            parts[dice.randrange(1, len(parts))] = str(dice.choice(STRANGE))[:2000]
            made["path"] = "/".join(parts)
        case 4 | 5:
            name = dice.choice(("x-pi-rag-scopes", "User-Agent", "Accept", "Content-Type", "Mcp-Session-Id"))
            made["headers"][name] = str(dice.choice(STRANGE))[:2000]
        case _:
            name = dice.choice((*made["query"], "limit", "after", "scope", "x"))
            made["query"][name] = str(dice.choice(STRANGE))[:2000]
    return made


class Socket(HTTPConnection):
    """`http.client` over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S_MAX)
        self._path = path

    def connect(self) -> None:
        """To the socket, whatever the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_S_MAX)
        self.sock.connect(str(self._path))


class Wrong(AssertionError):
    """The service answered as it may not."""


def asked(connection: Socket, case: Case) -> tuple[int, str]:
    """Status and error code of the answer; an empty code when it is none. Raises Wrong, OSError."""
    target = quote(case["path"], safe="/%", errors="surrogatepass")
    if case["query"]:
        target += "?" + urlencode(case["query"], errors="surrogatepass")
    body = case["body"]
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    headers |= {
        name: quote(value, safe=" ,;/=*()", errors="surrogatepass") for name, value in case["headers"].items()
    }
    connection.request(case["method"], target, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, judged(answer, data, case)


def judged(answer: HTTPResponse, data: bytes, case: Case) -> str:
    """The code of an answer, which must be of one of the shapes that docs/api.md tells of. Raises Wrong."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    # The door for agents answers in words of its protocol what its SDK refuses.
    theirs = case["path"].strip("/") == "mcp" and answer.status < 500
    if case["method"] == "HEAD" or answer.status < 400 or theirs:
        if answer.status >= 500 and answer.status != 503:
            raise Wrong(f"{answer.status}: {data[:300]!r}")
        if kind == "application/json" and data:
            json.loads(data)
        return ""
    if kind != "application/json":
        raise Wrong(f"An error of type {kind!r}: {data[:300]!r}")
    error = json.loads(data)["error"]
    if error["code"] not in CODES or not error["message"] or not error["hint"]:
        raise Wrong(f"An error without a known code, words or advice: {data[:300]!r}")
    if answer.status >= 500 and error["code"] not in LATER:
        raise Wrong(f"{answer.status}: {data[:300]!r}")
    return str(error["code"])


def private_mib(service: RunningService) -> float:
    """Of the supervisor, the only process that all requests go through."""
    return driving.private_mib(service.pid)


def troubles(service: RunningService) -> list[str]:
    """Lines of the log that only a mistake in the program writes."""
    signs = ("Traceback", "request_failed", "Exception in callback", "never retrieved", "internal_error")
    return [line[-3000:] for line in service.log_text().splitlines() if any(sign in line for sign in signs)]


def given_up(service: RunningService) -> list[str]:
    """Documents that were given up for a reason which is a mistake of the program."""
    with closing(Socket(service.socket)) as connection:
        connection.request("GET", "/v1/jobs/failed?limit=1000")
        letters = json.loads(connection.getresponse().read())["failed"]
    return [json.dumps(each)[:1000] for each in letters if each.get("code") in {"internal_error", "error"}]
