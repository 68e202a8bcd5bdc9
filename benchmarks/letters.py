"""Letters and notes of a household, made up for `benchmarks.duplicates`, and what becomes of them over time.

Each `Letter` comes with another text of the same kind about the same matter that says something else: the
next year's letter, the neighbour's note. Those must not count as near-duplicates; edited copies must.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """A text, its file's name, and another one of its kind."""

    name: str
    text: str
    other: str


LETTERS = (
    Letter(
        "boiler-service.txt",
        "Dear Mrs Lovelace, the boiler in your cellar was serviced on 3 March. The circulation pump was "
        "noisy and has been replaced, the filter was cleaned, and the pressure is at one and a half bar "
        "again. The flue was measured and is in order. The next service is due in twelve months. Please "
        "keep this letter with the papers of the house. Yours sincerely, Babbage Heating.",
        "Dear Mrs Lovelace, our fitter came on 9 October because your radiators stayed cold. He found "
        "that the thermostat in the hall was broken and put in a new one. The boiler itself was not "
        "touched. There is a guarantee of two years on the part. The bill for his two hours is enclosed. "
        "Yours sincerely, Babbage Heating.",
    ),
    Letter(
        "bread.md",
        "Stir five hundred grams of flour, ten grams of salt and a spoon of yeast into a third of a litre "
        "of warm water. Knead for ten minutes, until the dough is smooth. Let it rise under a cloth for "
        "an hour. Shape a loaf, cut it across the top and let it rest for half an hour more. Bake it at "
        "230 degrees for forty minutes with a bowl of water in the oven. It is done when it sounds "
        "hollow.",
        "Feed the sourdough in the evening with equal parts of rye flour and water. In the morning take "
        "two thirds of it, add wheat flour, salt and honey, and fold the dough every half hour, four "
        "times. It then stands in the refrigerator over night. Bake it in a closed iron pot, the lid off "
        "for the last quarter of an hour.",
    ),
    Letter(
        "lease.txt",
        "The tenant pays the rent of 940 pounds on the first working day of each month to the account "
        "named below. Heating and water are not included and are settled once a year by the meter. Either "
        "side may end this agreement in writing with three months' notice. Pets need the landlord's "
        "consent. The deposit of two months' rent is returned within six weeks after the keys were handed "
        "back.",
        "The garage is let for 75 pounds a month, payable in advance. It may be used for one car and "
        "nothing that burns may be stored in it. The tenant clears the snow before the door. Notice is "
        "four weeks, and no deposit is asked for. The landlord keeps a second key in case of fire.",
    ),
    Letter(
        "minutes-may.md",
        "Present were Ada, Charles and Mary. The roof of the club house leaks above the kitchen. Charles "
        "asks two roofers for an offer until the next meeting. The summer party is on the second Saturday "
        "of July; Mary writes to all members. The fee stays as it is. The cash box holds 412 pounds after "
        "the purchase of the lawn mower. The meeting ended at half past nine.",
        "Present were Ada and Mary; Charles was ill. The offer of the roofer was accepted, work begins in "
        "August. For the party sixty members have said that they come, so two more tables are hired. The "
        "fee rises by five pounds in the new year. A new cashier is sought. The meeting ended at ten.",
    ),
    Letter(
        "knee.txt",
        "The patient complains of pain in the left knee when climbing stairs, for about six weeks. No "
        "fall is remembered. On examination the joint is slightly swollen and fully mobile; the ligaments "
        "are firm. The X-ray shows the beginning of wear behind the kneecap. Exercises were shown and are "
        "to be done daily. Cooling helps after strain. Please come again in eight weeks, or at once if "
        "the knee locks.",
        "The patient fell from her bicycle this morning onto the right wrist. The hand is swollen and "
        "cannot be turned. The X-ray shows a break of the radius that is not displaced. A plaster was put "
        "on up to the elbow and stays for five weeks. Tablets for the pain were prescribed. Control of "
        "the plaster tomorrow.",
    ),
    Letter(
        "router.md",
        "To reset the router hold the small button at its back for ten seconds, until the lamps go out. "
        "Wait two minutes. Open the address 192.168.1.1 in a browser and sign in with the password on the "
        "sticker. Choose the provider, type in the customer number from the contract, and set a name and "
        "a password for the wireless network. Then save, and write both on the card in the drawer.",
        "The television is joined to the network by cable, because the wall keeps the radio out. If the "
        "picture stutters, pull the plug of the small switch behind the cupboard and put it in again. "
        "Recordings are on the disk below it and are deleted after thirty days unless they are locked "
        "with the red key.",
    ),
    Letter(
        "invoice-2211.txt",
        "Invoice 2211. For the painting of hall and staircase in the house at 12 Mill Lane, as agreed on "
        "site: two coats on 64 square metres of wall, woodwork of five doors sanded and varnished, floors "
        "covered and cleaned. Material 318 pounds, labour 29 hours, together 1,420 pounds. Payable within "
        "fourteen days without deduction. We thank you for the order. Turner and Sons, painters.",
        "Invoice 2304. For the repair of the garden wall at 12 Mill Lane after the storm: loose stones "
        "taken down, foundation of three metres renewed, wall built up and pointed. Material 205 pounds, "
        "labour 16 hours, together 866 pounds. Payable within thirty days. Turner and Sons, painters and "
        "builders.",
    ),
    Letter(
        "holiday.txt",
        "We came to the island by the noon ferry and found the cottage under the lighthouse as we had "
        "left it. The wind has taken some slates, and the well tastes of iron, but the stove draws. In "
        "the morning we walked to the seals on the north shore; there were forty of them with their "
        "young. Father has caught nothing yet and blames the moon. We come home on Sunday, if the sea "
        "lets us.",
        "The mountains are high in snow this year and the road over the pass is shut, so we came by "
        "train. The inn is full of skiers, who are loud until late. Mother has hurt her ankle on the "
        "first day and reads by the fire. I go out with the guide before it is light and have seen two "
        "eagles and a fox.",
    ),
)


def sentences(text: str) -> list[str]:
    """A text's sentences, roughly."""
    return re.split(r"(?<=[.!?]) ", text)


def _mistyped(text: str) -> str:
    """Two letters of every ninth word change places, as a scanner or a hurried hand does it."""
    words = text.split(" ")
    for at in range(4, len(words), 9):
        word = words[at]
        words[at] = word[:1] + word[2:3] + word[1:2] + word[3:] if len(word) > 3 else word
    return " ".join(words)


def _numbers_changed(text: str) -> str:
    return re.sub(r"\d", lambda digit: str((int(digit.group()) + 3) % 10), text)


def _half(text: str) -> str:
    kept = sentences(text)
    return " ".join(kept[: len(kept) // 2])


NEAR: Mapping[str, Callable[[Letter], str]] = {
    "case and line breaks": lambda letter: letter.text.upper().replace(". ", ".\n\n"),
    "mistyped words": lambda letter: _mistyped(letter.text),
    "other numbers": lambda letter: _numbers_changed(letter.text),
    "first sentence left out": lambda letter: " ".join(sentences(letter.text)[1:]),
    "last sentence left out": lambda letter: " ".join(sentences(letter.text)[:-1]),
    "a sentence added": lambda letter: f"{letter.text} Please call me if anything about this is not clear.",
    "two sentences swapped": lambda letter: " ".join(
        [sentences(letter.text)[0], *reversed(sentences(letter.text)[1:3]), *sentences(letter.text)[3:]]
    ),
}
"""Edits after which a person would say: I have this already."""

OWN: Mapping[str, Callable[[Letter], str]] = {
    "another letter of its kind": lambda letter: letter.other,
    "half of it, and half of another": lambda letter: f"{_half(letter.text)} {_half(letter.other)}",
}
"""Texts that say something of their own."""
