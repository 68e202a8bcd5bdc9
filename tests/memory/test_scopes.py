"""Names of scopes, and who may see them."""

from __future__ import annotations

import pytest

from pi_rag.errors import ScopeForbidden, ScopeInvalid
from pi_rag.memory.scopes import allowed, checked
from pi_rag.memory_types import Caller


@pytest.mark.parametrize(
    "scope", ["user", "project:pi_rag", "agent:0", "project:" + "a" * 64, "agent:A.b-c_d"]
)
def test_a_scope_is_taken_as_it_is(scope: str) -> None:
    """What follows the rule is not changed."""
    assert checked(scope) == scope


@pytest.mark.parametrize(
    "scope",
    ["", "User", "user ", "users", "project", "project:", "project:-a", "project:.", "agent:a/b", "agent:a b",
     "project:é", "project:" + "a" * 65, "user\n", "project:a\n", "project:a,user", "team:a"],
)  # fmt: skip
def test_anything_else_is_no_scope(scope: str) -> None:
    """Whole, and without a letter more at its end."""
    with pytest.raises(ScopeInvalid):
        checked(scope)


def test_a_guest_sees_the_scopes_it_is_bound_to_and_no_others() -> None:
    """Who is bound to none sees all; each scope is looked at once."""
    bound = Caller("agent", scopes=("project:a", "user"))

    assert allowed(bound, ["user", "project:a", "user"]) == ("user", "project:a")
    assert allowed(Caller("agent"), ["project:b"]) == ("project:b",)
    with pytest.raises(ScopeForbidden):
        allowed(bound, ["user", "project:b"])
    with pytest.raises(ScopeInvalid):
        allowed(bound, ["PROJECT:a"])
