"""The firmware's number about heat and power, from /sys and from vcgencmd."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.host import firmware
from pi_rag.host.firmware import Throttling, parsed, throttling
from tests.host import boards

NOTHING = Throttling(False, False, False, False, False, False, False, False)


def test_each_bit_has_its_meaning() -> None:
    """0x50005 is what a weak supply gives: too little power and slowed, now and before."""
    weak = parsed("throttled=0x50005\n")
    assert weak == Throttling(True, False, True, False, True, False, True, False)
    assert parsed("throttled=0x80000") == replace(NOTHING, soft_limit_since_boot=True)
    assert parsed("throttled=0x0") == NOTHING


@given(st.text())
def test_what_is_no_answer_tells_nothing(answer: str) -> None:
    """Whatever else the program says, such as that it may not open its device."""
    assert parsed(answer.replace("throttled=0x", "")) is None


def test_the_kernel_tells_on_some_boards(tmp_path: Path) -> None:
    """A Pi 4's does, and nothing else is asked then."""
    told = firmware.asked(boards.pi_4(tmp_path / "4"))
    assert told is not None and told.undervoltage and told.throttled_since_boot
    assert throttling(boards.pi_5(tmp_path / "5")) is None


def test_vcgencmd_is_asked_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its device is; elsewhere not even looked for."""
    program = tmp_path / "bin/vcgencmd"
    boards.write(tmp_path, {"bin/vcgencmd": "#!/bin/sh\necho throttled=0xe0008\n"})
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    root = boards.pi_5(tmp_path / "5")
    assert firmware.asked(root) is None
    boards.write(root, {"dev/vcio": ""})
    told = firmware.asked(root)
    assert told is not None and told.soft_limit and told.throttled_since_boot and not told.undervoltage
