"""What systemd makes of the units, and who is let in."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.appliance.appliance import SERVICE, Appliance
from tests.appliance.figures import told
from tests.appliance.machine import wait_until

pytestmark = [pytest.mark.root, pytest.mark.model]

BOOT_S_MAX = 20.0


def test_from_power_on_to_ready(appliance: Appliance) -> None:
    """A machine that is switched on answers within twenty seconds."""
    took_s = appliance.moment_s("ActiveEnterTimestamp") - appliance.booted_s()

    told("boot to READY", took_s, BOOT_S_MAX)
    assert took_s <= BOOT_S_MAX


def test_status_says_how_it_is(appliance: Appliance) -> None:
    """`systemctl status` has the service's own words, beside systemd's."""
    shown = appliance.machine.tell(f"systemctl status {SERVICE}")

    assert 'Status: "ready' in shown
    assert "active (running)" in shown


def test_the_first_guest_starts_the_service(appliance: Appliance) -> None:
    """While the service is away its socket is there; a query that comes to it starts it and is answered."""
    appliance.machine.run(f"systemctl stop {SERVICE}")
    assert appliance.says("ActiveState") == "inactive"

    answer = appliance.client.search("is anybody there")

    assert answer["degraded"] == []
    appliance.wait_until_ready()


def test_who_cannot_start_waits_longer_and_is_never_given_up(appliance: Appliance) -> None:
    """With settings that cannot be, systemd says that it waits; mended, who asked is answered."""
    machine = appliance.machine
    machine.run("cp -a /etc/pi-rag/pi-rag.toml /root/kept.toml; echo '[nonsense]' >> /etc/pi-rag/pi-rag.toml")
    machine.run(f"systemctl restart --no-block {SERVICE}")
    wait_until(lambda: appliance.says("StatusText").startswith("waiting"), 60, "the service to wait")
    assert machine.run("systemctl is-active pi-rag.socket").stdout == "active\n"

    with ThreadPoolExecutor() as guests:
        asked = guests.submit(appliance.client.search, "is anybody there")
        machine.run("mv /root/kept.toml /etc/pi-rag/pi-rag.toml")
        appliance.wait_until_ready()

        assert asked.result()["degraded"] == []


def test_a_reload_with_a_mistake_fails_and_the_service_goes_on(appliance: Appliance) -> None:
    """Whoever typed it hears of it, and where the mistake is; mended, the same service reloads."""
    machine, run = appliance.machine, appliance.run
    settings = "/etc/pi-rag/pi-rag.toml"
    machine.run(f"cp -a {settings} /root/kept.toml; printf '[gpio]\\nled_pin = 17\\n' >> {settings}")
    try:
        assert machine.run(f"systemctl reload {SERVICE}", check=False).returncode
        assert "[gpio] stands at line" in machine.tell(f"journalctl -o cat -n 50 -u {SERVICE}")
        assert appliance.client.search("is anybody there")["degraded"] == []
    finally:
        machine.run(f"mv /root/kept.toml {settings}")

    machine.run(f"systemctl reload {SERVICE}")

    assert appliance.run == run


def test_the_upkeep_is_on_the_calendar(appliance: Appliance) -> None:
    """The timer is listed with its next time, and what it starts ends well."""
    assert "pi-rag-upkeep.timer" in appliance.machine.tell("systemctl list-timers --no-legend 'pi-rag*'")

    appliance.machine.run("systemctl start pi-rag-upkeep.service")

    assert appliance.says("Result", "pi-rag-upkeep.service") == "success"


def test_a_backup_is_on_the_calendar(appliance: Appliance) -> None:
    """The sandbox lets it through: what the timer starts ends well, and leaves a backup that is whole."""
    assert "pi-rag-backup.timer" in appliance.machine.tell("systemctl list-timers --no-legend 'pi-rag*'")

    appliance.machine.run("systemctl start pi-rag-backup.service")

    assert appliance.says("Result", "pi-rag-backup.service") == "success"
    listed = json.loads(appliance.machine.tell("pi-rag restore --list /var/lib/pi-rag/backups --json"))
    assert "all is whole" in appliance.machine.tell(f"pi-rag verify {listed['backups'][0]['path']}")


def test_the_lamp_without_pins_is_no_fault(appliance: Appliance) -> None:
    """On a machine without GPIO the lamp's unit is passed over, and the service does not notice."""
    run = appliance.run

    appliance.machine.run("systemctl start pi-rag-gpio.service")

    assert appliance.says("ConditionResult", "pi-rag-gpio.service") == "no"
    assert appliance.machine.run("systemctl is-failed pi-rag-gpio", check=False).stdout == "inactive\n"
    assert appliance.run == run


def test_the_lamp_without_its_group_is_given_up(appliance: Appliance) -> None:
    """On a plain Debian with pins there is no group for them: the unit fails once, and not for ever."""
    machine = appliance.machine
    machine.run("touch /dev/gpiochip0")
    try:
        assert machine.run("systemctl start pi-rag-gpio.service", check=False).returncode
        assert appliance.says("ExecMainStatus", "pi-rag-gpio.service") == "216"
        assert appliance.says("ActiveState", "pi-rag-gpio.service") == "failed", "it waits for no restart"
    finally:
        machine.run("rm /dev/gpiochip0; systemctl reset-failed pi-rag-gpio.service")


def test_who_is_let_in(appliance: Appliance) -> None:
    """The clients' group may search and add; only administrators may remove; nobody else may come in."""
    machine = appliance.machine
    for name, groups in (
        ("anna", "pi-rag-clients"),
        ("ada", "pi-rag-clients,pi-rag-admins"),
        ("otto", "users"),
    ):
        machine.run(f"useradd --create-home --groups {groups} {name}")

    machine.run("echo the spare key is under the blue pot | pi-rag add - --source key.txt", user="anna")
    assert "key.txt" in machine.tell("pi-rag search 'where is the spare key'", user="anna")

    refused = machine.run("pi-rag search key", user="otto", check=False)
    assert refused.returncode and "group" in refused.stderr
    refused = machine.run("pi-rag remove --source key.txt", user="anna", check=False)
    assert refused.returncode and "pi-rag-admins" in refused.stderr
    machine.run("pi-rag remove --source key.txt", user="ada")
    wait_until(lambda: not appliance.client.documents()["documents"], 30, "the document to be gone")


def test_there_is_no_memory_cgroup(appliance: Appliance) -> None:
    """The machine is as a Pi is by default, and the service still knows what it uses and what it may use."""
    if "memory" in appliance.machine.tell("cat /sys/fs/cgroup/cgroup.controllers"):
        pytest.skip("the kernel of this host counts a container's memory, which a Pi's does not by default")
    assert appliance.says("MemoryCurrent") == "[not set]"

    memory = appliance.client.status()["memory"]

    assert 0 < memory["pss_mib_total"] < memory["budget_mib"]
