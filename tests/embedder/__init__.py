"""Tests of pi_rag/embedder."""
