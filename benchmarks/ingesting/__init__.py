"""What `benchmarks.ingest` is made of."""
