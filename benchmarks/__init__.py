"""Measurements. Each is `python -m benchmarks.NAME`: two numbers and a table; `--json FILE`; `--quick`."""
