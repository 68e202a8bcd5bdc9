"""Whether the fuzzer can find anything at all, and finds the same again from its seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.fuzz.driving import FINDINGS_MAX, Target, TooSlow, bounded, corpus_of, fuzz, kept
from tests.fuzz.mutating import BYTES_MAX, Mutator
from tests.fuzz.run import shares

RIGHT = b'{"a": [1, 2, {"b": "tea"}]}'


def _reads_json(data: bytes) -> str:
    """A reader with the mistake that most of those that were found had: it forgets what nests too deep."""
    try:
        json.loads(data)
    except ValueError:
        return "refused"
    return "taken"


CANARY = Target("canary", "", lambda dice: Mutator(dice).spoilt(RIGHT), _reads_json)


def test_a_mistake_is_found_and_found_again(tmp_path: Path) -> None:
    """What is kept is the input itself; the same seed leads to the same."""
    first, second = fuzz(CANARY, 5000, 1), fuzz(CANARY, 5000, 1)
    assert first.findings and [each.data for each in first.findings] == [
        each.data for each in second.findings
    ]
    assert "RecursionError" in first.findings[0].why
    for finding in first.findings:
        kept(finding, tmp_path)
    assert set(corpus_of("canary", tmp_path)) == {each.data for each in first.findings}


def test_a_panic_of_a_library_is_found_too() -> None:
    """Rust's are no Exception; and a target that always fails is given up."""

    class Panic(BaseException):
        pass

    def panics(data: bytes) -> str:
        raise Panic

    outcome = fuzz(Target("panic", "", lambda dice: dice.randbytes(3), panics), 1000, 1)
    assert outcome.count == len(outcome.findings) == FINDINGS_MAX


def test_an_endless_input_ends() -> None:
    """It is a finding, and the run goes on."""
    with pytest.raises(TooSlow), bounded(0.05):
        while True:
            pass


@pytest.mark.parametrize("seed", range(5))
def test_what_is_made_wrong_is_bounded_and_the_same_for_a_seed(seed: int) -> None:
    """Bytes and JSON: different from what was right, and never endless."""
    dice, again = random.Random(seed), random.Random(seed)
    made = [Mutator(dice).text(json.loads(RIGHT)) for _ in range(300)]
    assert made == [Mutator(again).text(json.loads(RIGHT)) for _ in range(300)]
    assert len(set(made)) > 100 and max(map(len, made)) <= BYTES_MAX


def test_every_input_is_given_to_somebody() -> None:
    """The count that is asked for is the count that is tried."""
    targets = [Target(name, "", CANARY.source, _reads_json, weight) for name, weight in (("a", 3), ("b", 7))]
    assert sum(shares(targets, 1001).values()) == 1001
