"""Promises of pi_rag/text/turns.py."""

from __future__ import annotations

import pytest

from pi_rag.text.turns import turns


def said(text: str) -> list[str]:
    """What each turn is."""
    return [text[each.start : each.end] for each in turns(text)]


CHATS = {
    "WhatsApp on a telephone": [
        "[02/01/2024, 10:11:12] Ann: hello\nand a second line\n",
        "\u200e[02/01/2024, 10:12:12] Bob B.: hi\n",
        "[03/01/2024, 1:12:12\u202fPM] Ann: and bye",
    ],
    "WhatsApp elsewhere": [
        "02/01/2024, 10:11 - Ann: hello\n",
        "02/01/24, 10:12 - Bob: hi\n",
        "02/01/24, 10:12 - Messages are encrypted\n",
    ],
    "IRC": ["10:11 <ann> hello to all\n", "10:12 <@bob> hi\n", "10:12 * ann waves a hand\n"],
    "Telegram": [
        "Ann, [02.01.2024 10:11]:\nhello there\n\n",
        "Bob, [02.01.2024 10:12]:\nhi\n\n",
        "Ann, [02.01.2024 10:13]:\nok",
    ],
    "names": ["Ann: good morning\n", "Bob B.: is it\n\nreally?\n", "Ann: quite so\n", "Bob B.: well then\n"],
    "names in bold": [
        "**User:** good day\n",
        "**Assistant:** and you\n",
        "**User:** so\n",
        "**Assistant:** ok",
    ],
    "syslog": [f"Nov 21 18:46:1{n} pi kernel: [1.2] a thing\n" for n in range(4)],
    "a program": [
        "2024-01-02T10:11:12.123Z INFO started\n",
        "2024-01-02 10:11:13,5 ERROR failed\nTraceback:\n  File x\n",
        "2024-01-02 10:11:14 x went on",
    ],
}


@pytest.mark.parametrize("turns_of_it", CHATS.values(), ids=CHATS.keys())
def test_each_turn_is_one(turns_of_it: list[str]) -> None:
    """Lines without a beginning of their own belong to the turn above."""
    wanted = turns_of_it
    if any(len(each) < 16 for each in wanted[:-1]):  # short ones go together with the next
        assert "".join(said("".join(wanted))) == "".join(wanted)
    else:
        assert said("".join(wanted)) == wanted


def test_a_day_on_its_own_line_is_the_context_of_what_follows() -> None:
    """Each turn is told the day; a part of a turn also who speaks."""
    text = "Time: 20260506_12:00\nAnn: a question of mine\nBob: an answer to it\nAnn: I see that\nBob: ok\n"
    found = turns(text)
    assert [each.context for each in found] == [(), *[("Time: 20260506_12:00",)] * 4]
    assert found[2].inner == ("Time: 20260506_12:00", "Bob:")


def test_a_part_of_a_turn_is_told_whose_it_is() -> None:
    """With the time, where that stands beside the name."""
    text = "".join(CHATS["WhatsApp on a telephone"])
    assert turns(text)[0].inner == ("[02/01/2024, 10:11:12] Ann:",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "One line.\n",
        "Note: this is prose.\nIt goes on.\nExample: another.\nAnd on.\nWarning: the last.\n",
        "Background: a\nMethods: b\nResults: c\nConclusion: d\nFunding: e\nAuthors: f\n",
        "We met at 12:30 and left.\nThen it rained.\nAt 14:00 it was over.\nNobody cared.\n",
        "1. First\n2. Second\n3. Third\n",
    ],
)
def test_prose_is_no_chat(text: str) -> None:
    """Headings of a paper, notes in a manual, a time in a sentence."""
    assert turns(text) == []
