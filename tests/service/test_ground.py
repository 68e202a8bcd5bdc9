"""Promises of pi_rag/service/ground.py; what a start as a whole promises is in test_run.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag.types import ModelCard

GROUND = """
import asyncio, json, os, sys
from pi_rag.clock import SystemClock
from pi_rag.config import load
from pi_rag.host import memory
from pi_rag.service.ground import Signals, laid

async def lay():
    signals = Signals(asyncio.get_running_loop())
    async with laid(load(), signals, SystemClock()) as ground:
        begun = memory.children(os.getpid())
        print(json.dumps([ground.store is not None, len(begun), "fastapi" in sys.modules]))
    print(json.dumps(memory.children(os.getpid())))

asyncio.run(lay())
"""


@pytest.mark.model
def test_the_model_loads_while_all_else_is_still_to_be_imported(tmp_path: Path, minilm: ModelCard) -> None:
    """Its process is there with the ground, before the half of a start that is imports; and goes with it."""
    environ = os.environ | {"PI_RAG_DATA": str(tmp_path), "PI_RAG_MODEL": minilm.path}
    ended = subprocess.run(
        [sys.executable, "-c", GROUND], env=environ, timeout=60, check=True, capture_output=True, text=True
    )
    there, left = (json.loads(line) for line in ended.stdout.splitlines())
    assert there == [True, 1, False]
    assert left == []
