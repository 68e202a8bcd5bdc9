"""A name finds what it stands for, or the names that there are."""

from __future__ import annotations

import pytest

from pi_rag.errors import RequestInvalid
from pi_rag.stress.naming import named

THINGS = {"lamp": 1, "kettle": 2}


def test_a_name_finds_what_it_stands_for() -> None:
    """As it is written."""
    assert named(THINGS, "kettle", "thing") == 2


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    """With the nearest, where one is near, and with what there is more to say."""
    with pytest.raises(RequestInvalid, match="There is no thing 'ketle'") as refused:
        named(THINGS, "ketle", "thing", " Look.")
    assert refused.value.hint == "Did you mean 'kettle'? There are: lamp, kettle. Look."
    with pytest.raises(RequestInvalid) as refused:
        named(THINGS, "zzz", "thing")
    assert refused.value.hint == "There are: lamp, kettle."
