"""A watched folder in which much happens, and what the index has of it in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.stress.scenarios import churn
from pi_rag.types import ModelCard

from .staging import broken, ran

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_the_index_has_what_is_on_the_disk(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """And nothing else, each file found by its own word; searches are answered all the while."""
    record = ran(churn.SCENARIO, tmp_path, minilm, long_form=long_form)

    assert [check for check in broken(record) if check.name != "right again soon"] == []
    assert record.figures["changes"] == (churn.CHANGES if long_form else churn.CHANGES_QUICK)
