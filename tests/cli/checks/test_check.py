"""A line of the doctor."""

from __future__ import annotations

import pytest

from pi_rag.cli.bundle import CONTENTS
from pi_rag.cli.checks.check import SUBJECTS, Check, failed, summary
from pi_rag.errors import ModelMissing
from tests.docs.pages import ROOT


def test_the_summary_counts() -> None:
    """What is wrong comes before what is only to be looked at."""
    ok, warn, wrong = Check("python", "ok", ""), Check("model", "warn", ""), Check("clock", "wrong", "")
    assert summary([ok]) == "All is well."
    assert summary([ok, warn]) == "Nothing wrong, 1 to look at."
    assert summary([warn, wrong, wrong]) == "2 things wrong, 1 to look at."


def rows(heading: str) -> list[tuple[str, str]]:
    """The first two cells of each row of the table under a heading of the page."""
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    table = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(first.removeprefix("| "), second.removesuffix(" |")) for first, second, *_ in cells[1:]]


def test_the_page_has_every_check_and_every_file_of_a_report() -> None:
    """In the order of the lines, in the same words."""
    assert rows("What is looked at") == list(SUBJECTS.items())
    assert rows("A report for others") == list(CONTENTS.items())


def test_only_what_the_page_has_may_be_looked_at() -> None:
    """A check that docs/doctor.md does not know is a fault of ours."""
    with pytest.raises(AssertionError):
        Check("horoscope", "ok", "")


def test_an_error_of_ours_is_a_line_with_its_hint() -> None:
    """And its words, which may name a file, stay out of a report."""
    check = failed("model", ModelMissing("No model is installed.", hint="pi-rag model pull"))
    assert (check.verdict, check.detail, check.mend) == (
        "wrong",
        "No model is installed.",
        "pi-rag model pull",
    )
    assert check.is_private
