"""Promises of pi_rag/ingest/ignore.py: it leaves out what git leaves out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.ingest.ignore import PATTERNS_MAX, Choice, Patterns, Rules, parsed


def ignored(lines: str, path: str, *, is_folder: bool = False) -> bool:
    """What an ignore file at the root says of a path and the folders it lies in, as a walk would ask."""
    return Rules((Patterns("", parsed(lines.split("\n"))),)).ignores(path, is_folder=is_folder)


@pytest.mark.parametrize(
    ("line", "matching", "others"),
    [
        ("*.log", ["a.log", "x/y/b.log", ".log"], ["a.logs", "log", "a.log/x"]),
        ("/top.md", ["top.md"], ["x/top.md"]),
        ("a/b", ["a/b"], ["x/a/b", "a/b/c"]),
        ("**/b", ["b", "x/b", "x/y/b"], ["bb", "b/x"]),
        ("a/**", ["a/x", "a/x/y"], ["a", "b/a/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab"]),
        ("a/**/b/**/c/**/d", ["a/b/c/d", "a/b/x/c/d", "a/x/b/b/c/y/d"], ["a/c/b/d"]),
        ("a**b", ["ab", "axb", "x/axb"], ["a/b"]),
        ("?at", ["cat", "x/hat"], ["at", "chat"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
        ("[!a-c]x", ["dx"], ["ax", "/x"]),
        ("[]-]x", ["]x", "-x"], ["ax"]),
        ("a*b*c", ["abc", "axbxbxc"], ["acb", "a/b/c"]),
        ("\\#a", ["#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a\\*", ["a*"], ["ab"]),
        ("a\\ ", ["a "], ["a"]),
        ("a   ", ["a"], ["a   "]),
        ("ä*", ["äpfel"], ["apfel"]),
    ],
)
def test_a_pattern_means_what_it_means_to_git(line: str, matching: list[str], others: list[str]) -> None:
    """Stars, classes, anchors and escapes, each with what it takes and what it does not."""
    assert [path for path in matching + others if ignored(line, path)] == matching


@pytest.mark.parametrize("line", ["", "# a", "!", "/", "[a", "a\\", "[", "[!", "[a-"])
def test_what_is_no_pattern_leaves_nothing_out(line: str) -> None:
    """Comments, empty lines and unfinished patterns match nothing."""
    assert not any(ignored(line, path) for path in ("a", "# a", "[a", "x/a", "a\\", "!"))


def test_a_slash_at_the_end_is_for_folders_alone() -> None:
    """`build/` is the folder of that name, wherever it is; a file called so stays."""
    assert ignored("build/", "x/build", is_folder=True)
    assert not ignored("build/", "x/build")


def test_the_last_line_decides() -> None:
    """A `!` brings back what an earlier line left out, and a later line may leave it out again."""
    assert not ignored("*.md\n!keep.md", "keep.md")
    assert ignored("*.md\n!keep.md\nkeep*", "keep.md")


def test_deeper_files_go_first_and_ours_before_gits(tmp_path: Path) -> None:
    """A folder's own file overrules the one above it, and `.piragignore` the `.gitignore` beside it."""
    inner = tmp_path / "in"
    inner.mkdir()
    (tmp_path / ".gitignore").write_text("*.md\n*.txt\n")
    (inner / ".gitignore").write_text("!*.md\nsecret.md\n")
    (inner / ".piragignore").write_text("!secret.md\n/only-here\n")
    outer = Rules().within(str(tmp_path), "")
    rules = outer.within(str(inner), "in")

    assert outer.ignores("a.md", is_folder=False)
    assert not rules.ignores("in/a.md", is_folder=False)
    assert not rules.ignores("in/secret.md", is_folder=False)
    assert rules.ignores("in/a.txt", is_folder=False)
    assert rules.ignores("in/only-here", is_folder=False)
    assert not rules.ignores("in/x/only-here", is_folder=False)


def test_an_ignore_file_that_is_none_says_nothing(tmp_path: Path) -> None:
    """A pipe, a folder, a link and a file that is too large are passed over; none is waited for."""
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / ".piragignore").symlink_to("/dev/zero")
    assert Rules().within(str(tmp_path), "") == Rules()
    (tmp_path / ".piragignore").unlink()
    (tmp_path / ".piragignore").write_text("*\n" * (1 << 20))
    assert Rules().within(str(tmp_path), "") == Rules()


def test_bytes_line_ends_and_marks_of_other_systems_do_not_matter(tmp_path: Path) -> None:
    """A byte order mark, Windows' line ends and bytes that are no UTF-8 are all read."""
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfa.md\r\n\xff.md\r\n")
    rules = Rules().within(str(tmp_path), "")
    assert rules.ignores("a.md", is_folder=False)
    assert rules.ignores(os.fsdecode(b"\xff.md"), is_folder=False)


def test_only_so_many_lines_count() -> None:
    """A file of a million lines cannot make every walk slow."""
    assert len(parsed(f"line-{number}" for number in range(PATTERNS_MAX * 3))) == PATTERNS_MAX


def test_no_pattern_is_slow() -> None:
    """What takes other matchers years ends before the test does."""
    assert not ignored("a*" * 100 + "b", "a" * 255)
    assert not ignored("**/a/" * 50 + "b", "a/" * 1000 + "c")


def test_a_choice_is_made_in_the_same_words() -> None:
    """What is included may be named by its folder; what is excluded is out whatever is included."""
    choice = Choice.of(["*.md", "letters/"], ["drafts/", "*.tmp.md"])
    taken = [
        path for path in ("a.md", "letters/x.pdf", "a.pdf", "b.tmp.md") if choice.takes(path, is_folder=False)
    ]
    assert taken == ["a.md", "letters/x.pdf"]
    assert not choice.takes("x/drafts", is_folder=True)
    assert choice.takes("x", is_folder=True)
    assert Choice().takes("anything", is_folder=False)


PIECES = [
    "a",
    "b",
    "*",
    "?",
    "]",
    "!",
    "-",
    " ",
    "[ab]",
    "[!a]",
    "[^b]",
    "[]a]",
    "[a-b]",
    "[b-a]",
    "\\a",
    "\\*",
]
# A class across a slash is what nobody writes and git takes.
SEGMENTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
LINES = st.lists(
    st.builds(
        lambda start, parts, end: start + "/".join(parts) + end,
        st.sampled_from(["", "/", "!", "!/", "**/", "#"]),
        st.lists(st.one_of(st.sampled_from(["a", "b", "ab", "**", "*"]), SEGMENTS), min_size=1, max_size=3),
        st.sampled_from(["", "/", "/**", " "]),
    ),
    max_size=5,
)
PATHS = ("a", "b/a", "b/b", "b/ab/a", "b/ab/ba", "ab/a/b/a", "ab/ba", "aab", "ab/b/b/ab", "ba")


@settings(max_examples=40)
@given(outer=LINES, inner=LINES)
def test_git_leaves_out_the_same_files(outer: list[str], inner: list[str]) -> None:
    """A real git, over a real tree with two ignore files, lists exactly the files that the rules leave."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for path in PATHS:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        (root / ".gitignore").write_text("\n".join(outer))
        (root / "b" / ".gitignore").write_text("\n".join(inner))
        assert _left(root) == _left_by_git(root)


def _left(root: Path) -> set[str]:
    """The files below a root that its rules leave, found as a walk finds them."""
    left: set[str] = set()
    folders = [("", Rules())]
    while folders:
        base, above = folders.pop()
        rules = above.within(str(root / base), base)
        for entry in os.scandir(root / base):
            path = f"{base}/{entry.name}" if base else entry.name
            if entry.name.startswith(".") or rules.ignores(path, is_folder=entry.is_dir()):
                continue
            if entry.is_dir():
                folders.append((path, rules))
            else:
                left.add(path)
    return left


def _left_by_git(root: Path) -> set[str]:
    environ = os.environ | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(root)}
    subprocess.run(["git", "init", "-q"], cwd=root, env=environ, check=True, capture_output=True)
    command = ["git", "ls-files", "-o", "-z", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True)
    return {
        name for name in listed.stdout.decode().split("\0") if name and not Path(name).name.startswith(".")
    }
