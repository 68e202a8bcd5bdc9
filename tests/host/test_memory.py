"""How RAM is measured."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.budget import Group
from pi_rag.host import memory
from pi_rag.host.memory import Size, Told, available_mib, pss_mib
from pi_rag.models.wholefile import sync
from tests.host import machines


def test_the_share_of_a_living_process_is_between_nothing_and_its_resident_size() -> None:
    """The proportional size never counts more than is resident."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident_mib = (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
    )

    share_mib = pss_mib(os.getpid())

    assert share_mib is not None
    assert 1 < share_mib < resident_mib * 1.1


def test_what_a_file_has_is_not_private(tmp_path: Path) -> None:
    """A file that is only read may be dropped from memory at any time, and is no sign of a leak; what was
    made by the process is."""
    file = tmp_path / "file"
    file.write_bytes(b"1" * (32 << 20))
    sync(file)
    code = (
        "import mmap, os, sys; from pi_rag.host.memory import private_mib\n"
        "before = private_mib(os.getpid())\n"
        "mapped = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 0, prot=mmap.PROT_READ)\n"
        "assert mapped[::4096].count(b'1') == 8192\n"
        "read = private_mib(os.getpid())\n"
        "made = bytes([1]) * (32 << 20)\n"
        "print(read - before, private_mib(os.getpid()) - read)\n"
    )
    run = [sys.executable, "-c", code, str(file)]
    said = subprocess.run(run, check=True, timeout=60, capture_output=True, text=True).stdout
    of_the_file, made = map(float, said.split())

    assert of_the_file < 8
    assert made > 24


ARENAS = """
import os, sys, tempfile, threading, ctypes
from pi_rag.host import memory

if sys.argv[1] != "0":
    memory.share_arenas(int(sys.argv[1]))
all_there = threading.Barrier(8)

def busy():
    kept = [bytes(700) for _ in range(1000)]
    all_there.wait(30)
    return kept

threads = [threading.Thread(target=busy) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def test_threads_share_as_many_heaps_as_they_are_given(tmp_path: Path) -> None:
    """Counted by the C library; without being told, each of them has one of its own."""
    heaps = {}
    for asked in (0, 2):
        told = tmp_path / f"{asked}.xml"
        subprocess.run([sys.executable, "-c", ARENAS, str(asked), str(told)], check=True, timeout=60)
        heaps[asked] = told.read_text(encoding="utf-8").count("<heap nr=")

    assert heaps[2] == 2 < heaps[0]


def test_a_process_that_is_gone_has_no_share() -> None:
    """A worker may die between being listed and being measured."""
    assert pss_mib(2**22 + 1) is None


def test_the_machine_has_some_memory_left_and_not_more_than_it_has() -> None:
    """What is available lies between nothing and the whole."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    total_mib = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) / 1024

    left_mib = available_mib()

    assert left_mib is not None
    assert 0 < left_mib < total_mib


def test_what_a_process_holds_of_its_own_is_less_than_its_share_and_resident_size() -> None:
    """Private pages are counted in the share, and that in the resident size, or nearly so."""
    pid = os.getpid()
    found, resident = memory.size(pid), memory.resident_mib(pid)
    assert found is not None and resident is not None
    assert 0 < found.private_mib <= found.pss_mib <= resident * 1.1
    assert memory.resident_mib(2**22 + 1) is None
    assert memory.children(2**22 + 1) == []


def test_a_machine_that_tells_is_understood(tmp_path: Path) -> None:
    """The cgroup's own numbers in MiB, its lower limit, and the share of time that was lost."""
    root = machines.present(tmp_path)
    assert memory.group(root) == Group(current_mib=300, anon_mib=200, max_mib=800, kills=1)
    assert memory.pressure_percent(root) == 1.25
    assert memory.told(root) == {"cgroup": "present", "pressure": "present"}
    assert memory.total_mib(root) == 3906.2


def test_a_process_is_measured_to_the_page(tmp_path: Path) -> None:
    """Clean pages of files are not its own; where the kernel says something odd it is not known."""
    root = machines.measured(tmp_path)
    assert memory.size(machines.PID, root) == Size(pss_mib=5.0, private_mib=3.0)
    for odd in ("", "Pss:\n", "Pss: much kB\n", "Pss 71 kB\n", "rollup\nPss: 1_0 kB\n"):
        (root / f"proc/{machines.PID}/smaps_rollup").write_text(odd)
        assert memory.size(machines.PID, root) is None


@pytest.mark.parametrize("kind", ["absent", "unreadable"])
def test_a_machine_that_does_not_tell_is_no_error(kind: Told, tmp_path: Path) -> None:
    """As Raspberry Pi OS boots, and where files are there and cannot be read."""
    root = machines.TELLING[kind](tmp_path)
    assert memory.group(root) is None
    assert memory.pressure_percent(root) is None
    assert memory.told(root) == {"cgroup": kind, "pressure": kind}
    assert memory.available_mib(root / "nowhere") is None


@given(st.sampled_from([*machines.GROUP]), st.binary(max_size=60))
def test_whatever_stands_in_those_files_is_no_error(name: str, content: bytes) -> None:
    """Empty, text, or bytes that are neither: not known, and the service goes on."""
    with tempfile.TemporaryDirectory() as folder:
        root = machines.present(Path(folder))
        for path in (root / machines.FOLDER / name, root / "proc/pressure/memory", root / "proc/meminfo"):
            path.write_bytes(content)
        group = memory.group(root)
        assert group is None or group.anon_mib >= 0
        assert isinstance(memory.pressure_percent(root), float | None)
        assert isinstance(memory.available_mib(root), float | None)
