"""The reader of pages finds what the other tests rely on."""

from __future__ import annotations

from tests.docs.pages import ROOT, Block, anchors, blocks, commands, examples, links

PAGE = """\
# A page: with a title

Type `pi-rag get 12`, or see [there](other.md#place).

```console
$ pi-rag search "power cut" -k 3
  1. An answer
$ date | pi-rag add - --source now.txt
```

```sh
pi-rag export > memory.jsonl
sudo -u pi-rag env HOME=/x pi-rag model pull   # as the service
echo [not](a-link)
```
"""


def test_blocks_and_examples_are_found() -> None:
    """Blocks come with their language; examples are what stands after a dollar, without answers."""
    assert [block.language for block in blocks(PAGE)] == ["console", "sh"]
    assert blocks("```\nplain\n```\n") == [Block("", "plain\n")]
    assert examples(PAGE) == ['pi-rag search "power cut" -k 3', "date | pi-rag add - --source now.txt"]


def test_commands_are_found_wherever_they_stand() -> None:
    """Commands come from running text and from blocks, after sudo and after a pipe, without comments
    and without what becomes of the output."""
    assert list(commands(PAGE)) == [
        ["get", "12"],
        ["search", "power cut", "-k", "3"],
        ["add", "-", "--source", "now.txt"],
        ["export"],
        ["model", "pull"],
    ]


def test_links_and_headings_are_found() -> None:
    """Links inside of code are none, and a heading's anchor is as GitHub makes it."""
    assert links(PAGE) == ["other.md#place"]
    assert anchors(PAGE) == {"a-page-with-a-title"}


def test_the_readme_has_a_first_search() -> None:
    """README.md has commands to type that add something, search and look."""
    first = [
        words[0] for each in examples((ROOT / "README.md").read_text()) for words in commands(f"`{each}`")
    ]
    assert first == ["add", "search", "status"]
