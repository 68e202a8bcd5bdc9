"""Promises of pi_rag/text/atoms.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.text.atoms import ATOM_CHARS_MAX, Atom, Break, atoms, resplit, split_atom
from pi_rag.types import Kind

KINDS: list[Kind] = ["text", "markdown", "code"]
DATA = Path(__file__).parents[3] / "shared" / "data"

TEXTS = st.one_of(
    st.text(max_size=2000),
    st.text("ab .!?\n#`-=*\t\r", max_size=2000),
    st.lists(
        st.sampled_from(
            ["# Head\n", "## Sub\n", "word ", "A sentence ends. ", "\n\n", "```\n", "def f():\n    pass\n",
             "这句话。", "x" * 300, " " * 300, "ภาษาไทย", "🇩🇪👩‍🚀", "- item\n", "class A:\n", "\r\n"]
        ),
        max_size=60,
    ).map("".join),
)  # fmt: skip


def pieces(text: str, kind: Kind = "text") -> list[str]:
    """The texts of all atoms."""
    return [text[atom.start : atom.end] for atom in atoms(text, kind)]


@given(TEXTS, st.sampled_from(KINDS))
def test_atoms_put_together_are_the_text(text: str, kind: Kind) -> None:
    """Nothing is lost, nothing is there twice, no piece is empty or too long."""
    found = pieces(text, kind)
    assert "".join(found) == text
    assert all(0 < len(piece) <= ATOM_CHARS_MAX for piece in found)


@given(TEXTS, st.sampled_from(KINDS))
def test_only_a_seam_is_inside_a_word(text: str, kind: Kind) -> None:
    """Two letters of ASCII on both sides of a cut mean a seam: their tokens would not add up."""
    for atom in atoms(text, kind)[1:]:
        before, after = text[atom.start - 1], text[atom.start]
        if re.match(r"[a-z]{2}", before + after):
            assert atom.breaks == Break.SEAM


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "unit", ["a.\n", "\n", "a\n\n", ". ", "#\n", "# a\nb\n", "def f(): 1\n", "。", "a! "]
)
def test_the_number_of_atoms_is_bounded(unit: str, kind: Kind) -> None:
    """However many full stops, line breaks or headings a text has, its pieces are few for its size."""
    text = unit * (200_000 // len(unit))
    assert len(atoms(text, kind)) <= 1000 + len(text) // 16


def test_prose_is_cut_between_sentences() -> None:
    """A break in the middle of a sentence is worse than one behind it."""
    text = (
        "The first sentence of this text is about rain, hail and snow. The second one is about the sun above."
    )
    first, second = atoms(text, "text")
    assert text[second.start :].startswith("The second")
    assert (first.breaks, second.breaks) == (Break.SECTION, Break.SENTENCE)


@pytest.mark.parametrize("title", ["Mr.", "Dr.", "J.", "St.", "e.g."])
def test_a_short_title_ends_no_sentence(title: str) -> None:
    """A name is not torn from what it is called by."""
    text = f"In that long and rainy summer of the year we often went to see {title} Bennet at his house."
    assert not any(text[: atom.start].endswith(f"{title} ") for atom in atoms(text, "text"))


def test_paragraphs_and_headings_are_better_breaks() -> None:
    """A blank line is better than a sentence's end, a heading better than both."""
    text = "# One\nThis is a paragraph.\n\nThis is another paragraph.\n# Two\nThis is the third."
    assert [atom.breaks for atom in atoms(text, "markdown")] == [
        Break.SECTION,
        Break.PARAGRAPH,
        Break.SECTION,
    ]


def test_atoms_know_the_headings_above_them() -> None:
    """Each piece carries its path."""
    text = "# One\nThis is a paragraph.\n## Two\nThis is another."
    assert [atom.path for atom in atoms(text, "markdown")] == [("One",), ("One", "Two")]


def test_code_is_cut_between_lines() -> None:
    """No line of code is parted from its own end."""
    text = "\n".join(f"value_{number} = compute(number={number}, other='a.b. c')" for number in range(50))
    assert all(atom.start == 0 or text[atom.start - 1] == "\n" for atom in atoms(text, "code"))


@given(st.text(min_size=1, max_size=500))
def test_splitting_halves_an_atom(text: str) -> None:
    """The halves are the whole; a single character stays one."""
    atom = Atom(0, len(text), Break.PARAGRAPH, ("Head",))
    halves = split_atom(text, atom)
    assert "".join(text[half.start : half.end] for half in halves) == text
    assert all(half.path == ("Head",) for half in halves)
    assert halves[0].breaks == Break.PARAGRAPH
    assert len(halves) == (1 if len(text) == 1 else 2)


@given(TEXTS, st.integers(1, 40))
@settings(max_examples=50)
def test_resplitting_ends_with_pieces_that_fit(text: str, tokens_max: int) -> None:
    """With one token a character, the worst there is, every piece fits in the end, and nothing is lost."""
    found = atoms(text, "text")
    counts = [atom.end - atom.start for atom in found]
    rounds = 0
    while any(count > tokens_max for count in counts):
        known = resplit(text, found, counts, tokens_max)
        found = [atom for atom, _ in known]
        counts = [atom.end - atom.start if count is None else count for atom, count in known]
        rounds += 1
    assert "".join(text[atom.start : atom.end] for atom in found) == text
    assert rounds <= 20


def test_a_character_of_too_many_tokens_does_not_go_on_forever() -> None:
    """What cannot be cut is said to fit, so that a caller's loop ends."""
    atom = Atom(0, 1, Break.SECTION, ())
    assert resplit("x", [atom], [99], 16) == [(atom, 16)]


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data beside the checkout")
def test_tokens_of_atoms_add_up() -> None:
    """With BGE's real tokenizer, the counts of pieces that may be joined are the count of the whole."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(DATA / "bge-small-en-v1.5-tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    files = [
        *sorted((DATA / "docs/markdown").rglob("*.md"))[:40],
        DATA / "docs/hostile/naughty-strings/blns.txt",
    ]
    for path in files:
        text = path.read_text(encoding="utf-8")[:50_000]
        for run in _joinable(atoms(text, "markdown")):
            whole = count(text[run[0].start : run[-1].end])
            assert sum(count(text[atom.start : atom.end]) for atom in run) == whole, path.name


def _joinable(found: list[Atom]) -> list[list[Atom]]:
    """Runs of atoms without a seam between them."""
    runs: list[list[Atom]] = []
    for atom in found:
        if atom.breaks == Break.SEAM or not runs:
            runs.append([])
        runs[-1].append(atom)
    return runs
