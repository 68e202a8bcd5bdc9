"""Seccomp: a process gives up calls of the kernel, for itself and all it starts (seccomp(2)).

A filter of the kernel's own small machine (classic BPF) looks at the number of each call and the low half of
three of its arguments. What is forbidden fails with EPERM, so that a library that only tries goes on. It
needs no rights and cannot be undone. Numbers differ from processor to processor: both that pi_rag runs on are
here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

SET_MODE_FILTER, GET_ACTION_AVAIL, TSYNC = 1, 2, 1
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCH, AT_FIRST, AT_SECOND, AT_FOURTH = 0, 4, 16, 24, 40
"""Where they are in `struct seccomp_data`; both processors put the low half of a number first."""

CLONE_THREAD = 0x10000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Type into a terminal; paste into one."""
MAP_SHARED, MAP_ANONYMOUS, MAP_GROWSDOWN = 0x1, 0x20, 0x100
"""Memory that is shared, though with nobody, or grows as a stack does, is not counted by RLIMIT_DATA."""
X32_BIT = 0x40000000
"""Calls of x86-64's other ABI have this bit in their numbers, and would get by."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of processor: its mark in the kernel, its column in the tables, and seccomp's own number."""

    audit_arch: int
    column: int
    sys_seccomp: int


MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(0xC000003E, 0, 317),
    "aarch64": Machine(0xC00000B7, 1, 277),
}

FORBIDDEN: Mapping[str, tuple[int | None, int | None]] = {
    # The network. A pair of sockets leads further than to each other: a datagram can be sent to any path.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # Other programs. That `clone` makes threads and nothing else is seen to below.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # What belongs to files and is no business of Landlock's, and what would get around it.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "truncate": (76, 45),
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # Large parts of the kernel that no parser needs, and that have had holes.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "syslog": (103, 116),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
}
"""The numbers of what fails: on x86-64, on aarch64; None: there is no such call."""

CLONE, CLONE3, KILL, TGKILL, PRLIMIT64 = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)
IOCTL, MMAP = (16, 29), (9, 222)


class _Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def machine() -> Machine | None:
    """This processor; None: its numbers are not known here."""
    return MACHINES.get(platform.machine())


def is_there() -> bool:
    """Whether this kernel (4.14 or later) filters calls, of this processor, and lets us ask for it."""
    on, ends = machine(), ctypes.c_uint32(KILL_PROCESS)
    return on is not None and _seccomp(on, GET_ACTION_AVAIL, 0, ctypes.byref(ends)) == 0


def forbid(on: Machine) -> None:
    """Forbid all threads of this process what is in the table, processes, and signals to others.

    Before it this thread must have given up new privileges. Raises OSError.
    """
    code = program(on, os.getpid())
    filtering = _Filter(len(code) // 8, code)
    if _seccomp(on, SET_MODE_FILTER, TSYNC, ctypes.byref(filtering)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _seccomp(on: Machine, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(libc.syscall(ctypes.c_long(on.sys_seccomp), *given))


def program(on: Machine, own_pid: int) -> bytes:
    """The filter, eight bytes an instruction: a jump skips so many instructions if it is so, or if not."""
    refuse = _does(RETURN, ERRNO | errno.EPERM)
    allow = _does(RETURN, ALLOW)
    first, second = _does(LOAD, AT_FIRST), _does(LOAD, AT_SECOND)
    code = [
        _does(LOAD, AT_ARCH),
        _does(JUMP_EQUAL, on.audit_arch, 1, 0),
        _does(RETURN, KILL_PROCESS),
        _does(LOAD, AT_NUMBER),
        _does(JUMP_GREATER_EQUAL, X32_BIT, 0, 1),
        _does(RETURN, KILL_PROCESS),
    ]
    for numbers in FORBIDDEN.values():
        number = numbers[on.column]
        if number is not None:
            code += [_does(JUMP_EQUAL, number, 0, 1), refuse]
    # A thread, but no process. What clone3 makes lies in memory, where no filter looks: libraries that hear
    # that there is no such call use the old one.
    code += [_does(JUMP_EQUAL, CLONE3[on.column], 0, 1), _does(RETURN, ERRNO | errno.ENOSYS)]
    threads_only = [first, _does(JUMP_SET, CLONE_THREAD, 0, 1), allow, refuse]
    itself_only = [first, _does(JUMP_EQUAL, own_pid, 0, 1), allow, refuse]
    no_typing = [second, _does(JUMP_EQUAL, TIOCSTI, 1, 0), _does(JUMP_EQUAL, TIOCLINUX, 0, 1), refuse, allow]
    # Whoever could share it is a process, and there will be none.
    counted_only = [
        _does(LOAD, AT_FOURTH),
        _does(JUMP_SET, MAP_GROWSDOWN, 2, 0),
        _does(JUMP_SET, MAP_ANONYMOUS, 0, 2),
        _does(JUMP_SET, MAP_SHARED, 0, 1),
        refuse,
        allow,
    ]
    caller_only = [first, _does(JUMP_EQUAL, 0, 1, 0), _does(JUMP_EQUAL, own_pid, 0, 1), allow, refuse]
    for numbers, verdict in (
        (CLONE, threads_only),
        (KILL, itself_only),
        (TGKILL, itself_only),
        (PRLIMIT64, caller_only),
        (IOCTL, no_typing),
        (MMAP, counted_only),
    ):
        code += [_does(JUMP_EQUAL, numbers[on.column], 0, len(verdict)), *verdict]
    return b"".join([*code, allow])


def _does(what: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """`struct sock_filter`."""
    return struct.pack("=HBBI", what, if_so, if_not, value)
