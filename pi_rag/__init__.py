"""pi_rag: a private memory for a house, served from one warm process on a Raspberry Pi."""

__version__ = "0.1.0"
