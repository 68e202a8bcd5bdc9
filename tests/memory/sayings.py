"""Texts of which it is known beforehand what they have to do with each other.

A saying is of a family, and its features say how it differs from others of it. What one contradicts in
another is read off the features, never off the words. Families share no word but those every text has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Contrast = Literal["numbers", "names", "detail", "negation", "words"]

_WORDS = """
apron barrel basket bellows bench blanket bottle bracket branch brick bridge broom bucket burner butter cabin
candle carpet castle cellar chain chalk cherry chimney church cloak clover coal copper cotton cradle crate
cream creek curtain drawer drum engine feather fence ferry fiddle flagon flannel flask forest forge fountain
funnel garden garlic ginger glove gravel hammer handle harbour hatchet hazel hedge hinge honey hopper iron
jacket kettle ladder lantern lattice leather lemon linen locker marble meadow millet mirror mortar mustard
needle nettle nutmeg orchard oven paddle pantry parlour pasture pebble pepper pewter pillow plank plaster
plough pocket pulley quarry rafter ribbon river roof rope saddle saffron sandal scarf shelf shovel shutter
sickle silver slate sleeve spindle sponge stable staple stone stove straw summit tallow tankard thimble
thread timber tinder tray trellis trough trumpet tunnel turnip valley velvet vessel vinegar wagon walnut
wardrobe water wheel whistle willow window
""".split()

_EACH = 24
FAMILIES = 5
FILLERS = ("", "gladly", "quiet")
_SOME = 2
"""A saying that is far from its family's others has so many words of its own."""


@dataclass(frozen=True, order=True)
class Saying:
    """One thing said, in one of many ways."""

    family: int
    number: int = 20
    denied: bool = False
    file: str = ""
    filler: int = 0
    """One word more, or another one; 0 is none."""
    far: bool = False
    """Said with so many other words that it is no duplicate, and near enough to stand against another."""
    loud: bool = False
    """The same words, with other spaces and signs."""

    @property
    def text(self) -> str:
        """As it is said."""
        start = self.family * (_EACH + _SOME)
        words = _WORDS[start : start + _EACH]
        if self.far:
            words = [*words[:-_SOME], *_WORDS[start + _EACH : start + _EACH + _SOME]]
        said = [*words[:12], FILLERS[self.filler], *words[12:], str(self.number)]
        if self.denied:
            said.insert(6, "not")
        line = " ".join(word for word in (*said, self.file) if word)
        return "  ".join(line.split()) + " !" if self.loud else line

    @property
    def plain(self) -> Saying:
        """The same words as a person would write them: equal for what says the same in the same words."""
        return Saying(self.family, self.number, self.denied, self.file, self.filler, self.far)


def contrasts(one: Saying, other: Saying) -> frozenset[Contrast]:
    """In what one stands against the other, when they are near each other."""
    found: set[Contrast] = set()
    if one.number != other.number:
        found.add("numbers")
    if one.file != other.file:
        found.add("names" if one.file and other.file else "detail")
    if one.denied != other.denied:
        found.add("negation")
    if not found and all(0 < count <= _SOME for count in _own_words(one, other)):
        found.add("words")
    return frozenset(found)


def _own_words(one: Saying, other: Saying) -> tuple[int, int]:
    """How many words each has that the other has not."""
    far = _SOME if one.far != other.far else 0
    fillers = (FILLERS[one.filler], FILLERS[other.filler])
    mine, theirs = (far + int(bool(filler)) * (one.filler != other.filler) for filler in fillers)
    return mine, theirs


def everything() -> list[Saying]:
    """All of them."""
    return [
        Saying(family, number, denied, file, filler, far, loud)
        for family in range(FAMILIES)
        for number in (20, 21)
        for denied in (False, True)
        for file in ("", "notes.md", "plan.md")
        for filler in range(len(FILLERS))
        for far in (False, True)
        for loud in (False, True)
    ]
