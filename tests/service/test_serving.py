"""Promises of pi_rag/service/serving.py that need no service; the rest is in test_run.py."""

from __future__ import annotations

import subprocess
import sys


def test_what_was_loaded_is_not_collected_over_and_over() -> None:
    """A full collection in the middle of searches looks at what came since the start, and ends at once.

    And no thread that computes keeps the others waiting for milliseconds.
    """
    program = (
        "import asyncio, gc, sys; from unittest.mock import AsyncMock, MagicMock\n"
        "from pi_rag.clock import SystemClock; from pi_rag.config import Settings\n"
        "from pi_rag.service import serving\n"
        "serving.selftest = MagicMock(prove_words=AsyncMock(), prove_meaning=AsyncMock())\n"
        "house = MagicMock(proven=False); house.meaning.start = AsyncMock(); before = len(gc.get_objects())\n"
        "house.settings = Settings(); house.clock = SystemClock()\n"
        "telling = MagicMock(first=AsyncMock(return_value='ready'), look=AsyncMock(side_effect=KeyError))\n"
        "try: asyncio.run(serving._prove_and_tell(house, telling))\n"
        "except KeyError: pass\n"
        "assert house.proven and len(gc.get_objects()) < before / 10 and gc.get_freeze_count() > 10_000\n"
        "assert sys.getswitchinterval() < 0.001"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_stop_is_bounded_whatever_hangs() -> None:
    """A thread that waits for a dead disk for ever does not keep the process from ending."""
    code = (
        "import threading; from pi_rag.service.serving import _bound_the_stop;"
        "threading.Thread(target=threading.Event().wait).start();"
        "_bound_the_stop(0.2)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True
    )

    assert ended.returncode == 0
    assert "stop_cut_short" in ended.stderr
