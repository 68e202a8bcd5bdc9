"""The shell that the tests of install.sh share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.install.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell with an empty folder of fakes."""
    return Shell(tmp_path)
