"""The name that an agent's session id carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.service.agents import names


@given(st.dictionaries(st.sampled_from(["name", "version", "title"]), st.text() | st.integers()))
def test_a_name_comes_back_out_of_its_session(info: dict[str, str | int]) -> None:
    """What an agent calls itself is known at its later requests, and nothing was kept for it."""
    name = names.name_in(info)
    session = names.session_of(info)

    assert names.name_of(session) == (name or None)
    assert session.isascii()
    assert session.isprintable()
    assert len(name) <= names.NAME_CHARS_MAX


@given(
    st.sampled_from(["pi-rag", "pi_rag", "PI-RAG", ""]),
    st.sampled_from(["YW5u", "YW5", "_w", "Y", "!!!!", ""]),
)
def test_an_id_of_somebody_else_carries_no_name(mark: str, encoded: str) -> None:
    """Whatever is shown as a session is read or passed over: another's mark, what is no base64, no text."""
    expected = {"YW5u": "ann", "YW5": "an"}.get(encoded) if mark == names.MARK else None

    assert names.name_of(f"{mark}.0123.{encoded}") == expected


@given(st.text())
def test_no_text_is_too_strange_for_a_session(session: str) -> None:
    """It carries no name, and nothing fails."""
    assert names.name_of(session) is None


def test_two_agents_of_one_name_have_different_sessions() -> None:
    """Neither can stop the other's calls by chance."""
    info = {"name": "a", "version": "1"}

    assert names.session_of(info) != names.session_of(info)
