"""Figures that a test measured, for who reads along with `pytest -s`."""

from __future__ import annotations


def told(what: str, seconds: float, bound_s: float) -> None:
    """Print one figure beside its bound."""
    print(f"\n{what}: {seconds:.2f} s (bound {bound_s:.0f} s)")
