"""The locks: what is installed is pinned, within pyproject's bounds, for every Python and machine we name."""

from __future__ import annotations

import platform
import re
import tomllib
from importlib import metadata

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.install.shell import ROOT

PLACES = [(python, machine) for python in ("3.11", "3.12", "3.13") for machine in ("x86_64", "aarch64")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = {
    "requirements.lock": PROJECT["dependencies"],
    "requirements-test.lock": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"],
}


def lines(lock: str) -> list[str]:
    """The lines of a lock that are no comments."""
    return [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith("#")]


def pins(lock: str, python: str, machine: str) -> dict[str, str]:
    """The version of every package that a lock installs on one machine, by its canonical name."""
    place = {str(key): str(value) for key, value in default_environment().items()} | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    wanted = [Requirement(line) for line in lines(lock)]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate(place)]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}


@pytest.mark.parametrize("lock", WANTED)
def test_every_line_is_one_exact_version(lock: str) -> None:
    """A lock has a name, one version and perhaps a marker on a line: no address, no path, no range."""
    assert lines(lock)
    for line in lines(lock):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_]+ .*)?", line), line
    assert "/" not in "".join(lines(lock))


@pytest.mark.parametrize(("python", "machine"), PLACES)
@pytest.mark.parametrize("lock", WANTED)
def test_the_bounds_of_the_project_hold(lock: str, python: str, machine: str) -> None:
    """Each package that pyproject names for a machine is pinned once, within the bounds that it sets."""
    pinned = pins(lock, python, machine)
    place = {"python_version": python, "platform_machine": machine}
    for each in map(Requirement, WANTED[lock]):
        if each.marker is not None and not each.marker.evaluate(place):
            continue
        assert pinned[canonicalize_name(each.name)] in each.specifier, each


@pytest.mark.parametrize(("python", "machine"), PLACES)
def test_tests_run_on_what_is_installed(python: str, machine: str) -> None:
    """The lock of the tests pins the same versions as the lock of the program, and more."""
    assert (
        pins("requirements.lock", python, machine).items()
        <= pins("requirements-test.lock", python, machine).items()
    )


def test_nothing_that_is_needed_is_missing() -> None:
    """Every package that pi_rag needs here, directly or through another, is pinned."""
    pinned = pins(
        "requirements.lock",
        ".".join(platform.python_version_tuple()[:2]),
        default_environment()["platform_machine"],
    )
    seen: set[str] = set()
    todo = [Requirement(each) for each in PROJECT["dependencies"]]
    while todo:
        each = todo.pop()
        name = canonicalize_name(each.name)
        if name in seen or not _here(each, ""):
            continue
        seen.add(name)
        assert name in pinned, f"{name} is not in requirements.lock"
        todo += [need for need in _needs(name) if any(_here(need, extra) for extra in ("", *each.extras))]
    assert len(seen) > len(PROJECT["dependencies"])


def _needs(name: str) -> list[Requirement]:
    return [Requirement(each) for each in metadata.requires(name) or []]


def _here(each: Requirement, extra: str) -> bool:
    return each.marker is None or each.marker.evaluate({"extra": extra})
