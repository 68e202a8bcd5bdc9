"""Tests of pi_rag.models."""
