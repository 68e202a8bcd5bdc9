"""Promises of pi_rag/text/webpage.py."""

from __future__ import annotations

import pytest

from pi_rag.errors import DocumentBinary
from pi_rag.text.webpage import main_part, page_of, plain_text, title_of_page, without_menus


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
        (
            "<script>'<main>'</script></head><body>a<main>b</main>c<main>d</main>e",
            "<main>b</main>c<main>d</main>",
        ),
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


WORDS = "<p>" + "They fly far and near over the hills. " * 20 + "</p>"


def links(count: int, label: str = "Home") -> str:
    """A list of links."""
    return "<ul>" + f"<li><a href='/x'>{label}</a></li>" * count + "</ul>"


@pytest.mark.parametrize(
    "menu",
    [
        "<nav>Home</nav>",
        "<div role='navigation'>Home<div>Away</div></div>",
        "<section aria-hidden=true>Home</section>",
        "<div hidden>Home</div>",
        "<footer>Imprint</footer>",
        links(30),
        "<div>" + links(20) + "<ul><li>Wrens</li></ul></div>",
    ],
)
def test_menus_are_left_out(menu: str) -> None:
    """By what the page says of them, and long lists of short links by what they are."""
    left = without_menus(f"<body><h1>Birds &amp; bees</h1>{menu}{WORDS}</body>")
    assert "Home" not in left
    assert "<h1>Birds &amp; bees</h1>" in left
    assert WORDS in left


@pytest.mark.parametrize(
    "part",
    [
        links(5),
        links(30, "On the flight of small birds over high hills, and why they do it"),
        "<ul>" + "<li><a href=x>Tit</a> is a small bird</li>" * 30 + "</ul>",
        "<nav>never closed",
        "</nav></ul></div>",
        "<form>" + "a question " * 5 + "</form>",
        "<div role=tabpanel hidden>On Debian</div><div role=tabpanel aria-hidden=true>On Fedora</div>",
    ],
)
def test_what_may_be_told_is_kept(part: str) -> None:
    """Short lists, lists of titles or with words beside links, hidden tabs, what is never closed."""
    page = f"<body>{WORDS}{part}{WORDS}</body>"
    assert plain_text(without_menus(page)) == plain_text(page)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("AT&T, R&D", "AT&T, R&D"),
        ("?a=1&b=2", "?a=1&b=2"),
        ("&nbsp &zzz; x & y", "&zzz; x & y"),
        ("&copy; &lt;b&gt; &#233; &amp;amp;", "© <b> é &amp;"),
    ],
)
def test_ampersands_stay_what_they_are(written: str, read: str) -> None:
    """Many pages have them bare."""
    assert plain_text(without_menus(f"<p>{written}</p>")) == read


def test_a_page_that_is_a_list_of_links_is_kept() -> None:
    """There is nothing else on it."""
    page = f"<body><p>Pages</p>{links(50)}</body>"
    assert without_menus(page) == page


def test_depth_does_not_matter_to_menus() -> None:
    """Nor do ends without a beginning."""
    page = "<ul><div>" * 50_000 + "deep" + "</ol>" * 50_000 + "</div>" * 50_000
    assert plain_text(without_menus(page)) == "deep"
