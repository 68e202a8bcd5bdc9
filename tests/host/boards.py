"""Trees as /proc, /sys and /etc of real boards look, made in a folder, and broken ones.

`write` puts files there; each function below it is one machine and gives the folder back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MEMINFO = "MemTotal:       {kib} kB\nMemFree:          100000 kB\nMemAvailable:    200000 kB\n"

MOUNT = "{number} 1 {device} / {point} {options} shared:1 - {filesystem} {source} rw\n"

PI_CPUINFO = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU part\t: {part}

Revision\t: {revision}
Serial\t\t: 10000000deadbeef
Model\t\t: {name}
"""

PC_CPUINFO = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f\n"


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Put these files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def link(root: Path, name: str, target: str) -> None:
    """A link below a folder to another place below it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / target).mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(root / target, path.parent))


def disk(root: Path, name: str, partition: str, device: str, place: str) -> None:
    """A disk with one partition, as /sys names both: by number, by name and by where they are plugged in."""
    link(root, f"sys/dev/block/{device}", f"sys/devices/{place}/block/{name}/{partition}")
    link(root, f"sys/class/block/{partition}", f"sys/devices/{place}/block/{name}/{partition}")
    link(root, f"sys/class/block/{name}", f"sys/devices/{place}/block/{name}")
    link(root, f"sys/block/{name}", f"sys/devices/{place}/block/{name}")


def mounted(device: str, source: str, filesystem: str = "ext4", options: str = "rw,noatime") -> str:
    """A mountinfo with the root filesystem and a few that every machine has."""
    lines = [
        MOUNT.format(
            number=20, device=device, point="/", options=options, filesystem=filesystem, source=source
        ),
        MOUNT.format(
            number=21, device="0:5", point="/dev", options="rw", filesystem="devtmpfs", source="udev"
        ),
        MOUNT.format(
            number=22, device="0:24", point="/run", options="rw", filesystem="tmpfs", source="tmpfs"
        ),
    ]
    return "".join(lines)


def pi_5(root: Path) -> Path:
    """8 GB, on NVMe, Raspberry Pi OS as it comes: no memory cgroup, no PSI, a volatile journal, zram."""
    disk(root, "nvme0n1", "nvme0n1p2", "259:2", "platform/axi/1000110000.pcie/nvme/nvme0")
    return write(
        root,
        {
            "proc/cpuinfo": PI_CPUINFO.format(
                part="0xd0b", revision="d04171", name="Raspberry Pi 5 Model B Rev 1.1"
            ),
            "proc/meminfo": MEMINFO.format(kib=8_256_000),
            "proc/device-tree/model": b"Raspberry Pi 5 Model B Rev 1.1\0",
            "proc/self/mountinfo": mounted("259:2", "/dev/nvme0n1p2"),
            "proc/swaps": "Filename Type Size Used Priority\n/dev/zram0 partition 2097136 0 100\n",
            "proc/sys/fs/inotify/max_user_watches": "65536\n",
            "proc/sys/fs/inotify/max_user_instances": "128\n",
            "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "61350\n",
            "sys/class/hwmon/hwmon2/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon2/in0_lcrit_alarm": "0\n",
            "sys/block/nvme0n1/device/state": "live\n",
            "sys/fs/ext4/nvme0n1p2/errors_count": "0\n",
            "sys/class/watchdog/watchdog0/state": "active\n",
            "sys/class/rtc/rtc0/name": "rpi-rtc soc:rpi_rtc\n",
            "sys/class/rtc/rtc0/battery_voltage": "3012000\n",
            "run/systemd/timesync/synchronized": "",
            "run/log/journal/0123/system.journal": "",
            "etc/systemd/journald.conf": "[Journal]\n#Storage=auto\n",
            "usr/lib/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "[Journal]\nStorage=volatile\n",
        },
    )


def pi_4(root: Path) -> Path:
    """4 GB, on a USB drive, with the cgroup, PSI and a journal on the disk, and a swap file."""
    disk(root, "sda", "sda2", "8:2", "platform/scb/fd500000.pcie/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0")
    return write(
        root,
        {
            "proc/cpuinfo": PI_CPUINFO.format(
                part="0xd08", revision="c03112", name="Raspberry Pi 4 Model B Rev 1.2"
            ).replace(" asimddp", ""),
            "proc/meminfo": MEMINFO.format(kib=3_884_000),
            "proc/self/mountinfo": mounted("8:2", "/dev/sda2"),
            "proc/swaps": "Filename Type Size Used Priority\n/var/swap file 102396 0 -2\n",
            "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "48200\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
            "sys/block/sda/device/ioerr_cnt": "0x2\n",
            "sys/class/watchdog/watchdog0/state": "inactive\n",
            "var/log/journal/0123/system.journal": "",
        },
    )


def pi_zero_2(root: Path) -> Path:
    """512 MB, on a card whose filesystem has an error and was mounted to be read only, swapping to it."""
    disk(root, "mmcblk0", "mmcblk0p2", "179:2", "platform/soc/3f300000.mmcnr/mmc_host/mmc0/mmc0:aaaa")
    return write(
        root,
        {
            "proc/cpuinfo": "processor\t: 0\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3\n",
            "proc/meminfo": MEMINFO.format(kib=425_000),
            "proc/device-tree/model": b"Raspberry Pi Zero 2 W Rev 1.0\0",
            "proc/device-tree/system/linux,revision": bytes.fromhex("00902120"),
            "proc/self/mountinfo": mounted("179:2", "/dev/root", options="ro,noatime"),
            "proc/swaps": "Filename Type Size Used Priority\n/var/swap file 102396 51200 -2\n",
            "sys/block/mmcblk0/device/type": "SD\n",
            "sys/fs/ext4/mmcblk0p2/errors_count": "3\n",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "81000\n",
            "sys/class/hwmon/hwmon0/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon0/in0_lcrit_alarm": "1\n",
        },
    )


def pc(root: Path) -> Path:
    """An x86 box: encrypted btrfs on a disk, everything in the kernel, no board to speak of."""
    disk(root, "sda", "sda3", "8:3", "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0")
    link(root, "sys/block/dm-0", "sys/devices/virtual/block/dm-0")
    link(root, "sys/block/dm-0/slaves/sda3", "sys/devices/x/block/sda/sda3")
    return write(
        root,
        {
            "proc/cpuinfo": PC_CPUINFO,
            "proc/meminfo": MEMINFO.format(kib=16_000_000),
            "proc/self/mountinfo": mounted("0:31", "/dev/dm-0", "btrfs"),
            "proc/swaps": "Filename Type Size Used Priority\n/dev/dm-0 partition 8388604 0 -2\n",
            "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
            "sys/class/thermal/thermal_zone0/temp": "44000\n",
            "var/log/journal/0123/system.journal": "",
        },
    )


BOARDS = (pi_5, pi_4, pi_zero_2, pc)
