"""Which folders of tests run on the emulated processor. It needs no qemu."""

from __future__ import annotations

from tests.arm64.image import ROOT
from tests.arm64.suite import FOLDERS, LEFT_OUT


def test_every_folder_is_run_or_left_out_with_a_reason() -> None:
    """A new folder of tests is decided upon: no folder is forgotten, named twice, or gone."""
    folders = sorted({path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")})
    assert sorted([*FOLDERS, *LEFT_OUT]) == folders
