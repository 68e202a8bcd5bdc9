"""Who the service takes a guest for."""

from __future__ import annotations

import pytest
from fastapi import Request

from pi_rag.errors import ScopeInvalid
from pi_rag.memory_types import Caller
from pi_rag.service.callers import caller_of
from pi_rag.service.peers import Peer


def asked(*headers: tuple[str, str], peer: Peer | None = None) -> Request:
    """A request with these headers over a connection of this guest."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "state": {"peer": peer}})


def test_the_user_is_the_kernels_word_and_the_program_its_own() -> None:
    """Nothing else of a request has a part in it."""
    request = asked(("user-agent", "curl/8.0"), ("x-uid", "0"), peer=Peer(1000, frozenset({1000})))

    assert caller_of(request) == Caller("person", 1000, "curl/8.0")
    assert caller_of(request, door="agent", client="Claude Code 2.1") == Caller(
        "agent", 1000, "Claude Code 2.1"
    )


def test_a_guest_may_be_unknown_and_nameless() -> None:
    """Over a connection that is no Unix socket, and without a User-Agent."""
    assert caller_of(asked()) == Caller("person", None, "", None)


def test_a_programs_name_is_one_short_line() -> None:
    """Whatever it sends."""
    name = caller_of(asked(), client="a\n\x00 b " + "c" * 500).client
    assert (len(name), name[:5]) == (100, "a \N{REPLACEMENT CHARACTER} b")


def test_scopes_are_bound_by_the_header() -> None:
    """Several are one header's, separated by commas; of several headers what they have in common is left."""
    assert caller_of(asked(("x-pi-rag-scopes", "user, project:a"))).scopes == ("user", "project:a")
    twice = asked(("x-pi-rag-scopes", "user,project:a"), ("x-pi-rag-scopes", "project:a,project:b"))
    assert caller_of(twice).scopes == ("project:a",)


@pytest.mark.parametrize("headers", [("",), ("user,",), ("*",), ("user", "project:a")])
def test_a_binding_to_no_scope_is_refused(headers: tuple[str, ...]) -> None:
    """It must neither be passed over nor bind to nothing."""
    with pytest.raises(ScopeInvalid):
        caller_of(asked(*(("x-pi-rag-scopes", each) for each in headers)))
