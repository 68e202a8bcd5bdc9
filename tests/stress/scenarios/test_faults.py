"""Every fault by name, done to a real service."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pi_rag.stress import faults
from pi_rag.stress.scenarios import faults as scenario
from pi_rag.types import ModelCard

from .staging import broken, ran

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_every_fault_passes_and_takes_nothing_along(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """While it lasts, searches are answered or refused with a reason that fits it; soon after, all is normal;
    what was acknowledged is there. What cannot be done here says why, and is not called kept.
    """
    record = ran(scenario.SCENARIO, tmp_path, minilm, long_form=long_form)
    named = {check.name: check for check in record.checks}

    assert broken(record) == []
    assert {fault.name for fault in faults.ALL} <= named.keys()
    lacking = {fault.name for fault in faults.ALL if fault.lacking()}
    assert {name for name in faults.BY_NAME if named[name].is_kept is None} == lacking
    assert os.geteuid() != 0 or not lacking
