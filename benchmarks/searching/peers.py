"""The peers, each as its own documentation has it. The peers' own Python runs it; it imports nothing of ours.

Graphs have M 16, ef 200 to build and 100 to search. What a library keeps beside that is as it ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.searching.orders import Opener, Rows, answer_orders

M, EF_BUILD, EF_SEARCH = 16, 200, 100
CANDIDATES = 100
"""How many are compared exactly, where a library proposes before it decides."""
BATCH = 5000


class NumpyFlat:
    """All products of a query with all rows in RAM: exact, and the least that any machine can do."""

    about = f"numpy {np.__version__}"

    def __init__(self, folder: Path, _: Mapping[str, Any]) -> None:
        self._path = folder / "vectors.npy"

    def build(self, vectors: Rows) -> None:
        """A file of the rows."""
        np.save(self._path, vectors)

    def load(self) -> None:
        """The file in RAM."""
        self._rows = np.load(self._path)

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """By the greatest products."""
        return best(self._rows @ query, k)

    def insert(self, first: int, vectors: Rows) -> None:
        """It would be a copy of everything."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""


def best(scores: Rows, k: int) -> list[int]:
    """The places of the k greatest scores, greatest first."""
    chosen = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
    return [int(each) for each in chosen[np.argsort(-scores[chosen])]]


class Vec0:
    """A vec0 table of sqlite-vec in a file with 16 KiB pages, a write-ahead log and mapped reads."""

    def __init__(self, folder: Path, _: Mapping[str, Any]) -> None:
        import apsw
        import sqlite_vec  # type: ignore[import-untyped, unused-ignore]

        self.about = f"sqlite-vec {version('sqlite-vec')}"
        self._db = apsw.Connection(str(folder / "vectors.db"))
        self._db.enable_load_extension(True)
        self._db.load_extension(sqlite_vec.loadable_path())
        for pragma in ("page_size = 16384", "journal_mode = WAL", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(f"PRAGMA mmap_size = {2**33}")

    def build(self, vectors: Rows) -> None:
        """One transaction for every BATCH rows."""
        width = vectors.shape[1]
        column = f"embedding float[{width}] distance_metric=L2"
        self._db.execute(f"CREATE VIRTUAL TABLE found USING vec0 (id INTEGER PRIMARY KEY, {column})")
        for at in range(0, len(vectors), BATCH):
            self.insert(at, vectors[at : at + BATCH])
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def load(self) -> None:
        """It is open."""

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """By its own KNN query."""
        sql = "SELECT id FROM found WHERE embedding MATCH ? AND k = ? ORDER BY distance"
        return [number for (number,) in self._db.execute(sql, (query.tobytes(), k))]

    def insert(self, first: int, vectors: Rows) -> None:
        """One transaction."""
        rows = ((first + at, row.tobytes()) for at, row in enumerate(vectors))
        with self._db:
            self._db.executemany("INSERT INTO found (id, embedding) VALUES (?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class Usearch:
    """A graph of usearch, in RAM or mapped from its file. Options: dtype, mapped."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        index: Any = import_module("usearch.index").Index
        self.about = f"usearch {version('usearch')}"
        self._make = index
        self._path, self._options = str(folder / "index.usearch"), options

    def build(self, vectors: Rows) -> None:
        """With as many threads as there are cores."""
        index = self._empty(vectors.shape[1])
        for at in range(0, len(vectors), BATCH):
            index.add(np.arange(at, at + len(vectors[at : at + BATCH])), np.array(vectors[at : at + BATCH]))
        index.save(self._path)

    def load(self) -> None:
        """All of it, or a view of the file."""
        self._index = self._empty(self._make.metadata(self._path)["dimensions"])
        (self._index.view if self._options["mapped"] else self._index.load)(self._path)

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """In one thread."""
        return list(self._index.search(query, k, threads=1).keys)

    def insert(self, first: int, vectors: Rows) -> None:
        """In RAM. A view takes none."""
        if self._options["mapped"]:
            raise NotImplementedError
        self._index.add(np.arange(first, first + len(vectors)), vectors, threads=1)

    def close(self) -> None:
        """Nothing is open."""

    def _empty(self, width: int) -> Any:
        shape = {"connectivity": M, "expansion_add": EF_BUILD, "expansion_search": EF_SEARCH}
        return self._make(ndim=width, metric="cos", dtype=self._options["dtype"], **shape)


class Faiss:
    """An index of faiss by the name that its factory knows. Options: factory, lists, mapped.

    `lists`: how many lists of an inverted file are looked at; 0 for one without lists. `mapped`: candidates
    are compared with the rows in a mapped file; faiss's own refinement keeps them in RAM instead.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        import faiss  # type: ignore[import-not-found, unused-ignore]

        self.about = f"faiss-cpu {faiss.__version__}"
        self._faiss, self._options = faiss, options
        self._path, self._rows_path = folder / "index.faiss", folder / "vectors.npy"

    def build(self, vectors: Rows) -> None:
        """Train on what fits the factory, then add."""
        index = self._faiss.index_factory(vectors.shape[1], self._options["factory"])
        if "HNSW" in self._options["factory"]:
            index.hnsw.efConstruction = EF_BUILD
        if not index.is_trained:
            index.train(np.array(vectors[:: max(1, len(vectors) // 100_000)]))
        for at in range(0, len(vectors), BATCH):
            index.add(np.array(vectors[at : at + BATCH]))
        self._faiss.write_index(index, str(self._path))
        if self._options["mapped"]:
            np.save(self._rows_path, vectors)

    def load(self) -> None:
        """The index in RAM."""
        self._index = self._faiss.read_index(str(self._path))
        if self._options["mapped"]:
            self._rows = np.load(self._rows_path, mmap_mode="r")
        if "HNSW" in self._options["factory"]:
            self._index.hnsw.efSearch = EF_SEARCH
        if self._options["lists"]:
            self._faiss.ParameterSpace().set_index_parameter(self._index, "nprobe", self._options["lists"])
        if "RFlat" in self._options["factory"]:
            self._index.k_factor = CANDIDATES / 10

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """The nearest, or the nearest of the candidates."""
        if not self._options["mapped"]:
            return list(self._index.search(query[None], k)[1][0])
        found = np.sort(self._index.search(query[None], CANDIDATES)[1][0])
        known = found[found >= 0]
        return [int(known[at]) for at in best(self._rows[known] @ query, k)]

    def insert(self, first: int, vectors: Rows) -> None:
        """In RAM. Numbers go up by themselves. The mapped file would have to be written anew."""
        if self._options["mapped"]:
            raise NotImplementedError
        self._index.add(vectors)

    def close(self) -> None:
        """Nothing is open."""


class Chroma:
    """A persistent collection of chromadb."""

    def __init__(self, folder: Path, _: Mapping[str, Any]) -> None:
        import chromadb  # type: ignore[import-not-found, unused-ignore]

        self.about = f"chromadb {chromadb.__version__}"
        settings = chromadb.Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(str(folder), settings)

    def build(self, vectors: Rows) -> None:
        """In batches as large as it takes."""
        graph = {"space": "l2", "max_neighbors": M, "ef_construction": EF_BUILD, "ef_search": EF_SEARCH}
        self._found = self._client.create_collection(
            "found", configuration={"hnsw": graph}, embedding_function=None
        )
        for at in range(0, len(vectors), BATCH):
            self.insert(at, np.array(vectors[at : at + BATCH]))

    def load(self) -> None:
        """Its graph is read by the first search."""
        self._found = self._client.get_collection("found", embedding_function=None)

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """Without texts and metadata."""
        answer = self._found.query(query_embeddings=[query], n_results=k, include=[])
        return [int(each) for each in answer["ids"][0]]

    def insert(self, first: int, vectors: Rows) -> None:
        """One call."""
        self._found.add(ids=[str(first + at) for at in range(len(vectors))], embeddings=vectors)

    def close(self) -> None:
        """It closes by itself."""


class Lance:
    """A table of lancedb with IVF_HNSW_SQ, and as many candidates compared exactly as elsewhere."""

    def __init__(self, folder: Path, _: Mapping[str, Any]) -> None:
        import lancedb  # type: ignore[import-not-found, unused-ignore]
        import pyarrow  # type: ignore[import-not-found, unused-ignore]

        self.about = f"lancedb {lancedb.__version__}"
        self._arrow, self._db = pyarrow, lancedb.connect(folder)

    def build(self, vectors: Rows) -> None:
        """The rows, then the index over them."""
        self._table = self._db.create_table("found", self._rows(0, vectors[:BATCH]))
        for at in range(BATCH, len(vectors), BATCH):
            self.insert(at, vectors[at : at + BATCH])
        self._table.create_index("l2", index_type="IVF_HNSW_SQ", m=M, ef_construction=EF_BUILD)

    def load(self) -> None:
        """The table."""
        self._table = self._db.open_table("found")

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """Numbers only."""
        asked = self._table.search(query).distance_type("l2").limit(k).ef(EF_SEARCH)
        asked = asked.refine_factor(CANDIDATES // k)
        return list(asked.select(["id"]).to_arrow()["id"].to_pylist())

    def insert(self, first: int, vectors: Rows) -> None:
        """A new fragment, not yet in the index and searched beside it."""
        self._table.add(self._rows(first, vectors))

    def close(self) -> None:
        """It closes by itself."""

    def _rows(self, first: int, vectors: Rows) -> Any:
        flat = self._arrow.array(np.array(vectors).reshape(-1), type=self._arrow.float32())
        column = self._arrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        numbers = self._arrow.array(np.arange(first, first + len(vectors)))
        return self._arrow.table({"id": numbers, "vector": column})


class Qdrant:
    """A shard of qdrant-edge. Options: small: 2-bit codes in RAM; the rows and the graph are on disk."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        import qdrant_edge  # type: ignore[import-not-found, unused-ignore]

        self.about = f"qdrant-edge-py {version('qdrant-edge-py')}"
        self._q, self._folder, self._small = qdrant_edge, str(folder), options["small"]

    def build(self, vectors: Rows) -> None:
        """The rows, then its optimizer, which makes the graph."""
        self._shard = self._q.EdgeShard.create(self._folder, self._config(vectors.shape[1]))
        for at in range(0, len(vectors), BATCH):
            self.insert(at, vectors[at : at + BATCH])
        self._shard.optimize()
        self._shard.flush()

    def load(self) -> None:
        """The shard."""
        self._shard = self._q.EdgeShard.load(self._folder)

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """Candidates of codes are compared with the rows, as many as elsewhere."""
        codes = self._q.QuantizationSearchParams(rescore=True, oversampling=CANDIDATES / k)
        params = self._q.SearchParams(hnsw_ef=EF_SEARCH, quantization=codes if self._small else None)
        asked = self._q.SearchRequest(self._q.Query.Nearest(query.tolist()), k, params=params)
        return [point.id for point in self._shard.search(asked)]

    def insert(self, first: int, vectors: Rows) -> None:
        """One update and a flush, since an update alone is only in its log."""
        points = [self._q.Point(first + at, row.tolist()) for at, row in enumerate(vectors)]
        self._shard.update(self._q.UpdateOperation.upsert_points(points))
        self._shard.flush()

    def close(self) -> None:
        """Close the shard."""
        self._shard.close()

    def _config(self, width: int) -> Any:
        cold = self._q.Memory.Cold if self._small else None
        codes = self._q.TurboQuantQuantizationConfig(
            bits=self._q.TurboQuantBitSize.Bits2, memory=self._q.Memory.Pinned
        )
        return self._q.EdgeConfig(
            vectors=self._q.EdgeVectorParams(width, self._q.Distance.Dot, memory=cold),
            hnsw_config=self._q.HnswIndexConfig(M, EF_BUILD, 10, memory=cold),
            quantization_config=codes if self._small else None,
        )


OPENERS: dict[str, Opener] = {
    "numpy": NumpyFlat,
    "vec0": Vec0,
    "usearch": Usearch,
    "faiss": Faiss,
    "chromadb": Chroma,
    "lancedb": Lance,
    "qdrant": Qdrant,
}

if __name__ == "__main__":
    answer_orders(OPENERS)
