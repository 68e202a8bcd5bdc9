"""What a kernel offers."""

from __future__ import annotations

from pathlib import Path

from pi_rag.host import kernel
from tests.host import boards


def test_raspberry_pi_os_as_it_comes_has_no_memory_cgroup(tmp_path: Path) -> None:
    """Its kernel can, and is started without."""
    root = boards.pi_5(tmp_path)
    assert not kernel.has_memory_cgroup(root)
    assert (kernel.inotify_watches_max(root), kernel.inotify_instances_max(root)) == (65536, 128)


def test_where_it_is_on_it_is_seen(tmp_path: Path) -> None:
    """On a Pi that was told to, and on a machine with the older kind of cgroups."""
    root = boards.pi_4(tmp_path / "4")
    assert kernel.has_memory_cgroup(root)
    older = boards.write(tmp_path / "older", {"sys/fs/cgroup/memory/memory.limit_in_bytes": "1\n"})
    assert kernel.has_memory_cgroup(older)


def test_pages_are_a_power_of_two() -> None:
    """Asked of this kernel."""
    assert kernel.page_kib() in {4, 8, 16, 64}
