"""What tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.ingest import mounts as mounting

MOUNTINFO = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:35 / /mnt/nas rw,relatime shared:9 - nfs4 nas:/export rw,vers=4.2
41 40 0:36 / /mnt/nas/inner rw - nfs4 nas:/inner rw
42 22 0:37 / /mnt/a\040b\134c rw - fuse.sshfs user@host: rw
"""


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's table of mounts, with what the test writes there."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTINFO)
    monkeypatch.setattr(mounting, "TABLE", table)
    return table
