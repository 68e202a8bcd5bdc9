"""Faults inside of a running service; the test that starts it puts this folder into its PYTHONPATH."""
