"""Which mount a path lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.ingest.mounts import Mounts, place_of


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/etc/passwd", "/"),
        ("/mnt/nas", "/mnt/nas"),
        ("/mnt/nas/inner/deep/x", "/mnt/nas/inner"),
        ("/mnt/nas/inner/../x", "/mnt/nas"),
        ("/mnt/nasty", "/"),
        ("/mnt/a b\\c/x", "/mnt/a b\\c"),
    ],
)
def test_the_mount_of_a_path_is_found_by_names_alone(mounts: Path, path: str, mount: str) -> None:
    """The innermost one, with the kernel's escapes undone; the path itself is not asked."""
    assert Mounts().of(path) == mount


def test_the_kernels_own_table_is_understood() -> None:
    """As it is here and now."""
    assert Mounts().of("/proc/self/status") == "/proc"
    assert "/proc" in Mounts()
    assert "/proc/self" not in Mounts()


def test_links_are_followed_where_an_answer_is_certain(mounts: Path, tmp_path: Path) -> None:
    """To the mount that they lead to, which is not asked; not in circles."""
    (tmp_path / "link").symlink_to("further/deep")
    (tmp_path / "further").symlink_to("/mnt/nas/inner")
    (tmp_path / "circle").symlink_to("circle")
    assert place_of(tmp_path / "link" / "a.md", Path("/srv")) == "/mnt/nas/inner"
    for here in (tmp_path / "a.md", tmp_path / "circle", tmp_path):
        assert place_of(here, Path("/srv")) == str(here)
    assert place_of("/mnt/nas/a.md", Path("/mnt/nas/inner")) == "/mnt/nas/a.md"
