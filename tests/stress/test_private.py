"""A report can be shown to strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress.private import cleaned, without_names

part = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=12)


@given(st.lists(part, min_size=2, max_size=6), part, part)
def test_of_a_path_only_its_last_part_is_told(parts: list[str], before: str, after: str) -> None:
    """Wherever it stands in a sentence, and with quotes around it."""
    path = "/" + "/".join(parts)
    for text in (f"{before} {path} {after}", f"'{path}'", f"{path}: {after}", f"~{path}"):
        told = without_names(text, "nobody-here")
        assert "/".join(parts) not in told
        assert parts[-1] in told
        assert "/" + parts[0] + "/" not in told


@pytest.mark.parametrize(
    "text", ["p50/p95 1/2", "at most 500 ms", "10:30/11:00", "search busy 3", "/dev", "a / b"]
)
def test_what_is_no_path_stays(text: str) -> None:
    """Figures and words are what a report is for."""
    assert without_names(text, "nobody-here") == text


def test_this_machine_is_not_named() -> None:
    """With its domain, in any case, and as a word alone: a short name is in every text."""
    assert without_names("on Kitchen-Pi.house.lan now", "kitchen-pi") == "on HOST now"
    assert without_names("pi-rag on raspberrypi", "raspberrypi.local") == "pi-rag on HOST"
    assert without_names("pi-rag on pi", "pi") == "pi-rag on pi"
    assert without_names("started-raspberrypi", "raspberrypi") == "started-raspberrypi"


def test_objects_are_cleaned_through_and_through() -> None:
    """Keys too; numbers are as they were."""
    told = {"/home/me/x": ["/home/me/y", 1, 2.5, None, True, {"z": "no /home/me/y here"}]}

    assert cleaned(told) == {".../x": [".../y", 1, 2.5, None, True, {"z": "no .../y here"}]}
