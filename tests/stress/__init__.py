"""Stress: seeded traffic, named faults, and what must be true afterwards, on the real service."""
