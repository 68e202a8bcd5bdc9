"""The parts of `python -m benchmarks.search`: the vectors, the indexes, the turns, the table."""
