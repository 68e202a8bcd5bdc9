"""What documents and hits repeat of others, as lines."""

from __future__ import annotations

from typing import Any

from pi_rag.cli.printing import counted, one_line

SHOWN_MAX = 5
"""Documents named after an add. The listing has all of them."""


def show_repeats(repeated: list[dict[str, Any]], near_duplicates: int, collection: str) -> None:
    """One line for each document of `collection` that repeats others, and where the rest is to be seen."""
    for each in repeated[:SHOWN_MAX]:
        print(_line(each, collection))
    if near_duplicates:
        noun = counted(near_duplicates, "near-duplicate")
        print(f"{noun} in all. They are kept; see which with: pi-rag duplicates")


def said_of(hit: dict[str, Any]) -> str:
    """What a hit repeats, or how many passages repeat it; empty when nothing does."""
    original, newer = hit.get("duplicate_of"), int(hit.get("duplicates") or 0)
    if original:
        where = placed(original.get("source"), original.get("collection"), hit.get("collection"))
        return f"nearly the same as {where}  (document {original.get('document_id')})"
    return f"nearly the same in {counted(newer, 'newer passage')}" if newer else ""


def placed(source: object, collection: object, here: object) -> str:
    """A source, and its collection where that is another one than `here`: a file may be in several."""
    elsewhere = f" in {one_line(collection)}" if collection and collection != here else ""
    return one_line(source) + elsewhere


def _line(repeated: dict[str, Any], collection: str) -> str:
    """'3 of 40 passages of b.md are near-duplicates of a.md in letters and 1 other document'."""
    near, passages = int(repeated.get("near_duplicates") or 0), int(repeated.get("chunks") or 0)
    others = int(repeated.get("of_documents") or 1) - 1
    rest = f" and {counted(others, 'other document')}" if others else ""
    verb = "is a near-duplicate" if near == 1 else "are near-duplicates"
    original = placed(repeated.get("of_source"), repeated.get("of_collection"), collection)
    return (
        f"{near:,} of {counted(passages, 'passage')} of {one_line(repeated.get('source'))} {verb} of "
        f"{original}{rest}"
    )
