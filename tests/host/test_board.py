"""Promises of pi_rag/host/board.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pi_rag.host.board import Revision, board, decoded, revision
from tests.host import boards

PI = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes asimddp
CPU part\t: 0xd0b

Revision\t: c04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""

PC = """\
processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f
"""


def made(root: Path, cpuinfo: str, memory_kib: int) -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    (root / "proc/meminfo").write_text(f"MemTotal:       {memory_kib} kB\nMemFree:  1 kB\n")
    return root


def test_a_pi_is_known_by_its_own_name(tmp_path: Path) -> None:
    """Its memory is rounded: kernels keep a little more or less of it for themselves."""
    found = board(made(tmp_path, PI, 8_245_000))
    assert (found.name, found.memory_gib) == ("Raspberry Pi 5 Model B Rev 1.0", 8)


def test_a_pi_whose_kernel_is_silent_is_known_by_its_device_tree(tmp_path: Path) -> None:
    """Newer kernels leave the model out of /proc/cpuinfo."""
    root = made(tmp_path, PI.split("\nRevision", maxsplit=1)[0], 8_245_000)
    (root / "proc/device-tree/model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert board(root).name == "Raspberry Pi 5 Model B Rev 1.0"


def test_a_pc_is_known_by_its_processor(tmp_path: Path) -> None:
    """And one whose processor can do something else is another board, though it has the same name."""
    found = board(made(tmp_path / "a", PC, 16_000_000))
    moved = board(made(tmp_path / "b", PC.replace("avx512f", ""), 16_000_000))
    assert found.name == moved.name == "AMD EPYC"
    assert found != moved and replace(moved, features=found.features) == found


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    """What cannot be read is empty, and the cores are counted all the same."""
    found = board(tmp_path)
    assert (found.name, found.features, found.memory_gib) == ("", "", 0)
    assert found.cores >= 1


def test_this_machine_is_the_same_board_each_time() -> None:
    """Nothing in it changes from one start to the next."""
    assert board() == board()


def test_the_code_of_a_pi_tells_its_memory(tmp_path: Path) -> None:
    """From /proc, or from the device tree where the kernel leaves it out; other machines have none."""
    assert revision(boards.pi_5(tmp_path / "5")) == Revision("d04171", 8192)
    assert revision(boards.pi_4(tmp_path / "4")) == Revision("c03112", 4096)
    assert revision(boards.pi_zero_2(tmp_path / "0")) == Revision("902120", 512)
    assert revision(boards.pc(tmp_path / "pc")) is None


def test_a_code_of_the_first_pis_tells_nothing() -> None:
    """They counted from 2 on; of a board that came after this file the memory is known all the same."""
    assert decoded(0x000E) is None
    assert decoded(None) is None
    assert decoded(0xE05200) == Revision("e05200", 16384)
