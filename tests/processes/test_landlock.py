"""What each version of Landlock is asked to take away. That it does is seen in test_confinement.py."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from pi_rag.processes import landlock


@pytest.mark.parametrize(
    ("version", "files", "net", "scoped"),
    [
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (9, 0xFFFF, 3, 3),
    ],
)
def test_a_kernel_is_asked_for_what_it_knows(version: int, files: int, net: int, scoped: int) -> None:
    """And for no bit more, which it would refuse; a newer one is asked for what we know."""
    assert landlock.handled(version) == (files, net, scoped)


class Kernel:
    """A strict stand-in for the three calls: it refuses what the real one of its version refuses."""

    def __init__(self, version: int) -> None:
        self.files = landlock.handled(version)[0]
        self.granted: list[int] = []
        self.restricted = False

    def __call__(self, number: int, *arguments: object) -> int:
        if number == landlock.SYS_CREATE_RULESET:
            attributes = arguments[0]._obj  # type: ignore[attr-defined]  # what a pointer leads to
            assert attributes.fs == self.files
            assert (arguments[1], arguments[2]) == (24, 0)
            return os.open("/dev/null", os.O_RDONLY)
        if number == landlock.SYS_ADD_RULE:
            assert (arguments[1], arguments[3]) == (landlock.RULE_PATH_BENEATH, 0)
            rule = arguments[2]._obj  # type: ignore[attr-defined]  # what a pointer leads to
            is_folder = Path(f"/proc/self/fd/{rule.parent_fd}").is_dir()
            assert not rule.rights & ~self.files
            assert is_folder or not rule.rights & ~landlock.OF_FILES
            self.granted.append(rule.rights)
            return 0
        assert (number, arguments[1]) == (landlock.SYS_RESTRICT_SELF, 0)
        self.restricted = True
        return 0


@pytest.mark.parametrize("version", [1, 3, 5, 7])
def test_every_version_gets_rules_that_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: int
) -> None:
    """Rights of folders for folders only, none that it does not know, and nothing for what is not there."""
    kernel = Kernel(version)
    monkeypatch.setattr(landlock, "_call", kernel)
    (tmp_path / "file").touch()
    rights = {str(tmp_path): landlock.WRITE, str(tmp_path / "file"): landlock.READ, "/none/there": 1}
    before = len(list(Path("/proc/self/fd").iterdir()))
    landlock.restrict(rights, version)
    assert kernel.granted == [landlock.WRITE & kernel.files, landlock.READ_FILE]
    assert kernel.restricted
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_what_the_kernel_reads_has_its_size() -> None:
    """As in linux/landlock.h; the second is packed."""
    assert ctypes.sizeof(landlock._Ruleset) == 24
    assert ctypes.sizeof(landlock._PathBeneath) == 12


def test_a_kernel_without_it_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too old (ENOSYS), switched off (EOPNOTSUPP), or forbidden by a sandbox around us (EPERM)."""

    def refuse(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(landlock, "_call", refuse)
    assert landlock.abi() == 0
