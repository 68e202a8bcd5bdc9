"""The files of each kind, copied or written into a folder of their own. It knows nothing of time."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.sets import load

SMALL_FILES = 1000
SMALL_SENTENCES = 2
"""A small file is a title and so many sentences: a note of about sixty tokens, one passage."""

CHAPTER = re.compile(r"^(?=Chapter \w+$|CHAPTER \w+\.?$)", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def markdown(data: Path, folder: Path, *, quick: bool) -> None:
    """The documentation of three projects; of one in the quick form."""
    root = data / "docs" / "markdown"
    _copied((root / "httpx" if quick else root).rglob("*.md"), root, folder)


def plain_text(data: Path, folder: Path, *, quick: bool) -> None:
    """A novel, a file for each chapter."""
    book = (data / "docs" / "books" / "pride-and-prejudice.txt").read_text(encoding="utf-8")
    chapters = [each for each in CHAPTER.split(book) if each.strip()]
    for number, chapter in enumerate(chapters[: 6 if quick else None]):
        (folder / f"chapter-{number:02}.txt").write_text(chapter, encoding="utf-8")


def pdf(data: Path, folder: Path, *, quick: bool) -> None:
    """Sample files of a PDF library: forms, columns, pictures, a password."""
    root = data / "docs" / "pdf"
    _copied(sorted(root.rglob("*.pdf"))[: 8 if quick else None], root, folder)


def office(data: Path, folder: Path, *, quick: bool) -> None:
    """What office programs write: test files of three libraries."""
    root = data / "docs" / "office"
    found = sorted(each for each in root.iterdir() if not each.name.startswith("LICENSE"))
    _copied(found[: 8 if quick else None], root, folder)


def small_files(data: Path, folder: Path, *, quick: bool) -> None:
    """A thousand notes in Markdown, each the beginning of another abstract."""
    corpus = load(data / "retrieval" / "scifact").corpus
    for key, (title, text) in list(corpus.items())[: 100 if quick else SMALL_FILES]:
        body = " ".join(SENTENCE_END.split(text)[:SMALL_SENTENCES])
        (folder / f"{key}.md").write_text(f"# {title}\n\n{body}\n", encoding="utf-8")


KINDS: Mapping[str, Callable[..., None]] = {
    "Markdown": markdown,
    "plain text": plain_text,
    "PDF": pdf,
    "office": office,
    "small files": small_files,
}


def _copied(files: Iterator[Path] | list[Path], root: Path, folder: Path) -> None:
    for path in files:
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
