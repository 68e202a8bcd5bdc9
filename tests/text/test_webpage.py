"""Promises of pi_rag/text/webpage.py."""

from __future__ import annotations

import pytest

from pi_rag.errors import DocumentBinary
from pi_rag.text.webpage import main_part, page_of, plain_text, title_of_page


def test_a_page_is_read_in_the_encoding_it_names() -> None:
    """Both ways to name it are known; UTF-8 is tried first."""
    for meta in ('<meta charset="koi8-r">', '<meta http-equiv=x content="text/html; charset=koi8-r">'):
        assert page_of(meta.encode() + "Привет".encode("koi8-r")).endswith("Привет")
        assert page_of(meta.encode() + "Привет".encode()).endswith("Привет")


def test_a_page_that_is_no_text_is_refused() -> None:
    """It was only named like one."""
    with pytest.raises(DocumentBinary):
        page_of(bytes(range(256)) * 10)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<html><head><title>Salt &amp; pepper</title>", "Salt & pepper"),
        ("<TITLE lang=en>\n  Two\n lines </TITLE>", "Two lines"),
        ("<title>", ""),
        ("<p>none</p>", ""),
    ],
)
def test_the_title_is_found(page: str, title: str) -> None:
    """As words on one line."""
    assert title_of_page(page) == title


@pytest.mark.parametrize(
    ("page", "main"),
    [
        ("<head>x</head><body>a<main id=m>b</main>c</body>", "<main id=m>b</main>"),
        ("<body>a<main>never closed", "<main>never closed"),
        ("<head><title>x</title></head><body>a</body>", "</head><body>a</body>"),
        ("<p>only a piece", "<p>only a piece"),
    ],
)
def test_the_main_part_is_found(page: str, main: str) -> None:
    """Menus stand outside of it; without one, all behind the head is taken."""
    assert main_part(page) == main


def test_plain_text_is_what_would_be_seen() -> None:
    """Scripts, styles and tags are left out; entities become characters; depth does not matter."""
    page = "<p>one &lt; two<script>evil()</script><style>p{}</style></p>" + "<div>" * 100_000 + "deep"
    assert plain_text(page) == "one < two\ndeep"
