"""How much text an answer may have: whole hits as far as they fit, the last one cut at a sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pi_rag.memory_types import Recalled
from pi_rag.text.parts import tokens

WORTH_TOKENS = 24
"""A shorter beginning of a hit tells nothing, and is left out; of the first hit anything is told."""

_SENTENCE = re.compile(r"[.!?…。！？][\"'”’)\]]*(?=\s|$)|[。！？]|\n")
_WORD = re.compile(r"\S(?=\s|$)")


def fitted(hits: Sequence[Recalled], budget: int) -> tuple[tuple[Recalled, ...], int, int]:
    """(the hits that fit, about how many tokens they have, how many more there would be)."""
    chosen: list[Recalled] = []
    used = 0
    for hit in hits:
        cost = tokens(hit.text)
        if used + cost > budget:
            beginning = _beginning(hit.text, budget - used)
            if beginning and (not chosen or tokens(beginning) >= WORTH_TOKENS):
                chosen.append(replace(hit, text=beginning, cut=True))
                used += tokens(beginning)
            break
        chosen.append(hit)
        used += cost
    return tuple(chosen), used, len(hits) - len(chosen)


def _beginning(text: str, budget: int) -> str:
    """As many whole sentences as fit; where not one does, as many words."""
    for ends in (_SENTENCE, _WORD):
        best, used = 0, 0
        for end in _ends(ends, text):
            used += tokens(text[best:end])
            if used > budget:
                break
            best = end
        if best:
            return text[:best].rstrip()
    return ""


def _ends(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    return (found.end() for found in pattern.finditer(text))
