"""Machines that are on at the same time, as they are when tests run side by side."""

from __future__ import annotations

import pytest

from tests.appliance.conftest import MakeMachine

pytestmark = pytest.mark.root


def test_two_machines_share_no_group_of_processes(bare: MakeMachine) -> None:
    """A unit of one does not keep the processes of its namesake in the other, or their groups, alive."""
    machines = [bare({}), bare({})]
    for machine in machines:
        machine.switch_on()

    machines[0].run("systemd-run --unit=lodger sleep 100")

    group = "/sys/fs/cgroup/system.slice/lodger.service"
    assert [machine.run(f"test -d {group}", check=False).returncode for machine in machines] == [0, 1]
    for machine in machines:
        machine.pull_the_plug()
