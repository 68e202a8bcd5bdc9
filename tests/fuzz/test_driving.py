"""Whether the fuzzer can find anything at all, and finds the same again from its seed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from pi_rag.host import memory
from pi_rag.stress.running import RunningService
from tests.fuzz import asking, driving, wires
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


def test_who_waits_for_an_answer_gives_up_before_the_alarm() -> None:
    """So a finding says what was waited for; and a request that takes as long as it may is none."""
    assert asking.REQUEST_S_MAX < asking.ANSWER_S_MAX < driving.INPUT_S_MAX
    assert wires.SILENCE_S_MAX < wires.CLOSED_S_MAX < driving.INPUT_S_MAX


def test_memory_that_is_hidden_is_not_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not tell it, a run ends instead of finding nothing."""
    assert driving.own_mib() > 0
    monkeypatch.setattr(memory, "private_mib", lambda pid: None)
    with pytest.raises(AssertionError, match="does not tell"):
        fuzz(CANARY, 1, 1)
    with pytest.raises(AssertionError, match="does not tell"):
        asking.private_mib(create_autospec(RunningService, instance=True, pid=1))


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
