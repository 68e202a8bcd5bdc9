"""Promises of pi_rag/ingest/recognition.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.errors import DocumentEmpty
from pi_rag.ingest.recognition import counted, languages_missing, needs_ocr, with_pages
from pi_rag.types import Reading


def test_languages_are_looked_for_where_they_are_installed(tmp_path: Path) -> None:
    """Each of several has to be there."""
    folder = tmp_path / "5" / "tessdata"
    folder.mkdir(parents=True)
    (folder / "eng.traineddata").touch()
    (folder / "deu.traineddata.bak").touch()
    places = [f"{tmp_path}/*/tessdata", "/no/such/folder"]
    assert languages_missing("eng", places) == []
    assert languages_missing("eng+deu+frk", places) == ["deu", "frk"]
    assert languages_missing("eng", []) == ["eng"]


def test_a_scan_says_what_to_install() -> None:
    """With OCR off how to turn it on; with OCR on what is missing."""
    assert "ingest.ocr" in needs_ocr(3, None).hint
    assert needs_ocr(3, None).message.startswith("There is no text on its 3 pages")
    assert "apt install tesseract-ocr " in needs_ocr(1, ["eng"]).hint
    assert "apt install tesseract-ocr-chi-sim " in needs_ocr(1, ["chi_sim"]).hint


def test_recognised_pages_come_where_they_belong() -> None:
    """Offsets are those of the new text; what is still without text is counted."""
    reading = Reading("One.\n\nThree.\n\n", "t", "pdf", ((0, 1), (6, 3)), {"author": "Ada"}, (2, 4, 5))
    made = with_pages(reading, {4: "Four.\n", 2: " Two."})
    assert made.text == "One.\n\nTwo.\n\nThree.\n\nFour.\n\n"
    assert [(made.text[at:].split(".")[0], page) for at, page in made.pages] == [
        ("One", 1), ("Two", 2), ("Three", 3), ("Four", 4),
    ]  # fmt: skip
    assert made.unread == (5,)
    assert counted(made).metadata == {"author": "Ada", "pages_by_ocr": "2", "pages_without_text": "1"}


def test_a_document_of_pictures_alone_is_made_of_what_they_say() -> None:
    """Where they say nothing there is no document."""
    scan = Reading("", "t", "pdf", (), {}, (1, 2))
    assert with_pages(scan, {2: "Two."}).pages == ((0, 2),)
    with pytest.raises(DocumentEmpty):
        with_pages(scan, {})


def test_a_document_with_all_its_text_is_left_alone() -> None:
    """Nothing is said of pages that are not missing."""
    reading = Reading("One.", "t", "pdf", ((0, 1),))
    assert counted(reading) is reading
