"""install.sh on a real machine: it comes, it is brought up to date, and it goes."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.appliance import image
from tests.appliance.appliance import CHECKOUT, Appliance
from tests.appliance.conftest import Installed, MakeMachine
from tests.appliance.machine import wait_until

pytestmark = [pytest.mark.root, pytest.mark.model]


def test_a_bare_debian_is_enough(installed: Installed, appliance: Appliance) -> None:
    """With no network and no compiler it installs, says what to type next, and works after a boot."""
    assert "pi-rag add ~/Documents" in installed.said
    assert appliance.client.status()["state"] == "ready"


@pytest.mark.slow
def test_an_upgrade_keeps_what_is_somebodys(appliance: Appliance, long_form: bool) -> None:
    """Documents, settings and changes of units stay; the program and its units are replaced; it is ready."""
    if not long_form:
        pytest.skip("it installs once more: --long; tests/install/test_install.py has what an upgrade does")
    machine = appliance.machine
    machine.run("echo the spare key is under the blue pot | pi-rag add - --source key.txt")
    machine.run("sed -i 's/^# workers = .*/workers = 2/' /etc/pi-rag/pi-rag.toml")
    appliance.restart("Environment=SOMEBODYS=own")
    machine.run(f"sed -i 's/^Description=.*/Description=a newer pi_rag/' {CHECKOUT}/systemd/pi-rag.service")
    before = appliance.run

    machine.run(f"{CHECKOUT}/install.sh")
    appliance.wait_until_ready(but=before)

    assert appliance.says("Description") == "a newer pi_rag"
    assert "SOMEBODYS=own" in appliance.says("Environment")
    assert len(appliance.worker_pids()) == 3, "two for all, and one that only answers queries"
    assert appliance.client.search("where is the spare key")["hits"][0]["source"] == "key.txt"


@pytest.mark.slow
def test_documents_outlive_an_uninstall_and_nothing_a_purge(
    installed: Installed, appliance: Appliance, long_form: bool
) -> None:
    """An uninstall keeps documents and settings for the next installation; a purge leaves nothing at all."""
    machine = appliance.machine
    machine.run("echo the spare key is under the blue pot | pi-rag add - --source key.txt")

    machine.run(f"{CHECKOUT}/install.sh uninstall")
    assert machine.run("command -v pi-rag", check=False).returncode
    machine.run("test -s /var/lib/pi-rag/pi-rag.db && test -s /etc/pi-rag/pi-rag.toml")
    if long_form:
        machine.run(f"{CHECKOUT}/install.sh")
        appliance.wait_until_ready()
        assert appliance.client.search("where is the spare key")["hits"][0]["source"] == "key.txt"

    machine.run(f"{CHECKOUT}/install.sh uninstall --purge")

    assert installed.before.differences(machine) == []
    # systemd forgets a unit whose file is gone in its own time.
    units = "systemctl list-units --all 'pi-rag*' --no-legend"
    wait_until(lambda: machine.run(units).stdout == "", 30, "systemd to forget every unit")
    assert machine.run("systemctl --failed --no-legend").stdout == ""


@pytest.mark.slow
def test_a_bundle_is_all_it_takes(bare: MakeMachine, long_form: bool) -> None:
    """What a stick brings installs it where nothing else is within reach; the doctor finds nothing wrong."""
    if not long_form:
        pytest.skip("a bundle is made first, which takes most of a minute: --long")
    subprocess.run([image.ROOT / "packaging" / "bundle", platform.machine()], check=True, stdout=sys.stderr)
    machine = bare({image.ROOT / "dist": "/srv/stick"})
    made = image.ROOT.glob(f"dist/pi-rag-*-{platform.machine()}.tar")
    newest = max(made, key=lambda path: path.stat().st_mtime)

    machine.switch_on()
    machine.run(f"tar xf /srv/stick/{newest.name} --one-top-level=bundle --strip=1")
    machine.run("bundle/install.sh --offline")

    assert Appliance(machine).client.search("is anybody there")["degraded"] == []
    machine.run("pi-rag doctor")


def told() -> Iterator[str]:
    """What docs/data.md has root type to move the data, with a hand in place of each editor."""
    page = (image.ROOT / "docs" / "data.md").read_text().partition("## On another disk")[2]
    _, first, _, lines, _, last, *_ = page.split("```")
    folder = "/etc/systemd/system/pi-rag.service.d"
    for command in [*first.splitlines()[1:], *last.splitlines()[1:]]:
        if "sudoedit" in command:
            yield "sed -i 's|^data = .*|data = \"/mnt/ssd/pi-rag\"|' /etc/pi-rag/pi-rag.toml"
        elif "systemctl edit" in command:
            yield f"mkdir -p {folder} && printf '%s' '{lines}' >{folder}/override.conf"
            yield "systemctl daemon-reload"
        else:
            yield command.removeprefix("sudo ")


def test_the_data_is_moved_as_the_page_tells(appliance: Appliance) -> None:
    """On another disk it goes on as before; without the disk it makes no empty memory in its place."""
    machine = appliance.machine
    machine.run("echo the spare key is under the blue pot | pi-rag add - --source key.txt")
    machine.run("mkdir /mnt/ssd && mount -t tmpfs none /mnt/ssd")
    for command in told():
        machine.run(command)
        if "start pi-rag" in command:
            appliance.wait_until_ready()

    assert appliance.client.search("where is the spare key")["hits"][0]["source"] == "key.txt"
    machine.run("systemctl stop pi-rag.socket && umount /mnt/ssd")
    machine.run("systemctl start pi-rag", check=False)
    assert not appliance.is_ready
    machine.run("test ! -e /mnt/ssd/pi-rag && test ! -e /var/lib/pi-rag/pi-rag.db")
    machine.run("systemctl stop pi-rag.socket pi-rag && rmdir /mnt/ssd")
