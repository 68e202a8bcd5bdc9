"""The tree of errors."""

import pytest

from pi_rag import errors
from pi_rag.errors import PiRagError, every_kind, from_wire

KINDS = list(every_kind())


def test_every_code_is_its_own() -> None:
    """No two kinds share a code: a program can tell them apart."""
    codes = [kind.code for kind in KINDS]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_kind_says_what_to_do_next(kind: type[PiRagError]) -> None:
    """Each kind has a code of its own, a sentence of meaning, a hint, and sound HTTP and exit codes."""
    assert "code" in vars(kind)
    assert kind.__doc__
    assert kind.hint_default
    assert 400 <= kind.http_status < 600
    assert 1 <= kind.exit_code <= 125


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_survives_the_wire(kind: type[PiRagError]) -> None:
    """What the service raised is what the client raises: kind, message, hint and retry time."""
    sent = kind("It broke.", hint="Mend it.", retry_after_ms=1234)

    got = from_wire(sent.to_wire())

    assert type(got) is kind
    assert (got.message, got.hint, got.retry_after_ms) == ("It broke.", "Mend it.", 1234)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_reason_can_be_given_again(kind: type[PiRagError]) -> None:
    """The same in every word, and yet another exception."""
    first = kind("It broke.", hint="Mend it.", retry_after_ms=1234)

    again = first.again()

    assert type(again) is kind
    assert again is not first
    assert again.to_wire() == first.to_wire()


def test_an_unknown_code_is_still_an_error() -> None:
    """A newer service may have codes that this client does not know."""
    got = from_wire({"code": "from_the_future", "message": "New.", "hint": None})

    assert type(got) is PiRagError
    assert got.message == "New."


def test_the_tree_in_the_docstring_names_every_kind() -> None:
    """The picture at the top of the module is complete."""
    missing = [kind.__name__ for kind in KINDS if kind.__name__ not in (errors.__doc__ or "")]

    assert missing == []
