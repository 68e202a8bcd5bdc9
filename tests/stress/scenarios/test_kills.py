"""kill -9 of one random process after another: a hundred here, a thousand with `--long`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.stress.scenarios import kills
from pi_rag.types import ModelCard

from .staging import broken, ran

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_nothing_acknowledged_is_lost_and_nothing_is_there_by_half(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """Supervisor, nursery, workers and reader are killed at random moments of adding, replacing, removing,
    remembering and forgetting. After each start there is nothing that could not be; whenever all is quiet,
    all is there that must be, passage by passage. How long a start takes is shown, and not asserted.
    """
    record = ran(kills.SCENARIO, tmp_path, minilm, long_form=long_form)
    named = {check.name: check for check in record.checks}

    assert [check for check in broken(record) if not check.name.startswith("READY")] == []
    assert record.figures["kills"] == (kills.KILLS if long_form else kills.KILLS_QUICK)
    assert record.figures["databases_verified"] > 0
    for promise in ("enough happened to tell", "0 acknowledged writes lost", "0 documents by half"):
        assert named[promise].is_kept is True


@pytest.mark.parametrize(("percent", "found"), [(50, 3), (99, 5), (1, 1), (100, 5)])
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    """By nearest rank, so that the worst of a few is not averaged away."""
    assert kills.percentile([5, 1, 4, 2, 3], percent) == found
