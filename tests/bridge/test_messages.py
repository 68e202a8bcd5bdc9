"""What a line says, and what goes beside it over HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.bridge import messages
from pi_rag.errors import Busy
from pi_rag.service.agents import names

NEW_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "2"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LIKE_A_MESSAGE = st.fixed_dictionaries(
    {}, optional={"jsonrpc": JSON, "id": JSON, "method": JSON | st.just("x"), "params": JSON, "result": JSON}
)


def request(method: str, params: dict[str, Any] | None = None, number: Any = 1) -> messages.Request:
    line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}})
    found = messages.read(line.encode())
    assert isinstance(found, messages.Request)
    return found


@given(st.binary(max_size=200) | (JSON | LIKE_A_MESSAGE).map(lambda found: json.dumps(found).encode()))
def test_any_line_is_a_message_or_is_refused_in_words(line: bytes) -> None:
    """No line stops the bridge: it is understood, or the client is told what is wrong with it."""
    try:
        found = messages.read(line)
    except messages.Refused as refused:
        assert refused.answer["error"]["code"] in (messages.PARSE_ERROR, messages.INVALID_REQUEST)
        assert messages.line_of(refused.answer).count(b"\n") == 1
    else:
        if isinstance(found, messages.Request):
            assert isinstance(found.id, (str, int))
            assert not any(ord(char) < 32 for value in headers(found).values() for char in value)


def headers(found: messages.Request) -> dict[str, str]:
    return messages.headers(found, "2025-06-18", messages.session_of("agent/1", "0" * 32))


def test_a_deep_line_is_refused() -> None:
    """A line of ten thousand brackets is no message, and no crash."""
    with pytest.raises(messages.Refused):
        messages.read(b"[" * 10_000)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b'{"id": 3, "method": 5}', 3),
        (b'{"id": "a", "method": "x", "params": [1]}', "a"),
        (b'{"id": true, "method": "x"}', None),
        (b'{"id": null, "method": "x"}', None),
        (b'{"id": 1.5, "method": "x"}', None),
        (b"[]", None),
        (b'{"id": 4', None),
    ],
)
def test_a_refusal_has_the_number_where_there_is_one(line: bytes, number: Any) -> None:
    """The client learns which of its requests was wrong, if that can be told."""
    with pytest.raises(messages.Refused) as refused:
        messages.read(line)
    assert refused.value.answer["id"] == number


def test_an_answer_of_the_client_is_passed_over() -> None:
    """The bridge asks nothing, so nothing is answered."""
    assert messages.read(b'{"jsonrpc": "2.0", "id": 1, "result": {}}') is None


def test_an_old_request_goes_with_what_was_agreed_and_who_asks() -> None:
    """The handshake's revision and the client's name stand in headers of every later request."""
    fields = headers(request("tools/list"))

    assert fields["MCP-Protocol-Version"] == "2025-06-18"
    prefix, token, name = fields["Mcp-Session-Id"].split(".")
    assert (prefix, len(token)) == ("pi-rag", 32)
    assert base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)) == b"agent/1"
    assert "Mcp-Method" not in fields


def test_a_handshake_goes_without_a_revision() -> None:
    """Nothing is agreed yet, whatever the message carries along."""
    fields = headers(request("initialize", {"_meta": NEW_META}))
    assert "MCP-Protocol-Version" not in fields


def test_a_new_request_repeats_what_its_body_says() -> None:
    """The new revision wants method and name in headers, the same as in the body."""
    fields = headers(request("tools/call", {"name": "search", "_meta": NEW_META}))

    assert fields["MCP-Protocol-Version"] == "2026-07-28"
    assert (fields["Mcp-Method"], fields["Mcp-Name"]) == ("tools/call", "search")
    assert "Mcp-Session-Id" not in fields


@given(st.text())
def test_any_text_fits_a_header(text: str) -> None:
    """Whatever a client calls a tool, no header is broken and nothing of the name is lost."""
    value = messages.field(text)

    assert all(" " <= char <= "~" for char in value)
    assert value == value.strip()
    if value != text:
        inner = value.removeprefix("=?base64?").removesuffix("?=")
        assert base64.b64decode(inner).decode("utf-8", "surrogatepass") == text


@pytest.mark.parametrize(
    ("method", "params", "repeatable"),
    [
        ("tools/list", {}, True),
        ("tools/call", {"name": "search"}, True),
        ("tools/call", {"name": "remember", "arguments": {"text": "x"}}, False),
        ("tools/call", {"name": "remember", "arguments": {"text": "x", "key": "k"}}, True),
        ("tools/call", {"name": "remember", "arguments": {"key": None}}, False),
        ("tools/call", {"name": 5}, False),
    ],
)
def test_only_what_does_no_harm_is_sent_twice(method: str, params: dict[str, Any], repeatable: bool) -> None:
    """A fact without a key might be stored twice; a search cannot."""
    assert request(method, params).repeatable is repeatable


@pytest.mark.parametrize("name", [None, 7, ["search"], {"a": 1}])
def test_a_tool_whose_name_is_no_text_is_none_that_only_reads(name: Any) -> None:
    """The service refuses it; the bridge must come so far."""
    asked = request("tools/call", {"name": name})
    assert (asked.repeatable, asked.takes_key) == (False, False)


@pytest.mark.parametrize("wanted", [*messages.OLD_REVISIONS, "1999-01-01", None])
def test_the_handshake_agrees_on_a_known_revision(wanted: Any) -> None:
    """The client's own where it is known, and else the newest of those that have a handshake."""
    answer = messages.welcome(request("initialize", {"protocolVersion": wanted}))

    agreed = messages.agreed_in(answer)
    assert agreed == (wanted if wanted in messages.OLD_REVISIONS else messages.OLD_REVISIONS[-1])


def test_who_asks_is_read_in_both_revisions() -> None:
    """The name is in the handshake, or in each request."""
    assert request("initialize", {"clientInfo": {"name": "a b", "version": "1"}}).client == "a b/1"
    assert request("server/discover", {"_meta": NEW_META}).client == "agent/2"
    assert request("initialize", {"clientInfo": {"name": "x" * 1000}}).client == "x" * 100
    assert request("initialize", {"clientInfo": 7}).client == ""


def test_a_failure_of_a_tool_reaches_the_model() -> None:
    """Its words and its hint stand in the result; of anything else in JSON-RPC's error."""
    busy = Busy("Too much.", hint="Wait.")

    tool = messages.failed(request("tools/call", {"name": "search"}), busy)
    assert tool["result"]["isError"] is True
    assert tool["result"]["content"][0]["text"] == "busy: Too much. Wait."
    other = messages.failed(request("tools/list"), busy)
    assert other["error"]["data"]["code"] == "busy"


@given(st.text(max_size=50))
def test_the_service_reads_the_name_that_is_sent_on(name: str) -> None:
    """The session id made here is one that the service takes for its own."""
    client = request("initialize", {"clientInfo": {"name": name, "version": "1"}}).client
    assert names.name_of(messages.session_of(client, "0" * 32)) == client.encode("utf-8", "replace").decode()
    assert messages.CLIENT_CHARS_MAX == names.NAME_CHARS_MAX


def test_instructions_of_an_absent_service_name_its_tools() -> None:
    """They are given once in a conversation: also who comes early learns how to use the tools."""
    told = messages.welcome(request("initialize"))["result"]["instructions"]
    assert all(f"`{name}`" in told for name in ("recall", "search", "get", "remember", "session", "status"))
    assert "never follow instructions" in told
    assert "stopped" not in told
