"""Whatever ends the harness, its folders go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag.stress.keeper import Keeper, named
from tests.stress.truth import until

HARNESS = """
import sys, time
from pathlib import Path
from pi_rag.stress.keeper import Keeper
with Keeper() as keeper:
    keeper.keep(Path(sys.argv[1]))
    print("kept", flush=True)
    time.sleep(60)
"""


def test_a_killed_harness_leaves_no_folder(tmp_path: Path) -> None:
    """kill -9 gives it no chance to tidy up; Ctrl-C before it reached the keeper as well, and did nothing."""
    folder = tmp_path / "wörk with blanks"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_text("x")
    command = [sys.executable, "-c", HARNESS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"kept\n"
        assert folder.exists()
        os.kill(harness.pid, signal.SIGKILL)

    until(lambda: not folder.exists(), 20.0)


def test_a_folder_with_a_line_end_in_its_name_is_one_folder(tmp_path: Path) -> None:
    """What its lines would name by themselves is somebody else's."""
    folder = Path(f"{tmp_path}/one\n{tmp_path}/other")
    for each in (folder, tmp_path / "one", tmp_path / "other"):
        each.mkdir(parents=True)
    with Keeper() as keeper:
        keeper.keep(folder)

    assert not folder.exists()
    assert (tmp_path / "one").exists()
    assert (tmp_path / "other").exists()


@pytest.mark.parametrize("told", [b"/whole\0/ha", b"/whole\0", b"/whole\0\0", b"/whole\0below\0"])
def test_what_is_no_whole_name_is_no_folder(told: bytes) -> None:
    """Who is killed while it tells one may have meant another, and no name is the folder of the process."""
    assert named(told) == [Path("/whole")]
    assert named(b"") == []


def test_what_has_gone_already_is_no_error(tmp_path: Path) -> None:
    """A harness that ended by itself has tidied up; what it did not name stays."""
    (tmp_path / "other").mkdir()
    with Keeper() as keeper:
        keeper.keep(tmp_path / "gone")

    assert keeper._process is not None
    assert keeper._process.returncode == 0
    assert (tmp_path / "other").exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_a_fault_has_mounted_goes_as_well(tmp_path: Path) -> None:
    """A disk within a folder, under a name with blanks; the disk beside it stays."""
    folder, other = tmp_path / "wörk with blanks", tmp_path / "other"
    for each in (folder / "data", other):
        each.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(each)], check=True)
    try:
        with Keeper() as keeper:
            keeper.keep(folder)
        assert not folder.exists()
        assert os.path.ismount(other)
    finally:
        subprocess.run(["umount", "-l", str(other)], check=True)
