"""Promises of pi_rag/ingest/parser.py, as far as it does more than to call the library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pi_rag.ingest.parser import about, tight_tables, without_marks, words_of_links


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("See [the page](https://example.org) and ![a wren](w.png).", "See the page and a wren."),
        ("\\![a wren](w.png)", "a wren"),
        ('"Ada" \\<ada@example.org\\> and \\*this\\*', '"Ada" <ada@example.org> and *this*'),
        ("\\# no heading\n\\- no item", "\\# no heading\n\\- no item"),
        ("| a \\| b |", "| a \\| b |"),
        ("R\\&D, a\\#b and \\`it\\`", "R&D, a#b and `it`"),
        ("array[index](argument), array\\[0\\](a.b)", "array[index](argument), array[0](a.b)"),
        ("two&#9;words, \\&#9; as typed", "two\twords, &#9; as typed"),
        ("[next](c2.xhtml) [up](#top) [me](mailto:a@b.org)", "next up me"),
    ],
)
def test_markdown_is_left_with_its_words(made: str, words: str) -> None:
    """No addresses, no escapes; but what would turn into a heading, an item or a cell stays escaped."""
    assert words_of_links(made) == words


def test_tables_are_not_padded() -> None:
    """Of a cell as long as a paragraph, every row would have the length."""
    assert tight_tables("a  b\n| a    | b |\n| ------ | - |\n") == "a  b\n| a | b |\n| --- | - |\n"


def test_words_of_a_slide_have_no_marks() -> None:
    """The library leaves stars and links in them."""
    node = {"content": {"node_type": "list_item", "text": "**A [link](x.html)**"}, "page": 1}
    assert without_marks(node) == {"content": {"node_type": "list_item", "text": "A link"}, "page": 1}


def test_metadata_that_nobody_wrote_is_left_out() -> None:
    """Authors without a name, and dates of the year zero."""
    claimed = {
        "authors": ["Unknown Author", "Ada"],
        "created_at": "0000-01-01T00:00:00Z",
        "modified_at": "2024",
    }
    assert about(claimed) == {"author": "Ada", "modified": "2024"}
    assert about({}) == {}


def test_what_is_given_up_before_the_library_is_prepared_is_given_up_by_all_its_threads() -> None:
    """It starts threads when it is prepared, and none when it is imported."""
    code = "import os, pi_rag.ingest.parser; assert len(os.listdir('/proc/self/task')) == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
