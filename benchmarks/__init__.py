"""Measurements. Each is `python -m benchmarks.NAME`: its two numbers and a table; `--json FILE`; `--quick`."""
