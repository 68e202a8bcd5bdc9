"""Asking a program of the system for one line, within a time limit. No answer is no error."""

from __future__ import annotations

import os

ANSWER_S_MAX = 2.0
"""All that are asked here answer in milliseconds; one that hangs must not hold up who asks."""

ANSWER_CHARS_MAX = 1 << 20


def said(*command: str, answer_s_max: float = ANSWER_S_MAX) -> str:
    """What a program prints, in no country's language; "" when it is missing, fails or takes too long."""
    import subprocess  # only where somebody is asked: a light command should not pay for it

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=answer_s_max,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")[:ANSWER_CHARS_MAX].strip() if done.returncode == 0 else ""
