"""The graph of neighbours keeps the contract of every RAM index."""

from __future__ import annotations

from pi_rag.index.graph import Graph
from pi_rag.index.proposer import Proposer
from tests.index.contract import DIMENSIONS, ProposerContract


class TestGraph(ProposerContract):
    """HNSW over int8."""

    def empty(self) -> Proposer:
        """A new one."""
        return Graph(DIMENSIONS)
