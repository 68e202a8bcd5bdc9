"""Tests of pi_rag/processes."""
