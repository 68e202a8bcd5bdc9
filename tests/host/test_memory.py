"""How RAM is measured."""

import os
from pathlib import Path

from pi_rag.host.memory import available_mib, pss_mib


def test_the_share_of_a_living_process_is_between_nothing_and_its_resident_size() -> None:
    """The proportional size never counts more than is resident."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident_mib = (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
    )

    share_mib = pss_mib(os.getpid())

    assert share_mib is not None
    assert 1 < share_mib < resident_mib * 1.1


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
